/** What one check of `haven doctor` found. */
export interface Finding {
  readonly check: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  /** What was found, with figures. */
  readonly found: string;
  /** What to do about it; absent when all is well. */
  readonly next?: string;
}

/** The worst of the findings; `ok` for none. */
export function worstVerdict(findings: readonly Finding[]): Finding['verdict'] {
  if (findings.some(({ verdict }) => verdict === 'fail')) return 'fail';
  return findings.some(({ verdict }) => verdict === 'warn') ? 'warn' : 'ok';
}
