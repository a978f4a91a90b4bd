// Another life: starts the process given as JSON, prints its identity and ends at once.
import { nodeWorld } from '../node/node-world.ts';
import type { ProcessSpec } from '../world.ts';

const spec = JSON.parse(process.argv[2] ?? '') as ProcessSpec;
const started = await nodeWorld({ logLevel: 'error', logName: 'start-process' }).processes.spawn(spec);
process.stdout.write(JSON.stringify(started.identity));
