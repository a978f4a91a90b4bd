import type { Log, LogFields, LogLevel } from '../world.ts';

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const satisfies Record<LogLevel, number>;

export interface NodeLogOptions {
  /** Lines below this level are dropped. */
  readonly level: LogLevel;
  /** Which program of Haven speaks: `control`, `agent`, `gateway`. */
  readonly name: string;
  /** Where a line goes, newline included; standard error unless told. */
  readonly write?: (line: string) => void;
}

/** One JSON object a line: `time`, `level`, `name`, `message`, then the fields. */
export class NodeLog implements Log {
  readonly #options: NodeLogOptions;
  readonly #write: (line: string) => void;

  constructor(options: NodeLogOptions) {
    this.#options = options;
    this.#write = options.write ?? ((line) => void process.stderr.write(line));
  }

  write(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (RANK[level] < RANK[this.#options.level]) return;
    const time = new Date().toISOString();
    this.#write(`${JSON.stringify({ ...fields, time, level, name: this.#options.name, message })}\n`);
  }
}
