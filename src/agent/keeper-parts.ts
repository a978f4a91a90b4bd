import type { Instance, InstanceStatus } from '#model/instance';
import type { AgentFolders } from './folders.ts';
import type { LogKeeper } from './logs/log-keeper.ts';
import type { PortBook } from './port-book.ts';
import type { Runtime } from './runtimes/runtime.ts';
import type { SecretSource } from './sources.ts';
import type { StartGate } from './start-gate.ts';

/** What all keepers of a node share. */
export interface KeeperParts {
  readonly folders: AgentFolders;
  readonly runtimes: Readonly<Record<Instance['spec']['run']['kind'], Runtime>>;
  readonly ports: PortBook;
  readonly gate: StartGate;
  readonly logs: LogKeeper;
  readonly secrets: SecretSource;
  readonly host: string;
  /** The agent's PATH. */
  readonly path: string;
  readonly bootId: string;
  readonly onStatus: (status: InstanceStatus) => void;
}
