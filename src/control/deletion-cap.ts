import type { RolloutAction } from '#policy/rollout/action';

/** Below this many nothing is capped: on a small cluster one lost node is half of it. */
export const MIN_CAPPED_STOPS = 5;

/** A wish to take out more than half of everything that no user asked for is more likely our mistake than the cluster's: those drains are held back. */
export function isOverDeletionCap(plans: readonly (readonly RolloutAction[])[], instances: number): boolean {
  const stops = plans.flat().filter(isUnasked).length;
  return stops >= MIN_CAPPED_STOPS && stops > instances / 2;
}

/** A drain that follows from what control believes of the cluster, not from what a user wants. */
export function isUnasked(action: RolloutAction): boolean {
  return action.kind === 'drain' && !action.byUser;
}
