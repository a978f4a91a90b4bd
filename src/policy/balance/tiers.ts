/** What decides whether a backend may get requests. */
export interface BackendFacts {
  readonly tier: 'primary' | 'backup';
  /** Taken out by the operator or a deploy: never gets a new request. */
  readonly draining: boolean;
  /** Of the active checks. */
  readonly health: 'unknown' | 'passing' | 'failing';
  /** Passively, after failures in a row, or as silent among answering peers. */
  readonly ejected: boolean;
  /** False when the last evidence is that nobody answers there at all, as opposed to an answer that says "not healthy". */
  readonly reachable: boolean;
}

/** Which backends get requests, and why these. `none`: hold the request. */
export interface TierChoice<Backend> {
  readonly from: 'primary' | 'unchecked' | 'backup' | 'panic' | 'none';
  readonly backends: readonly Backend[];
}

/** Below this share of usable primaries their health is no longer believed. */
export const PANIC_SHARE = 0.5;

/**
 * The order of: healthy primaries; if too few of them are left and there is no healthy backup, all primaries that still answer (panic: the
 * survivors would drown); without a healthy primary those never checked, then the first healthy backup; then panic over whatever is not draining. A backend known to
 * be unreachable takes part in panic only if no reachable one does.
 */
export function chooseTier<Backend extends BackendFacts>(backends: readonly Backend[], options: { readonly panicShare?: number } = {}): TierChoice<Backend> {
  const { panicShare = PANIC_SHARE } = options;
  const active = backends.filter((backend) => !backend.draining);
  const primaries = active.filter((backend) => backend.tier === 'primary');
  const backups = active.filter((backend) => backend.tier === 'backup');
  const usable = primaries.filter(isUsable);
  const usableBackup = backups.find(isUsable) ?? backups.find(isUnchecked);
  if (usable.length > 0) {
    // Those never checked say nothing about the health of the tier.
    const judged = primaries.filter((backend) => !isUnchecked(backend)).length;
    if (usableBackup !== undefined || usable.length >= judged * panicShare) return { from: 'primary', backends: usable };
    return { from: 'panic', backends: reachableFirst(primaries) };
  }
  const unchecked = primaries.filter(isUnchecked);
  if (unchecked.length > 0) return { from: 'unchecked', backends: unchecked };
  if (usableBackup !== undefined) return { from: 'backup', backends: [usableBackup] };
  const last = reachableFirst(active);
  return last.length > 0 ? { from: 'panic', backends: last } : { from: 'none', backends: [] };
}

function isUsable(backend: BackendFacts): boolean {
  return backend.health === 'passing' && !backend.ejected;
}

function isUnchecked(backend: BackendFacts): boolean {
  return backend.health === 'unknown' && !backend.ejected;
}

function reachableFirst<Backend extends BackendFacts>(backends: readonly Backend[]): readonly Backend[] {
  const reachable = backends.filter((backend) => backend.reachable);
  return reachable.length > 0 ? reachable : backends;
}
