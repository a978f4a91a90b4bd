/** Our own mistake, never the user's: the process must not go on. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws AssertionError unless `claim` holds. */
export function assert(claim: unknown, message: string): asserts claim {
  if (!claim) throw new AssertionError(message);
}

/** The end of a switch over a union: does not compile while a member is unhandled. */
export function unreachable(value: never): never {
  throw new AssertionError(`Unreachable value ${JSON.stringify(value)}`);
}
