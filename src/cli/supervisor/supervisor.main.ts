import { env } from 'node:process';
import { nodeWorld } from '#world/node/node-world';
import { homeOf } from '../home.ts';
import { runProgram } from '../processes/run-program.ts';
import { supervise } from './supervisor.ts';

await runProgram((signal) => supervise({ world: nodeWorld({ logLevel: 'info', logName: 'supervisor' }), home: homeOf(env), signal }));
