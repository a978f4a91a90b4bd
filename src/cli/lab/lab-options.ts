import { PlatformError } from '#base/errors';
import { parseLaw } from '#lab/laws';
import type { Estimates, Scenario } from '#lab/scenario';
import { parseMicros } from '#policy/policy-string';
import { makePredictor, PREDICTORS } from '#policy/queue/predictors';
import { gapsOfArrivals } from './arrivals-option.ts';
import { classesOfText } from './class-option.ts';
import type { LabInput } from './register.ts';

type Options = LabInput['options'];

/** The text of an option, or the fallback. */
export function textOption(options: Options, name: string, fallback: string): string {
  const value = options[name];
  return typeof value === 'string' ? value : fallback;
}

/** A whole number of at least `least`. INVALID names the flag. */
export function countOption(options: Options, name: string, fallback: number, least = 1): number {
  const value = options[name];
  if (typeof value !== 'string') return fallback;
  const count = Number(value.replaceAll('_', ''));
  if (!Number.isSafeInteger(count) || count < least) {
    throw new PlatformError('INVALID', `Cannot use --${name} ${value}, because it must be a whole number of at least ${least}`, { [name]: value });
  }
  return count;
}

/** The scenario that the options of `simulate` describe. */
export function scenarioOfOptions(options: Options): Scenario {
  const jobs = countOption(options, 'jobs', 100_000);
  const sizes = parseLaw(textOption(options, 'sizes', 'exp?mean=1')).name;
  const classes = options['classes'];
  const closed = options['closed'];
  const setup = options['setup'];
  const patience = options['patience'];
  const dispatch = options['dispatch'];
  const failures = failuresOf(options['failures']);
  const switchMode = textOption(options, 'switchMode', 'every-slice');
  if (switchMode !== 'every-slice' && switchMode !== 'on-change')
    throw new PlatformError('INVALID', `Cannot use --switch-mode ${switchMode}, because it must be every-slice or on-change`);
  return {
    policy: textOption(options, 'policy', 'fifo'),
    classes:
      typeof classes === 'string'
        ? classesOfText(classes)
        : [{ tenant: 'all', weight: 1, priority: 0, gaps: gapsOfArrivals(textOption(options, 'arrivals', 'poisson?rate=0.8')), sizes }],
    workers: countOption(options, 'servers', 1),
    jobs,
    warmup: countOption(options, 'warmup', Math.floor(jobs / 10), 0),
    seed: countOption(options, 'seed', 1, 0),
    switchCost: durationOf(options, 'switchCost'),
    switchMode,
    estimates: estimatesOf(textOption(options, 'estimates', 'exact')),
    ...(typeof closed === 'string'
      ? { closed: { customers: countOption(options, 'closed', 1), think: parseLaw(textOption(options, 'think', 'exp?mean=1')).name } }
      : {}),
    ...(typeof setup === 'string' ? { setup: parseLaw(setup).name } : {}),
    ...(typeof patience === 'string' ? { patience: parseLaw(patience).name } : {}),
    ...(typeof dispatch === 'string' ? { dispatch } : {}),
    ...(options['capacity'] === undefined ? {} : { capacity: countOption(options, 'capacity', 1) }),
    ...(failures === undefined ? {} : { failures }),
  };
}

/** A duration in microseconds; 0 when the option is absent. */
export function durationOf(options: Options, name: string): number {
  const text = options[name];
  if (typeof text !== 'string') return 0;
  const micros = text === '0' ? 0 : parseMicros(text);
  if (micros === undefined)
    throw new PlatformError('INVALID', `Cannot read "${text}" as a duration, because it is not a number with a unit, such as 10us or 5ms`, { [name]: text });
  return micros;
}

/** `exact`, `exp`, `lognormal:SIGMA`, `declared`, or a predictor such as `last-two`. */
function estimatesOf(text: string): Estimates {
  if (text === 'exact' || text === 'exp' || text === 'declared') return { model: text };
  const sigma = /^lognormal:(\d+(?:\.\d+)?)$/.exec(text)?.[1];
  if (sigma !== undefined) return { model: 'lognormal', sigma: Number(sigma) };
  const [name = ''] = text.split('?');
  if (!Object.hasOwn(PREDICTORS, name)) {
    const known = ['exact', 'exp', 'lognormal:SIGMA', 'declared', ...Object.keys(PREDICTORS)];
    throw new PlatformError('INVALID', `Cannot use --estimates ${text}, because it must be one of ${known.join(', ')}`, { text });
  }
  makePredictor(text);
  return { model: 'predicted', by: text };
}

function failuresOf(text: string | boolean | undefined): Scenario['failures'] {
  if (typeof text !== 'string') return undefined;
  const [up, down] = text.split(',');
  if (up === undefined || down === undefined)
    throw new PlatformError('INVALID', `Cannot use --failures ${text}, because it must be two laws joined by a comma: time up, time down`);
  return { up: parseLaw(up).name, down: parseLaw(down).name, progress: 'lost' };
}
