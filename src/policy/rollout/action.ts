import type { Name } from '#base/name';
import type { FailureCause } from '#model/app';
import type { InstanceId, Tier } from '#model/instance';
import type { Template } from './template.ts';

/** One step of a service towards what is wanted. All actions of a plan and its new state are one transaction. */
export type RolloutAction =
  | {
      readonly kind: 'place';
      readonly slot: number;
      readonly serial: number;
      readonly node: Name;
      readonly template: Template;
      readonly tier: Tier;
      readonly reason: string;
    }
  /** A change that needs no restart: the instance belongs to the template's release from now on (R10). */
  | { readonly kind: 'adopt'; readonly id: InstanceId; readonly template: Template }
  /** Out of the route. `byUser`: a consequence of deploy, scale, drain or rm, and so not subject to the deletion cap. */
  | { readonly kind: 'drain'; readonly id: InstanceId; readonly reason: string; readonly byUser: boolean }
  /** `forced`: at a deadline, without waiting for gateways. */
  | { readonly kind: 'stop'; readonly id: InstanceId; readonly reason: string; readonly forced: boolean }
  | { readonly kind: 'delete'; readonly id: InstanceId }
  | { readonly kind: 'set-tier'; readonly id: InstanceId; readonly tier: Tier; readonly reason: string }
  /** The user's `switch` was carried out or cannot be: it must not be carried out again after a failover (N12). */
  | { readonly kind: 'clear-switch'; readonly reason: string }
  | { readonly kind: 'succeed'; readonly release: number; readonly message: string }
  | { readonly kind: 'fail'; readonly release: number; readonly cause: FailureCause; readonly revertTo?: number; readonly scope: 'service' | 'app' }
  /** Nothing of the service is left and nothing is wanted: its state goes. */
  | { readonly kind: 'forget' };
