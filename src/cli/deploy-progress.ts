import type { DeployEvent, InstanceView, ServiceView } from '@haven/sdk';
import { formatTook, paint, printable, tableLines } from './output.ts';
import { paintState } from './state-style.ts';

const OVERDUE_MS = 3_000;

type CommandEvent = Extract<DeployEvent, { readonly kind: 'release-command' }>;

/** What is known of a deploy from its stream, and how to show it: as lines that stay, or as a block drawn again and again. */
export class DeployProgress {
  readonly #app: string;
  readonly #release: number;
  readonly #startedAtMs: number;
  readonly #services = new Map<string, ServiceView>();
  #command: { readonly line: string; readonly atMs: number } | undefined;
  readonly #told = new Set<string>();
  /** By service: why it waits, and since when. */
  readonly #waiting = new Map<string, ReadonlyMap<string, number>>();
  readonly #instances = new Map<string, { readonly view: InstanceView; readonly seenAtMs: number }>();

  constructor(options: { readonly app: string; readonly release: number; readonly nowMs: number }) {
    this.#app = options.app;
    this.#release = options.release;
    this.#startedAtMs = options.nowMs;
  }

  get services(): readonly ServiceView[] {
    return [...this.#services.values()];
  }

  /** Takes in one line of the stream; returns what is new in it for a person, nothing if it is a repetition. */
  take(event: DeployEvent, nowMs: number): readonly string[] {
    switch (event.kind) {
      case 'service':
        this.#takeService(event.service, nowMs);
        return [];
      case 'instance':
        return this.#takeInstance(event.instance, nowMs);
      case 'instance-gone': {
        const known = this.#instances.get(event.id);
        this.#instances.delete(event.id);
        return known === undefined ? [] : [`${this.#label(known.view)}: gone`];
      }
      case 'release-command':
        return this.#takeCommand(event, nowMs);
      case 'event':
        // A stream that was opened again repeats what was told.
        if (event.event.level === 'info' || this.#told.has(event.event.id)) return [];
        this.#told.add(event.event.id);
        return [printable(event.event.message)];
      default:
        return [];
    }
  }

  /** Why services wait, once each has held long enough to be no passing step. */
  overdue(nowMs: number): readonly string[] {
    const lines = [...this.#waiting].flatMap(([service, reasons]) =>
      [...reasons].filter(([, sinceMs]) => nowMs - sinceMs >= OVERDUE_MS).map(([reason]) => `${service}: ${printable(reason)}`),
    );
    const news = lines.filter((line) => !this.#told.has(line));
    for (const line of news) this.#told.add(line);
    return news;
  }

  /** The present state as a block: services, and below each its instances. */
  block(nowMs: number): readonly string[] {
    const head = `${paint('bold', this.#app, process.stderr)} release ${this.#release}  ${formatTook(nowMs - this.#startedAtMs)}`;
    const command = this.#command === undefined ? [] : [`  ${this.#command.line}`];
    const rows = [...this.#services.values()].flatMap((service) => [
      [`  ${service.service}`, service.phase, `${service.healthy} of ${service.count} healthy`, '', printable(service.pending[0] ?? '')],
      ...[...this.#instances.values()]
        .filter(({ view }) => view.service === service.service)
        .sort((a, b) => a.view.slot - b.view.slot || a.view.release - b.view.release)
        .map(({ view, seenAtMs }) => [
          `    ${view.name}${view.release === this.#release ? '' : ` (release ${view.release})`}`,
          paintState(view.state, process.stderr),
          view.node,
          view.release === this.#release ? formatTook(nowMs - seenAtMs) : '',
          isQuiet(view) ? '' : printable(view.reason),
        ]),
    ]);
    return rows.length === 0 ? [head, ...command] : [head, ...command, ...tableLines(['', '', '', '>', ''], rows).slice(1)];
  }

  #takeService(service: ServiceView, nowMs: number): void {
    this.#services.set(service.service, service);
    // Only while it rolls: before that, control has not begun, and after it, the result says more.
    const reasons = service.phase === 'rolling' ? service.pending : [];
    const before = this.#waiting.get(service.service);
    this.#waiting.set(service.service, new Map(reasons.map((reason) => [reason, before?.get(reason) ?? nowMs])));
  }

  #takeCommand({ state, node, reason }: CommandEvent, nowMs: number): readonly string[] {
    const line = `release command${node === undefined ? '' : ` on ${node}`}: ${state}${reason === undefined ? '' : `, ${printable(reason)}`}`;
    const took = this.#command === undefined || state === 'running' ? '' : ` (${formatTook(nowMs - this.#command.atMs)})`;
    const isNew = this.#command?.line !== line;
    // A stream that was opened again repeats what was told: the time since goes on.
    this.#command = { line, atMs: isNew && state === 'running' ? nowMs : (this.#command?.atMs ?? nowMs) };
    // What failed is said by the result, with the output.
    return isNew && state !== 'failed' ? [`${line}${took}`] : [];
  }

  #takeInstance(view: InstanceView, nowMs: number): readonly string[] {
    // The release command has lines of its own.
    if (view.service === 'release' && !this.#services.has('release')) return [];
    const before = this.#instances.get(view.id);
    const seenAtMs = before?.seenAtMs ?? nowMs;
    this.#instances.set(view.id, { view, seenAtMs });
    // What ran before the deploy, or before anybody looked, is news only when it changes.
    if (before === undefined && (view.release !== this.#release || view.state === 'healthy')) return [];
    // The first attempt is no restart.
    if (before?.view.state === view.state && Math.max(1, before.view.attempt) === Math.max(1, view.attempt)) return [];
    const took = before === undefined ? '' : ` (${formatTook(nowMs - seenAtMs)})`;
    const reason = isQuiet(view) || view.reason === '' ? '' : `, ${printable(view.reason)}`;
    return [`${this.#label(view)}: ${paintState(view.state, process.stderr)}${reason}${took}`];
  }

  #label(view: InstanceView): string {
    const count = this.#services.get(view.service)?.count;
    // Only the wanted ones are counted; those of the release before are on their way out.
    if (view.release !== this.#release) return `${view.name} of release ${view.release} on ${view.node}`;
    const place = count === undefined || view.slot > count ? '' : `[${view.slot}/${count}] `;
    return `${place}${view.name} on ${view.node}`;
  }
}

/** States that speak for themselves; the others come with their reason. */
function isQuiet(view: InstanceView): boolean {
  return ['pending', 'fetching', 'installing', 'starting', 'running', 'healthy'].includes(view.state);
}
