import type { AgentStatus } from '#model/node';
import type { Address } from '#world/world';

/** What the lease's thread is started with. */
export interface LeaseOrder {
  readonly status: AgentStatus;
  readonly api: { readonly address: Address; readonly token: string };
  readonly logName: string;
  /** One number that the agent's own event loop raises every `beatMs`. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  readonly beatMs: number;
  /** Beats missed in a row after which the agent is ended: it does not come back by itself. */
  readonly maxMissedBeats: number;
}

/** From the thread. */
export type LeaseNews = { readonly kind: 'registered' } | { readonly kind: 'left' };

/** To the thread. */
export type LeaseCommand = { readonly kind: 'leave' };
