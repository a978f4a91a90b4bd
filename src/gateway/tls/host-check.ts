import type { Choice, Choices } from './choices.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Whether a request may come over a secure connection that was opened for another name. It may if its host is served with the same certificate and asks the same of
 * clients; else it has to come over a connection of its own (421; RFC 9110, 15.5.20), or a check of the other host would be passed by.
 */
export class HostCheck {
  readonly #choices: Choices;
  readonly #key: string;
  #last: Buffer = NOTHING;

  constructor(choice: Choice, choices: Choices) {
    this.#choices = choices;
    this.#key = choice.key;
  }

  /** `[from, to)` is a Host with or without a port; empty: the request has none. */
  allows(bytes: Buffer, from: number, to: number): boolean {
    const last = this.#last;
    if (to > from && to - from === last.length && last.compare(bytes, from, to) === 0) return true;
    const host = bytes.toString('latin1', from, to).toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
    if (this.#choices.find(host === '' ? undefined : host)?.key !== this.#key) return false;
    this.#last = Buffer.from(bytes.subarray(from, to));
    return true;
  }
}
