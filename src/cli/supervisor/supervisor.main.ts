import { env } from 'node:process';
import { nodeWorld } from '#world/node/node-world';
import { homeOf } from '../home.ts';
import { stopSignal } from '../processes/stop-signal.ts';
import { supervise } from './supervisor.ts';

await supervise({ world: nodeWorld({ logLevel: 'info', logName: 'supervisor' }), home: homeOf(env), signal: stopSignal() });
process.exit(0);
