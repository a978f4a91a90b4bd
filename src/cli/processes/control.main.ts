import { env } from 'node:process';
import { startApi } from '#control/api/server';
import { runControl } from '#control/control';
import { localView } from '#control/local-view';
import { openSqliteStore } from '#store/sqlite/sqlite-store';
import { nodeWorld } from '#world/node/node-world';
import { addressesOf, homeOf, internalPortsOf, pathsOf } from '../home.ts';
import { VERSION } from '../version.ts';
import { runProgram } from './run-program.ts';

const home = homeOf(env);
const world = nodeWorld({ logLevel: 'info', logName: 'control' });
await runProgram(async (signal) => {
  await using store = await openSqliteStore({ world, directory: pathsOf(home).store });
  const view = localView(store);
  await using _api = await startApi({
    world,
    store,
    view,
    directory: home.directory,
    address: addressesOf(home).api,
    options: { version: VERSION },
    signal,
  });
  await runControl({ world, store, identity: 'control-1', options: { internalPorts: internalPortsOf(home) }, signal });
});
