import { PlatformError } from './errors.ts';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** Parses `'250ms'`, `'1.5s'`, `'5m'`, `'2h'`, `'1d'` to milliseconds. INVALID for anything else, a bare number included. */
export function parseDurationMs(text: string): number {
  const match = DURATION.exec(text);
  if (!match) {
    throw new PlatformError('INVALID', `Cannot read "${text}" as a duration, because it is not a number with a unit (ms, s, m, h, d), such as "10s"`, { text });
  }
  return Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]);
}

/** The shortest exact text of a duration: 90_000 → `'90s'`, 250 → `'250ms'`. Parses back to the same number. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (durationMs % UNIT_MS[unit] === 0) return `${durationMs / UNIT_MS[unit]}${unit}`;
  }
  return `${durationMs}ms`;
}
