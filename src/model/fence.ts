import type { Name } from '#base/name';
import type { Moment } from './moment.ts';

/** A gateway that control counts out, because it did not acknowledge a route in time (S1). At /fences/GATEWAY. */
export interface GatewayFence {
  readonly gateway: Name;
  /** It counts again once it reports this revision of the routes as applied. */
  readonly revision: number;
  readonly at: Moment;
  /** A sentence without a full stop. */
  readonly reason: string;
}
