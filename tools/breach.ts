/** One place where a file breaks a rule of this repository. */
export interface Breach {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  /** What is wrong and what to do instead: a sentence without a full stop. */
  readonly message: string;
}

/** As editors and terminals link it: `path:line  message [rule]`. */
export function formatBreach(breach: Breach): string {
  return `${breach.path}:${breach.line}  ${breach.message} [${breach.rule}]`;
}
