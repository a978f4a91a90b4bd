import type { Linked } from './intrusive-list.ts';

/** A client's connection as the plane keeps it, whatever it speaks. */
export interface Client extends Linked<Client> {
  /** When the sweep calls `expired`. */
  deadlineAt: number;
  expired(): void;
  /** The worker drains: ends the connection then, if no request has come on it. */
  endWhenIdle(at: number): void;
  destroy(): void;
}
