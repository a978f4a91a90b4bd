import type { Comparison, PolicySummary, Standing } from './compare.ts';
import { dominatedPolicies, isAlike, standingsOf, valueIn } from './compare.ts';
import { printSpread, printValue } from './compare-measures.ts';

/** A comparison in sentences: what was run, where each policy wins and loses, what to drop, and what nobody can decide for the reader. */
export function wordsOf(comparison: Comparison): readonly string[] {
  const standings = standingsOf(comparison);
  const policies = comparison.summaries.map((summary, index) => {
    const twin = comparison.summaries.slice(0, index).find((other) => isAlike(summary, other));
    return twin === undefined ? policyWords(summary, standings) : `${summary.policy} did exactly what ${twin.policy} did here.`;
  });
  return [...unstableWords(comparison), ...policies, ...estimateWords(comparison), ...closingWords(comparison, standings)];
}

/** What a load of one or more means; empty for a stable workload. */
export function unstableWords(comparison: Pick<Comparison, 'isUnstable' | 'load' | 'sampling'>): readonly string[] {
  if (!comparison.isUnstable) return [];
  const load = comparison.load?.toFixed(3) ?? '1 or more';
  const cause =
    comparison.sampling === 'trace' ? 'jobs of this trace ask for more than all workers can do' : 'jobs arrive faster than all workers can serve them';
  return [
    `The load is ${load} per worker, which is unstable: ${cause}, so the queue grows for as long as they arrive. ` +
      'You will see times that grow with the length of the run and mean nothing by themselves; only the order of the policies at this length says something, ' +
      'and policies that put off large jobs look good because those finish only when the arrivals have ended.',
  ];
}

function policyWords(summary: PolicySummary, standings: readonly Standing[]): string {
  if (summary.fallback !== '') return `${summary.policy} failed and was replaced by first come, first served: ${summary.fallback}.`;
  const wins = standings.filter((standing) => standing.best.includes(summary));
  const losses = standings.filter((standing) => standing.worst.includes(summary));
  if (wins.length === 0 && losses.length === 0) return `${summary.policy} is neither best nor worst in anything judged.`;
  const won = wins.map((standing) => `${standing.measure.label} (${shown(summary, standing)}${alone(standing)})`);
  const lost = losses.map((standing) => `${standing.measure.label} (${shown(summary, standing)}${againstBest(summary, standing)})`);
  const parts = [won.length === 0 ? 'wins nowhere' : `wins in ${listed(won)}`, lost.length === 0 ? 'loses nowhere' : `loses in ${listed(lost)}`];
  return `${summary.policy} ${parts.join('; it ')}.`;
}

function shown(summary: PolicySummary, { measure }: Standing): string {
  const interval = summary.metrics[measure.key];
  const value = printValue(interval?.value ?? 0, measure.unit);
  return interval === undefined ? value : `${value}${printSpread(interval)}`;
}

function alone(standing: Standing): string {
  return standing.best.length > 1 ? ', shared' : '';
}

function againstBest(summary: PolicySummary, standing: Standing): string {
  const best = standing.best[0];
  if (best === undefined) return '';
  const [own, least] = [valueIn(summary, standing.measure), valueIn(best, standing.measure)];
  if (least === 0 || standing.measure.better === 'high') return ` against ${printValue(least, standing.measure.unit)} of ${best.policy}`;
  const factor = own / least;
  return factor >= 1.1 ? `, ${factor >= 10 ? factor.toFixed(0) : factor.toFixed(1)} times ${best.policy}` : ` against ${best.policy}`;
}

/** Being told the true sizes is a gift that no real system gets. */
function estimateWords(comparison: Comparison): readonly string[] {
  const gifted = comparison.summaries.filter((summary) => summary.needsEstimates).map((summary) => summary.policy);
  if (gifted.length === 0 || !comparison.hasExactEstimates) return [];
  return [
    `${listed(gifted)} ${gifted.length === 1 ? 'was' : 'were'} told the true sizes; with --estimates lognormal:1, or last-two, ${gifted.length === 1 ? 'it has' : 'they have'} to live with errors.`,
  ];
}

function closingWords(comparison: Comparison, standings: readonly Standing[]): readonly string[] {
  const words = dominatedPolicies(comparison).map(
    ([worse, better]) =>
      `${worse.policy} can be dropped here: ${better.policy} is no worse in anything judged and better in something${better.needsEstimates && !worse.needsEstimates ? ', as long as it knows the sizes in advance' : ''}.`,
  );
  const winners = comparison.summaries.filter((summary) => standings.length > 0 && standings.every((standing) => standing.best.includes(summary)));
  if (comparison.summaries.length < 2) return words;
  if (standings.length === 0)
    return [...words, 'The policies do not differ beyond chance in anything judged: more seeds or a higher load may tell them apart.'];
  if (winners.length > 0)
    return [...words, `${listed(winners.map((one) => one.policy))} ${winners.length === 1 ? 'is' : 'are'} best or level in everything judged here.`];
  const byMean = standings.find((standing) => standing.measure.key === 'mean_response')?.best[0];
  const byTail = standings.find((standing) => standing.measure.key === 'largest_slowdown' || standing.measure.key === 'max_response')?.best[0];
  const tension =
    byMean !== undefined && byTail !== undefined && byMean !== byTail ? `: ${byMean.policy} for the average job, ${byTail.policy} for the largest` : '';
  return [...words, `No policy is best in everything; what counts for you decides${tension}.`];
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
