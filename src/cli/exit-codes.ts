import type { ErrorCode } from '#base/errors';

/** The one table of exit codes, for every command. `docs/cli.md` repeats it. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** Wrong usage or an invalid config: nothing was changed. */
  usage: 2,
  /** Accepted, but no node can take it. */
  notPlaced: 3,
  /** The deploy failed and was rolled back. */
  rolledBack: 4,
  /** Still running when the time was up. */
  timeout: 5,
  /** Somebody else holds it or changed it first. */
  conflict: 6,
  /** `plan --exit-code`: a deploy would change something. */
  changes: 10,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const EXIT_OF_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  INVALID: EXIT.usage,
  NOT_PLACED: EXIT.notPlaced,
  TIMEOUT: EXIT.timeout,
  CONFLICT: EXIT.conflict,
  LOCKED: EXIT.conflict,
  EXISTS: EXIT.conflict,
  ABORTED: EXIT.interrupted,
};

export function exitCodeOf(code: ErrorCode): ExitCode {
  return EXIT_OF_ERROR[code] ?? EXIT.failed;
}
