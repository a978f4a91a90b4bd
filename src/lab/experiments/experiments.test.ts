import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { JobActions, JobEvent, JobView, PolicyContext, QueuePolicy, Task } from '#policy/queue/queue-policy';
import { EXPERIMENTS } from './experiments.ts';
import { walkInterruptions } from './interruption-bound.ts';

const PAGES = join(import.meta.dirname, '../../../docs/experiments');

/** What must not be done: put out whoever runs as soon as another tenant has less, a hundred times a second. */
class HastyFairShare implements QueuePolicy {
  readonly name = 'hasty';
  readonly uses = { preempt: true };
  readonly #ready: Task[] = [];

  on(event: JobEvent): void {
    if (event.kind === 'arrive' && event.task !== undefined) this.#ready.push(event.task);
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    for (const running of [...view.running]) {
      if (view.attained(running) === 0 || !this.#ready.some((task) => task.tenant !== running.tenant)) continue;
      act.pause(running);
      this.#ready.push(running);
    }
    while (view.free > 0 && this.#ready.length > 0) act.run(this.#ready.shift() as Task, 0, -1);
    context.wakeAt(context.now + 10_000);
  }

  explain(): readonly string[] {
    return [];
  }

  snapshot(): Readonly<Record<string, unknown>> {
    return {};
  }

  restore(): void {
    this.#ready.length = 0;
  }
}

test('fair share by quanta never interrupts more often than the work allows, in every small case', () => {
  const report = walkInterruptions(() => makeQueuePolicy('fair-share?half-life=10s&quantum=1s'));
  assert.deepEqual(report, { cases: 10_368, breaches: [], mostInterruptions: 2 });
});

test('the walk finds a fair share that preempts by comparing shares', () => {
  const report = walkInterruptions(() => new HastyFairShare());
  assert.ok(report.breaches.length > 0);
  assert.match(report.breaches[0] ?? '', /interrupted \d+ times|cut short/);
});

test('every experiment has its page and pictures, made by one command', () => {
  for (const experiment of EXPERIMENTS) {
    const path = join(PAGES, `${experiment.name}.md`);
    assert.ok(existsSync(path), `${path} is missing: run haven lab run ${experiment.name}`);
    const text = readFileSync(path, 'utf8');
    assert.match(text, new RegExp(`haven lab run ${experiment.name}`));
    assert.doesNotMatch(text, /NaN|undefined|Infinity/);
    for (const [, picture] of text.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)) assert.ok(existsSync(join(PAGES, picture ?? '')), picture);
  }
});
