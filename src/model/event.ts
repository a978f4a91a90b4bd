import type { UnixMs } from '#world/world';

/** One dated fact with its reason. At /events/OBJECT/SEQUENCE. */
export interface Event {
  /** `app/shop`, `service/shop/web`, `instance/shop.web.2-7`, `node/worker-1`, `gateway/gateway-1`. */
  readonly object: string;
  readonly at: UnixMs;
  readonly level: 'info' | 'warn' | 'error';
  /** A stable word for programs: `placed`, `started`, `ready`, `exited`, `node-lost`, `rollout-failed`. */
  readonly kind: string;
  /** A sentence for people without a full stop. */
  readonly message: string;
}

/** Events kept per object; older ones are deleted. */
export const MAX_EVENTS_PER_OBJECT = 50;
