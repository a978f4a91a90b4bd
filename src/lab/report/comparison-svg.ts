import type { Comparison } from '../compare.ts';
import { queueChart, responseChart, sizeChart, slowdownTailChart } from './comparison-charts.ts';
import { standaloneSvg } from './standalone-svg.ts';

/** Four pictures of a comparison in one `svg` file. */
export function comparisonSvg(comparison: Comparison): string {
  return standaloneSvg([responseChart(comparison), slowdownTailChart(comparison), sizeChart(comparison), queueChart(comparison)], 2);
}
