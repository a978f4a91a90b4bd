import type { Name } from '#base/name';
import type { Moment } from './moment.ts';

/** How often a slot's instance was given up by its agent and tried elsewhere (B1). Forgotten after the slot was healthy for the reset time (B2). */
export interface Rescheduling {
  readonly count: number;
  readonly at: Moment;
  /** Where it was given up, latest last: avoided while another node can take it. */
  readonly nodes: readonly Name[];
}
