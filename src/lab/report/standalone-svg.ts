import { element } from './svg.ts';
import { themeStyle } from './theme.ts';

const GAP = 16;

/** Charts in a grid as one `svg` file that follows the reader's light or dark setting. All are as large as the first. */
export function standaloneSvg(charts: readonly string[], columns: number): string {
  const size = /width="([\d.]+)" height="([\d.]+)"/.exec(charts[0] ?? '');
  const [width, height] = [Number(size?.[1] ?? 0), Number(size?.[2] ?? 0)];
  const placed = charts.map((chart, index) =>
    element('g', { transform: `translate(${GAP + (index % columns) * (width + GAP)} ${GAP + Math.floor(index / columns) * (height + GAP)})` }, chart),
  );
  const wide = columns * (width + GAP) + GAP;
  const high = Math.ceil(charts.length / columns) * (height + GAP) + GAP;
  return `${element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${wide} ${high}`, width: wide, height: high },
    element('style', {}, themeStyle(':root')),
    element('rect', { width: wide, height: high, style: 'fill:var(--panel)' }),
    ...placed,
  )}\n`;
}
