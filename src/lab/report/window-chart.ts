import type { WindowJob } from '../compare-recorder.ts';
import { UNIT } from '../job-source.ts';
import { makeScale } from './scale.ts';
import { element, escapeText } from './svg.ts';
import { fillClass } from './theme.ts';
import { printTick } from './ticks.ts';

const ROW = 13;
const LEFT = 62;
const RIGHT = 16;
const TOP = 30;

/** A stretch of a schedule: a line per job from its arrival to its end, dots while it waits, a bar while it is served, coloured by worker. */
export function windowChart(input: {
  readonly title: string;
  readonly jobs: readonly WindowJob[];
  /** Seconds at both ends, the same for every policy that is compared. */
  readonly span: readonly [from: number, to: number];
  readonly width?: number;
}): string {
  const width = input.width ?? 620;
  const height = TOP + input.jobs.length * ROW + 34;
  const x = makeScale({ kind: 'linear', domain: [0, input.span[1] - input.span[0]], range: [LEFT, width - RIGHT] });
  const at = (moment: number): number => x.at(moment / UNIT - input.span[0]);
  const bottom = height - 30;
  const rows = input.jobs.map((job, index) => {
    const middle = TOP + index * ROW + ROW / 2;
    const end = job.finished < 0 ? input.span[1] * UNIT : job.finished;
    const label = `${job.name}: waited from ${seconds(job.arrived, input.span)}, done at ${seconds(end, input.span)}`;
    const bars = job.slices.map(([from, to, worker]) =>
      element('rect', { class: fillClass(Math.max(0, worker)), x: at(from), y: middle - 4, width: Math.max(0.6, at(to) - at(from)), height: 8, rx: 1.5 }),
    );
    // Exact sharing serves all at once: there are no slices, and the whole stay is one pale bar.
    const shared = element('rect', {
      class: fillClass(0),
      'fill-opacity': '0.35',
      x: at(job.arrived),
      y: middle - 3,
      width: Math.max(0.6, at(end) - at(job.arrived)),
      height: 6,
      rx: 1.5,
    });
    return element(
      'g',
      {},
      element('title', {}, escapeText(label)),
      element('line', { class: 'wait', x1: at(job.arrived), x2: at(end), y1: middle, y2: middle }),
      ...(bars.length === 0 ? [shared] : bars),
    );
  });
  return element(
    'svg',
    { class: 'chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': input.title },
    element('text', { class: 'title', x: 4, y: 18 }, escapeText(input.title)),
    element('text', { class: 'tick', x: 4, y: TOP + 10 }, 'first'),
    element('text', { class: 'tick', x: 4, y: bottom - 3 }, 'last'),
    ...x.ticks.map((tick) => element('line', { class: 'grid', x1: x.at(tick), x2: x.at(tick), y1: TOP - 4, y2: bottom })),
    ...rows,
    element('line', { class: 'axis', x1: LEFT, x2: width - RIGHT, y1: bottom, y2: bottom }),
    ...x.ticks.map((tick) => element('text', { class: 'tick', x: x.at(tick), y: bottom + 15, 'text-anchor': 'middle' }, printTick(tick, 's'))),
  );
}

/** Seconds at both ends of what all windows show, cut where four of five jobs are done, so that one giant does not squeeze the rest. */
export function spanOfWindows(windows: readonly (readonly WindowJob[])[]): readonly [number, number] {
  const jobs = windows.flat();
  const from = Math.min(...jobs.map((job) => job.arrived));
  const lastArrival = Math.max(...jobs.map((job) => job.arrived));
  const ends = jobs.map((job) => job.finished).sort((a, b) => a - b);
  const most = ends[Math.floor(ends.length * 0.8)] ?? lastArrival;
  return [from / UNIT, Math.max(lastArrival, most, from + 1) / UNIT];
}

function seconds(moment: number, span: readonly [number, number]): string {
  return printTick(Number((moment / UNIT - span[0]).toPrecision(4)), 's');
}
