import { PlatformError } from '#base/errors';

/** The node cannot be made ready for an instance, and trying again would not help. */
export class PrepareFailure extends PlatformError {
  readonly why: 'fetch-failed' | 'install-failed';
  /** Last lines of the install step. */
  readonly output: readonly string[];

  constructor(why: 'fetch-failed' | 'install-failed', message: string, options: { readonly output?: readonly string[]; readonly cause?: unknown } = {}) {
    super('INVALID', message, { why }, { cause: options.cause });
    this.why = why;
    this.output = options.output ?? [];
  }
}
