import { runAgent } from '#agent/agent';
import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import { RemoteView } from '#control/remote-view';
import type { Program } from '#world/simulated/program';
import type { Address } from '#world/world';

const capacity = { cpu: 4, memoryBytes: 8 * 2 ** 30 };
const agentPort = 7_100;

export interface AgentProgramOptions {
  readonly control: Address;
  readonly token: (node: string) => string;
  /** That of the machine as it runs now. */
  readonly bootId: (node: string) => string;
}

/** The agent of the product on a simulated node, started as `agent NODE`. */
export function agentProgram(options: AgentProgramOptions): Program {
  return async ({ world, signal, arguments: [node = ''] }) => {
    const nothing = new PlatformError('NOT_FOUND', 'This simulation has neither artifacts nor secrets');
    await runAgent({
      world,
      view: new RemoteView(world, { address: options.control, token: options.token(node), timeoutMs: 3_000 }),
      node: { node: node as Name, host: node, pid: 1, bootId: options.bootId(node), capacity, limits: 'none', version: 'simulated' },
      directory: '/agent',
      artifacts: { open: () => Promise.reject(nothing) },
      unpack: () => Promise.reject(nothing),
      secrets: { read: () => Promise.reject(nothing) },
      options: { ports: { first: 20_000, last: 20_399 }, path: '/bin', api: { address: { host: node, port: agentPort }, token: 'simulated' } },
      signal,
    });
  };
}
