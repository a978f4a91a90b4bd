import { PlatformError } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import { homeOf } from '../home.ts';
import { supervise } from './supervisor.ts';

const world = nodeWorld({ logLevel: 'info', logName: 'supervisor' });
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new PlatformError('ABORTED', `Stopped by ${signal}`)));
await supervise({ world, home: homeOf(process.env), signal: stop.signal });
process.exit(0);
