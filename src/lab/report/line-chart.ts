import type { Curve } from '../compare-run.ts';
import type { Scale } from './scale.ts';
import { makeScale } from './scale.ts';
import { element, escapeText, pathOf } from './svg.ts';
import { dashOf, fillClass, strokeClass } from './theme.ts';

export interface ChartSeries {
  readonly name: string;
  readonly points: Curve;
  /** Draw a dot at each point. */
  readonly hasMarks?: boolean;
  /** Draw no line between the points. */
  readonly isDotsOnly?: boolean;
  /** Which colour it has, if not its place in the list. */
  readonly colour?: number;
  /** A dashed line: theory beside what was measured. */
  readonly isReference?: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly ChartSeries[];
  readonly width?: number;
  readonly height?: number;
  /** Leave out the names of the series, where the page shows them. */
  readonly hasNoLegend?: boolean;
}

export interface Axis {
  readonly label: string;
  readonly kind: Scale['kind'];
  readonly print: (value: number) => string;
  /** The values at the ends; what the points span otherwise. */
  readonly domain?: readonly [least: number, most: number];
}

const MARGIN = { left: 62, right: 16, bottom: 42 } as const;
const LEGEND_LINE = 18;
const CHARACTER = 6.6;

/** A chart of lines as one `svg` element, coloured by the theme's classes. */
export function lineChart(chart: LineChart): string {
  const width = chart.width ?? 620;
  const height = chart.height ?? 340;
  const legend = chart.hasNoLegend === true ? { text: '', lines: 0 } : legendOf(chart.series, width);
  const top = 46 + legend.lines * LEGEND_LINE;
  const x = makeScale({ kind: chart.x.kind, domain: chart.x.domain ?? domainOf(chart, 0), range: [MARGIN.left, width - MARGIN.right] });
  const y = makeScale({ kind: chart.y.kind, domain: chart.y.domain ?? domainOf(chart, 1), range: [height - MARGIN.bottom, top] });
  return element(
    'svg',
    { class: 'chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': chart.title },
    element('text', { class: 'title', x: 4, y: 18 }, escapeText(chart.title)),
    legend.text,
    ...axes(chart, { x, y, width, height, top }),
    ...chart.series.map((series, index) => drawnSeries(series, { x, y, index: series.colour ?? index })),
  );
}

interface Frame {
  readonly x: Scale;
  readonly y: Scale;
  readonly width: number;
  readonly height: number;
  readonly top: number;
}

function axes(chart: LineChart, { x, y, width, height, top }: Frame): readonly string[] {
  const bottom = height - MARGIN.bottom;
  const right = width - MARGIN.right;
  return [
    ...y.ticks.map((tick) => element('line', { class: 'grid', x1: MARGIN.left, x2: right, y1: y.at(tick), y2: y.at(tick) })),
    ...y.ticks.map((tick) => element('text', { class: 'tick', x: MARGIN.left - 6, y: y.at(tick) + 4, 'text-anchor': 'end' }, escapeText(chart.y.print(tick)))),
    ...x.ticks.map((tick) => element('line', { class: 'axis', x1: x.at(tick), x2: x.at(tick), y1: bottom, y2: bottom + 4 })),
    ...x.ticks.map((tick) => element('text', { class: 'tick', x: x.at(tick), y: bottom + 17, 'text-anchor': 'middle' }, escapeText(chart.x.print(tick)))),
    element('line', { class: 'axis', x1: MARGIN.left, x2: right, y1: bottom, y2: bottom }),
    element('text', { x: (MARGIN.left + right) / 2, y: height - 6, 'text-anchor': 'middle' }, escapeText(chart.x.label)),
    element('text', { x: 4, y: top - 8, 'text-anchor': 'start', class: 'tick' }, escapeText(chart.y.label)),
  ];
}

function drawnSeries(series: ChartSeries, { x, y, index }: { readonly x: Scale; readonly y: Scale; readonly index: number }): string {
  const points = series.points.map(([at, value]) => [x.at(at), y.at(value)] as const);
  const dashes = series.isReference === true ? '5 4' : dashOf(index);
  const line =
    series.isDotsOnly === true
      ? ''
      : element('path', { class: `curve ${strokeClass(index)}`, d: pathOf(points), 'stroke-dasharray': dashes }, element('title', {}, escapeText(series.name)));
  if (series.hasMarks !== true && series.isDotsOnly !== true) return line;
  const marks = points.map(([cx, cy]) => element('circle', { class: `mark ${fillClass(index)}`, cx, cy, r: 4 }, element('title', {}, escapeText(series.name))));
  return line + marks.join('');
}

/** Names of the series with their colours, in as many lines as they need. */
function legendOf(series: readonly ChartSeries[], width: number): { readonly text: string; readonly lines: number } {
  const parts: string[] = [];
  let left = 4;
  let lines = 1;
  for (const [index, one] of series.entries()) {
    const size = 26 + one.name.length * CHARACTER + 12;
    if (left + size > width && left > 4) {
      left = 4;
      lines += 1;
    }
    const colour = one.colour ?? index;
    const middle = 22 + lines * LEGEND_LINE - 8;
    parts.push(
      one.isDotsOnly === true
        ? element('circle', { class: `mark ${fillClass(colour)}`, cx: left + 9, cy: middle, r: 4 })
        : element('line', {
            class: `curve ${strokeClass(colour)}`,
            x1: left,
            x2: left + 18,
            y1: middle,
            y2: middle,
            'stroke-dasharray': one.isReference === true ? '5 4' : dashOf(colour),
          }),
      element('text', { x: left + 24, y: middle + 4 }, escapeText(one.name)),
    );
    left += size;
  }
  return { text: parts.join(''), lines };
}

function domainOf(chart: LineChart, place: 0 | 1): readonly [number, number] {
  const axis = place === 0 ? chart.x : chart.y;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const series of chart.series) {
    for (const point of series.points) {
      const value = point[place];
      if (!Number.isFinite(value) || (axis.kind === 'log' && value <= 0)) continue;
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
  }
  if (least > most) return [0.1, 1];
  return axis.kind === 'linear' && place === 1 ? [Math.min(0, least), most] : [least, most];
}
