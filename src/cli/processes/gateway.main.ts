import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process, { argv, env } from 'node:process';
import { parseName } from '#base/name';
import { RemoteView } from '#control/remote-view';
import { runGateway } from '#gateway/gateway';
import { nodeWorld } from '#world/node/node-world';
import { endOnUncaught } from '../gateway/end-on-uncaught.ts';
import { addressesOf, homeOf, httpsAddressOf, pathsOf } from '../home.ts';
import { runProgram } from './run-program.ts';

const name = parseName(argv[2] ?? '', 'a gateway');
const home = homeOf(env);
const { api, gateway, gatewayAdmin } = addressesOf(home);
const directory = pathsOf(home).gateway(name);
const world = nodeWorld({ logLevel: 'info', logName: name });
endOnUncaught(process, world.log);
const token = (await readFile(join(directory, 'token'), 'utf8')).trim();

await runProgram((signal) =>
  runGateway({
    world,
    view: new RemoteView(world, { address: api, token }),
    name,
    directory,
    address: gateway,
    adminAddress: gatewayAdmin,
    options: { https: { address: httpsAddressOf(home), authorityFolder: pathsOf(home).authority } },
    signal,
  }),
);
