import type { LogLevel, World } from '../world.ts';
import { NodeClock } from './clock.ts';
import { NodeDisk } from './disk.ts';
import { NodeLog } from './log.ts';
import { NodeNetwork } from './network.ts';
import { NodeProcesses } from './processes.ts';
import { NodeRandom } from './random.ts';

export interface NodeWorldOptions {
  readonly logLevel: LogLevel;
  /** Which program of Haven speaks in the log: `control`, `agent`, `gateway`. */
  readonly logName: string;
  /** Where a line of the log goes, newline included; standard error unless told. */
  readonly writeLog?: (line: string) => void;
}

/** This machine as a World. Only programs make one; everything else is given it. */
export function nodeWorld(options: NodeWorldOptions): World {
  const log = new NodeLog({ level: options.logLevel, name: options.logName, ...(options.writeLog ? { write: options.writeLog } : {}) });
  return {
    clock: new NodeClock(),
    random: new NodeRandom(),
    network: new NodeNetwork(log),
    disk: new NodeDisk(),
    processes: new NodeProcesses(log),
    log,
  };
}
