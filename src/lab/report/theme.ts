const LIGHT = ['#2a78d6', '#1baf7a', '#eda100', '#e34948', '#4a3aa7', '#008300', '#e87ba4', '#eb6834'] as const;
const DARK = ['#3987e5', '#199e70', '#c98500', '#e66767', '#9085e9', '#2fa32f', '#d55181', '#d95926'] as const;

/** Colours of series; further ones repeat them with dashes. */
export const SERIES_COLOURS = LIGHT.length;

const INK_LIGHT = { surface: '#fcfcfb', panel: '#ffffff', ink: '#0b0b0b', soft: '#52514e', faint: '#86857d', grid: '#e1e0d9', line: '#b9b8b0' } as const;
const INK_DARK = { surface: '#141413', panel: '#1c1c1b', ink: '#f4f4f1', soft: '#c3c2b7', faint: '#8f8e86', grid: '#2e2e2b', line: '#55544e' } as const;

/** Style rules that pictures share: colours follow the reader's light or dark setting. */
export function themeStyle(root: string): string {
  return [
    `${root}{${variables(INK_LIGHT, LIGHT)}}`,
    `@media (prefers-color-scheme:dark){${root}{${variables(INK_DARK, DARK)}}}`,
    '.chart{font:12px system-ui,sans-serif}',
    '.chart text{fill:var(--soft)}.chart .title{fill:var(--ink);font-size:14px;font-weight:600}.chart .tick{font-size:11px;fill:var(--faint)}',
    '.chart .grid{stroke:var(--grid);stroke-width:1}.chart .axis{stroke:var(--line);stroke-width:1}',
    '.chart .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}',
    '.chart .mark{stroke:var(--panel);stroke-width:1.5}.chart .wait{stroke:var(--line);stroke-width:2;stroke-dasharray:1 4;stroke-linecap:round}',
    '.chart .reference{stroke-dasharray:4 4}',
    ...LIGHT.map((_, index) => `.s${index}{stroke:var(--s${index})}.f${index}{fill:var(--s${index})}`),
  ].join('\n');
}

/** Class of the stroke of a series. */
export function strokeClass(series: number): string {
  return `s${series % SERIES_COLOURS}`;
}

/** Class of the fill of a series. */
export function fillClass(series: number): string {
  return `f${series % SERIES_COLOURS}`;
}

/** Dashes tell series apart that share a colour. */
export function dashOf(series: number): string | undefined {
  return series < SERIES_COLOURS ? undefined : '6 4';
}

function variables(ink: Readonly<Record<string, string>>, series: readonly string[]): string {
  return [...Object.entries(ink).map(([name, colour]) => `--${name}:${colour}`), ...series.map((colour, index) => `--s${index}:${colour}`)].join(';');
}
