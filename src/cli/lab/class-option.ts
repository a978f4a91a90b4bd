import { PlatformError } from '#base/errors';
import { parseLaw } from '#lab/laws';
import type { ScenarioClass } from '#lab/scenario';
import { gapsOfArrivals } from './arrivals-option.ts';

const FIELDS = new Set(['name', 'weight', 'priority']);

/**
 * Classes of jobs: `poisson?rate=0.3 exp?mean=1 weight=4; poisson?rate=0.5 exp?mean=2`. Each is arrivals, sizes and then any of name, weight and priority. The first
 * is class1, the most urgent unless priorities say otherwise. INVALID names the class that does not make sense.
 */
export function classesOfText(text: string): readonly ScenarioClass[] {
  const parts = text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0) throw new PlatformError('INVALID', 'Cannot use --classes, because it is empty');
  return parts.map((part, index) => {
    const [arrivals = '', sizes = '', ...rest] = part.split(/\s+/);
    const fields = new Map(rest.map((field) => field.split('=') as [string, string]));
    const [weight, priority] = [Number(fields.get('weight') ?? 1), Number(fields.get('priority') ?? index)];
    const isKnown = [...fields.keys()].every((field) => FIELDS.has(field));
    if (sizes === '' || !isKnown || !(weight > 0) || !Number.isFinite(priority) || fields.get('name') === '') {
      throw new PlatformError(
        'INVALID',
        `Cannot use class "${part}", because it must be ARRIVALS SIZES and any of name=…, weight=…, priority=…, such as "poisson?rate=0.3 exp?mean=1 weight=4"`,
        { part },
      );
    }
    return { tenant: fields.get('name') ?? `class${index + 1}`, weight, priority, gaps: gapsOfArrivals(arrivals), sizes: parseLaw(sizes).name };
  });
}
