import type { Comparison } from '../compare.ts';
import { queueChart, responseChart, sizeChart, slowdownTailChart } from './comparison-charts.ts';
import { element } from './svg.ts';
import { themeStyle } from './theme.ts';

const WIDTH = 620;
const HEIGHT = 340;

/** Four pictures of a comparison in one `svg` file that follows the reader's light or dark setting. */
export function comparisonSvg(comparison: Comparison): string {
  const charts = [responseChart(comparison), slowdownTailChart(comparison), sizeChart(comparison), queueChart(comparison)];
  const placed = charts.map((chart, index) =>
    element('g', { transform: `translate(${16 + (index % 2) * (WIDTH + 16)} ${16 + Math.floor(index / 2) * (HEIGHT + 16)})` }, chart),
  );
  const [width, height] = [2 * WIDTH + 48, 2 * HEIGHT + 48];
  return `${element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${width} ${height}`, width, height },
    element('style', {}, themeStyle(':root')),
    element('rect', { width, height, style: 'fill:var(--panel)' }),
    ...placed,
  )}\n`;
}
