import type { PlanDifference, PlanView, ServicePlan } from '@haven/sdk';
import { paint, plural, printable } from './output.ts';

const MAX_VALUE_CHARACTERS = 80;

/** The plan as lines for a person: what is added (+), removed (-) and changed (~), whether instances are replaced, and where new ones would go. */
export function renderPlan(plan: PlanView): readonly string[] {
  if (plan.change === 'none') return [`${plan.app}: nothing to change`];
  const head = plan.change === 'create' ? `${paint('green', '+')} ${paint('bold', plan.app)}: a new app` : `${paint('yellow', '~')} ${paint('bold', plan.app)}`;
  return [head, ...plan.services.filter((service) => service.change !== 'none').flatMap(serviceLines), '', summaryOf(plan.services)];
}

function serviceLines(service: ServicePlan): readonly string[] {
  return [
    `  ${MARK[service.change]()} ${service.service}: ${EFFECT[service.change]}${countNote(service)}`,
    ...service.differences.map((difference) => `      ${differenceLine(difference)}`),
    ...service.placements.map(({ instance, node, reason }) =>
      node === undefined
        ? `      ${paint('red', '!')} ${instance} finds no node: ${printable(reason)}`
        : `      ${paint('dim', '→')} ${instance} on ${node}${reason === '' ? '' : paint('dim', `: ${printable(reason)}`)}`,
    ),
  ];
}

const MARK: Readonly<Record<ServicePlan['change'], () => string>> = {
  none: () => ' ',
  create: () => paint('green', '+'),
  replace: () => paint('yellow', '~'),
  'in-place': () => paint('yellow', '~'),
  remove: () => paint('red', '-'),
};

const EFFECT: Readonly<Record<ServicePlan['change'], string>> = {
  none: 'no change',
  create: 'new service',
  replace: 'replaces its instances, one after the other',
  'in-place': 'changes in place, nothing restarts',
  remove: 'removed with its instances',
};

function countNote({ change, count }: ServicePlan): string {
  if (change === 'create') return `, ${plural(count.to, 'instance')}`;
  if (change === 'remove') return ` (${count.from})`;
  return count.from === count.to ? '' : `, ${count.from} → ${plural(count.to, 'instance')}`;
}

function differenceLine({ path, from, to, replaces }: PlanDifference): string {
  const effect = replaces ? paint('yellow', ' (replaces)') : paint('dim', ' (in place)');
  if (from === undefined) return `${paint('green', '+')} ${path}: ${valueText(to)}${effect}`;
  if (to === undefined) return `${paint('red', '-')} ${path}: ${valueText(from)}${effect}`;
  return `${paint('yellow', '~')} ${path}: ${valueText(from)} → ${valueText(to)}${effect}`;
}

function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return printable(text.length > MAX_VALUE_CHARACTERS ? `${text.slice(0, MAX_VALUE_CHARACTERS)}…` : text);
}

function summaryOf(services: readonly ServicePlan[]): string {
  const unplaced = services.flatMap((service) => service.placements).filter(({ node }) => node === undefined).length;
  const counted = (change: ServicePlan['change']) => services.filter((service) => service.change === change).length;
  const parts = [
    { count: counted('create'), text: (count: number) => plural(count, 'new service') },
    { count: counted('replace'), text: (count: number) => `${plural(count, 'service')} replaced` },
    { count: counted('in-place'), text: (count: number) => `${plural(count, 'service')} changed in place` },
    { count: counted('remove'), text: (count: number) => `${plural(count, 'service')} removed` },
  ];
  const text = parts.flatMap((part) => (part.count > 0 ? [part.text(part.count)] : [])).join(', ');
  return unplaced === 0 ? `Plan: ${text}` : `Plan: ${text}; ${plural(unplaced, 'instance')} cannot be placed`;
}
