import { PlatformError } from '#base/errors';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { Micros } from '#policy/queue/queue-policy';
import { SHARING } from '#policy/queue/sharing';
import { ListSource, UNIT } from './job-source.ts';
import { SharingSimulation } from './sharing-simulator.ts';
import { JobSimulation } from './simulator.ts';

/** One process of a textbook: times in the book's units. */
export interface TextbookProcess {
  readonly name: string;
  readonly arrival: number;
  readonly burst: number;
  readonly priority?: number;
}

/** A case as the file has it. `published` and `computed` hold any of the fields of `TextbookAnswer`. */
export interface TextbookCase {
  readonly id: string;
  readonly source?: string;
  readonly policy: string;
  readonly quantum?: number | null;
  readonly processes: readonly TextbookProcess[];
  readonly options?: Readonly<Record<string, unknown>> | null;
  readonly published?: Readonly<Record<string, unknown>>;
  readonly computed?: Readonly<Record<string, unknown>>;
}

export type GanttBar = readonly [name: string, from: number, to: number];

/** What the lab finds for a case, in the file's own fields. */
export interface TextbookAnswer {
  readonly gantt: readonly GanttBar[];
  readonly finish: Readonly<Record<string, number>>;
  readonly turnaround: Readonly<Record<string, number>>;
  readonly waiting: Readonly<Record<string, number>>;
  /** From arrival to first service. */
  readonly response: Readonly<Record<string, number>>;
  /** Turnaround over burst. */
  readonly normalized_turnaround: Readonly<Record<string, number>>;
  readonly avg_turnaround: number;
  readonly avg_waiting: number;
  readonly avg_response: number;
  readonly avg_normalized_turnaround: number;
  /** When the last process ends. */
  readonly makespan: number;
  /** Processes per unit of time, and the part of the time the processor is busy, from zero to the end. */
  readonly throughput: number;
  readonly utilization: number;
  /** Changes from one process to another. */
  readonly context_switches: number;
}

/** The policy string that stands for a textbook's name of a policy. INVALID for a name nobody knows. */
export function policyOfTextbook(one: Pick<TextbookCase, 'policy' | 'quantum' | 'options'>): string {
  const options = one.options ?? {};
  const quantum = one.quantum === undefined || one.quantum === null ? undefined : `${toMicros(one.quantum)}us`;
  const order = options['low_is_high'] === false ? 'high-first' : 'low-first';
  const preempt = options['pre'] === true || one.policy.includes('preemptive') || one.policy.endsWith('-p') ? 'yes' : 'no';
  switch (one.policy) {
    case 'fcfs':
    case 'fifo':
      return 'fifo';
    case 'sjf':
    case 'spn':
    case 'sjn':
      return 'sjf';
    case 'psjf':
      return 'psjf';
    case 'srtf':
    case 'srt':
    case 'stcf':
    case 'srpt':
      return 'srpt';
    case 'rr':
    case 'round-robin':
    case 'time-slice':
      return `time-slice?quantum=${quantum ?? '1s'}`;
    case 'prio':
    case 'priority':
    case 'prio-p':
    case 'prio-preemptive':
    case 'priority-preemptive':
      return `priority?order=${order}&preempt=${preempt}`;
    case 'prio-rr':
    case 'prio-rr-preemptive':
      return `priority?order=${order}&preempt=${preempt}&quantum=${quantum ?? '1s'}`;
    case 'fb':
    case 'feedback':
      return `mlfq?allotments=${quantum ?? '1s'}&growth=${quantum === undefined ? 2 : 1}&demote=contended&preempt=no`;
    case 'lcfs':
      return 'lifo';
    case 'lcfs-pr':
      return 'lifo-preemptive';
    default:
      if (one.policy.startsWith('processor sharing') || one.policy === 'ps') return 'ps';
      makeQueuePolicy(one.policy);
      return quantum === undefined || one.policy.includes('?') ? one.policy : `${one.policy}?quantum=${quantum}`;
  }
}

/** Runs the processes on one processor under a policy. */
export function runTextbook(processes: readonly TextbookProcess[], policy: string): TextbookAnswer {
  checkProcesses(processes);
  const listed = [...processes].sort((a, b) => a.arrival - b.arrival);
  const source = new ListSource(
    listed.map((process) => ({
      at: toMicros(process.arrival),
      size: toMicros(process.burst),
      priority: process.priority ?? 0,
      label: process.name,
      tenant: process.name,
    })),
  );
  const gantt: { name: string; from: number; to: number }[] = [];
  const finish: Record<string, number> = {};
  const firstStart: Record<string, Micros> = {};
  const observer = {
    slice: (task: { readonly id: string }, from: Micros, to: Micros): void => {
      const last = gantt.at(-1);
      if (last !== undefined && last.name === task.id && last.to === from / UNIT) last.to = to / UNIT;
      else if (to > from) gantt.push({ name: task.id, from: from / UNIT, to: to / UNIT });
    },
    finished: (task: { readonly id: string; readonly firstStart: Micros }, now: Micros): void => {
      finish[task.id] = now / UNIT;
      firstStart[task.id] = task.firstStart / UNIT;
    },
  };
  const sharing = SHARING[policy];
  if (sharing !== undefined && policy !== 'las') new SharingSimulation({ policy: sharing, source, jobs: listed.length, window: 'all', observer }).simulate();
  else new JobSimulation({ policy: makeQueuePolicy(policy), source, workers: 1, seed: 1, jobs: listed.length, window: 'all', observer }).simulate();
  const perProcess = (value: (process: TextbookProcess) => number): Record<string, number> =>
    Object.fromEntries(processes.map((process) => [process.name, round(value(process))]));
  const turnaroundOf = (process: TextbookProcess): number => (finish[process.name] ?? Number.NaN) - process.arrival;
  const average = (value: (process: TextbookProcess) => number): number =>
    round(processes.reduce((sum, process) => sum + value(process), 0) / processes.length);
  const responseOf = (process: TextbookProcess): number => (firstStart[process.name] ?? Number.NaN) - process.arrival;
  const makespan = Math.max(...Object.values(finish));
  const busy = processes.reduce((sum, process) => sum + process.burst, 0);
  return {
    gantt: gantt.map(({ name, from, to }) => [name, from, to]),
    finish: perProcess((process) => finish[process.name] ?? Number.NaN),
    turnaround: perProcess(turnaroundOf),
    waiting: perProcess((process) => turnaroundOf(process) - process.burst),
    response: perProcess(responseOf),
    normalized_turnaround: perProcess((process) => turnaroundOf(process) / process.burst),
    avg_turnaround: average(turnaroundOf),
    avg_waiting: average((process) => turnaroundOf(process) - process.burst),
    avg_response: average(responseOf),
    avg_normalized_turnaround: average((process) => turnaroundOf(process) / process.burst),
    makespan: round(makespan),
    throughput: round(processes.length / makespan),
    utilization: round(busy / makespan),
    context_switches: Math.max(0, gantt.length - 1),
  };
}

/** Every difference between an answer and what the file expects, as sentences; empty when all agree to the digits given. */
export function differencesOf(answer: TextbookAnswer, one: TextbookCase): readonly string[] {
  const differences: string[] = [];
  for (const [name, expected] of [
    ['published', one.published],
    ['computed', one.computed],
  ] as const) {
    for (const [field, value] of Object.entries(expected ?? {})) {
      const ours = (answer as unknown as Record<string, unknown>)[field];
      if (ours === undefined) differences.push(`${name} ${field}: the lab does not compute it`);
      else if (!agrees(ours, value)) differences.push(`${name} ${field}: ${JSON.stringify(value)}, but the lab gives ${JSON.stringify(ours)}`);
    }
  }
  return differences;
}

/** Equal to the digits the expected value has. Idle bars of a Gantt chart need not be listed. */
export function agrees(ours: unknown, expected: unknown): boolean {
  if (typeof expected === 'number')
    return typeof ours === 'number' && Math.abs(ours - expected) <= Math.max(1e-6, 0.5 * 10 ** -decimalsOf(expected)) * (1 + 1e-9);
  if (Array.isArray(expected)) {
    const bars = expected.filter((bar) => !Array.isArray(bar) || bar[0] !== 'idle');
    return Array.isArray(ours) && ours.length === bars.length && bars.every((value, index) => agrees(ours[index], value));
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof ours !== 'object' || ours === null) return false;
    return Object.entries(expected).every(([key, value]) => agrees((ours as Record<string, unknown>)[key], value));
  }
  return ours === expected;
}

function decimalsOf(value: number): number {
  const text = String(value);
  const dot = text.indexOf('.');
  // A whole number is exact, not rounded to a whole number.
  return dot === -1 ? 9 : text.length - dot - 1;
}

function checkProcesses(processes: readonly TextbookProcess[]): void {
  const names = new Set<string>();
  for (const process of processes) {
    const times = [process.arrival, process.burst];
    if (times.some((time) => !Number.isFinite(time) || time < 0) || process.burst === 0) {
      throw new PlatformError('INVALID', `Cannot run process "${process.name}", because it arrives at ${process.arrival} with a burst of ${process.burst}`, {
        ...process,
      });
    }
    if (names.has(process.name)) throw new PlatformError('INVALID', `Cannot run processes, because two are called "${process.name}"`, { ...process });
    names.add(process.name);
  }
}

function toMicros(units: number): Micros {
  return Math.round(units * UNIT);
}

/** Removes the noise of binary fractions: times are whole microseconds of a unit. */
function round(value: number): number {
  return Math.round(value * 1e9) / 1e9;
}
