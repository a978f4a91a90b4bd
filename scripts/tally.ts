/** What a run of tests came to. A cancelled test counts as failed; a skipped suite as one skipped test. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  /** One line each, with the reason. */
  readonly skipped: readonly string[];
  /** One line each. */
  readonly failures: readonly string[];
}

/** The tally of no run at all. */
export const emptyTally: Tally = { passed: 0, failed: 0, skipped: [], failures: [] };

/** Both runs as one. */
export function addTallies(a: Tally, b: Tally): Tally {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: [...a.skipped, ...b.skipped],
    failures: [...a.failures, ...b.failures],
  };
}

/**
 * Reads what Node's test runner reported as TAP (Test Anything Protocol 14). `problem` is what was wrong with the process itself: a run that
 * broke off, or passed without a test, has failed even if each line of its report is fine.
 */
export function readTally(
  tap: string,
  { label, problem, files }: { readonly label: string; readonly problem: string | undefined; readonly files: readonly string[] },
): Tally {
  const rows = [...tap.matchAll(/^ *(?<not>not )?ok \d+ - (?<name>.*?)(?: # (?<directive>[A-Z]+)(?: (?<reason>.*))?)?$/gm)].map((match) => match.groups ?? {});
  const skipped = rows
    .filter((row) => row.directive === 'SKIP')
    .map((row) => `${label}: ${plain(row.name ?? '')}: ${plain(row.reason ?? '') || 'no reason given'}`);
  const failures = rows.filter((row) => row.not !== undefined && row.directive === undefined).map((row) => `${label}: ${plain(row.name ?? '')}`);
  // A file that declares no test is reported by Node as one passed test with the name of the file.
  const empty = rows.filter((row) => row.not === undefined && files.includes(row.name ?? '')).map((row) => `${row.name}: holds no test`);
  const count = (name: string): number => Number(new RegExp(`^# ${name} (?<count>\\d+)$`, 'm').exec(tap)?.groups?.count ?? 0);
  const broken = /^# tests \d+$/m.test(tap) ? [] : [`${label}: ended without a summary`];
  const failed = count('fail') + count('cancelled');
  const unexplained = problem !== undefined && failed === 0 && broken.length === 0 ? [`${label}: ${problem}`] : [];
  const more = [...empty, ...broken.map((line) => (problem === undefined ? line : `${line}: ${problem}`)), ...unexplained];
  return { passed: count('pass') - empty.length, failed: failed + more.length, skipped, failures: [...failures, ...more] };
}

function plain(text: string): string {
  return text.replace(/\\(?<character>[\\#])/g, '$<character>');
}
