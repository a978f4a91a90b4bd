/** What decides whether a backend may get requests. */
export interface BackendFacts {
  readonly tier: 'primary' | 'backup';
  /** Taken out by the operator or a deploy: gets no new request while anybody else is usable. */
  readonly draining: boolean;
  /** Of the active checks. */
  readonly health: 'unknown' | 'passing' | 'failing';
  /** Passively: after failures in a row, as slow, as leaving, or as silent among answering peers. */
  readonly ejected: boolean;
  /** False when the last evidence is that nobody answers there at all, as opposed to an answer that says "not healthy". */
  readonly reachable: boolean;
}

/** Which backends get requests, and why these. `single`: the only one, however it looks. `none`: hold the request. */
export interface TierChoice<Backend> {
  readonly from: 'primary' | 'unchecked' | 'backup' | 'draining' | 'single' | 'panic' | 'none';
  readonly backends: readonly Backend[];
}

/** What a service may say about its tiers. */
export interface TierOptions {
  /** Below this share of usable primaries their health is no longer believed; 0: it always is. */
  readonly panicShare: number;
  /** All healthy backups share the load, instead of the first of them taking it. */
  readonly allBackups: boolean;
  /** Those that drain serve when nobody else is usable. Only where nobody stops them once they are seen empty. */
  readonly usesDraining: boolean;
}

export const DEFAULT_TIERS: TierOptions = { panicShare: 0.5, allBackups: false, usesDraining: false };

/**
 * The order of, which is how H6 is kept: healthy primaries; if too few of them are left and there is no healthy backup, all primaries that still answer (panic: the
 * survivors would drown); without a healthy primary those never checked, then a healthy backup, then a healthy one that drains; then the only one there is, because
 * checks of it can only inform; then panic over whatever is not draining. A backend known to be unreachable takes part in panic only if no reachable one does.
 */
export function chooseTier<Backend extends BackendFacts>(backends: readonly Backend[], options: TierOptions = DEFAULT_TIERS): TierChoice<Backend> {
  const { panicShare, allBackups, usesDraining } = options;
  const active = backends.filter((backend) => !backend.draining);
  const primaries = active.filter((backend) => backend.tier === 'primary');
  const standby = firstNotEmpty(usable(active, 'backup'), unchecked(active, 'backup'));
  const healthy = usable(active, 'primary');
  if (healthy.length > 0) {
    // Those never checked say nothing about the health of the tier.
    const judged = primaries.filter((backend) => !isUnchecked(backend)).length;
    if (standby.length > 0 || healthy.length >= judged * panicShare) return { from: 'primary', backends: healthy };
    return { from: 'panic', backends: reachableFirst(primaries) };
  }
  const fresh = unchecked(active, 'primary');
  if (fresh.length > 0) return { from: 'unchecked', backends: fresh };
  if (standby.length > 0) return { from: 'backup', backends: allBackups ? standby : standby.slice(0, 1) };
  const leaving = usesDraining ? backends.filter((backend) => backend.draining && isUsable(backend)) : [];
  if (leaving.length > 0) return { from: 'draining', backends: leaving };
  if (active.length === 1) return { from: 'single', backends: active };
  if (active.length === 0 || panicShare === 0) return { from: 'none', backends: [] };
  return { from: 'panic', backends: reachableFirst(active) };
}

function usable<Backend extends BackendFacts>(backends: readonly Backend[], tier: BackendFacts['tier']): readonly Backend[] {
  return backends.filter((backend) => backend.tier === tier && isUsable(backend));
}

function unchecked<Backend extends BackendFacts>(backends: readonly Backend[], tier: BackendFacts['tier']): readonly Backend[] {
  return backends.filter((backend) => backend.tier === tier && isUnchecked(backend));
}

function isUsable(backend: BackendFacts): boolean {
  return backend.health === 'passing' && !backend.ejected;
}

function isUnchecked(backend: BackendFacts): boolean {
  return backend.health === 'unknown' && !backend.ejected;
}

function firstNotEmpty<Backend>(first: readonly Backend[], second: readonly Backend[]): readonly Backend[] {
  return first.length > 0 ? first : second;
}

function reachableFirst<Backend extends BackendFacts>(backends: readonly Backend[]): readonly Backend[] {
  const reachable = backends.filter((backend) => backend.reachable);
  return reachable.length > 0 ? reachable : backends;
}
