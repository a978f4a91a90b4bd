const SECONDS = { s: 1, m: 60, h: 3_600 } as const;

/** How often per second in `100/s`, `30/m`, `0.5/s`; `undefined` if it is no rate. */
export function parseRate(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\/([smh])$/.exec(text);
  if (!match) return undefined;
  const perSecond = Number(match[1]) / SECONDS[match[2] as keyof typeof SECONDS];
  return perSecond > 0 ? perSecond : undefined;
}
