import type { Name } from '#base/name';
import type { App, Release, ServiceState } from '#model/app';
import type { Instance, InstanceStatus } from '#model/instance';
import type { Moment } from '#model/moment';
import type { PlacementNode } from '../placement/request.ts';
import type { Observation } from './observation.ts';
import type { Readiness } from './readiness.ts';

/** All that is known of one service at one revision of the store. */
export interface ServiceSnapshot {
  readonly app: App;
  readonly service: Name;
  /** Of the app, by number. */
  readonly releases: ReadonlyMap<number, Release>;
  readonly state: ServiceState;
  /** Of the service, whatever their intent. */
  readonly instances: readonly InstanceFacts[];
  readonly nodes: readonly PlacementNode[];
  /** Internal ports of the app's listening services. */
  readonly ports: ReadonlyMap<Name, number>;
}

export interface InstanceFacts {
  readonly instance: Instance;
  readonly status: InstanceStatus | undefined;
  readonly host: HostState;
  readonly readiness: Readiness;
  readonly observation: Observation;
}

/** The instance's node, as far as the instance is concerned. */
export type HostState =
  | { readonly kind: 'available' }
  /** It must leave; at `deadline` it is stopped whatever the cost (D2). */
  | { readonly kind: 'draining'; readonly deadline: Moment }
  /** Nobody hears the agent: the instance may live or not. */
  | { readonly kind: 'lost' }
  /** The machine is certainly off or removed: nothing of the instance is left. */
  | { readonly kind: 'gone' };
