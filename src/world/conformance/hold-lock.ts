// Takes the lock of the file, prints `held` and waits for ever; exits with 1 if another has it.
import { nodeWorld } from '../node/node-world.ts';

const { disk, clock } = nodeWorld({ logLevel: 'error', logName: 'hold-lock' });
using lock = await disk.lock(process.argv[2] ?? '');
if (lock === undefined) process.exit(1);
process.stdout.write('held');
await clock.sleep(60_000);
