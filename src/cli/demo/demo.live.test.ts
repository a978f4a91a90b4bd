import { deepEqual, equal } from 'node:assert/strict';
import { before, test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import type { DemoReport } from './report.ts';
import { ROWS } from './rows.ts';
import { runDemo } from './run-demo.ts';

const RATE_PER_SECOND = 1_000;
/** A build server shares its cores: the story has to hold there at what it serves. */
const LEAST_PER_SECOND = 125;
const WHOLE_STORY_MS = 280_000;

let report: DemoReport | undefined;

before(
  async () => {
    const world = nodeWorld({ logLevel: 'error', logName: 'demo' });
    report = await runDemo({
      world,
      ratePerSecond: RATE_PER_SECOND,
      leastPerSecond: LEAST_PER_SECOND,
      signal: AbortSignal.timeout(WHOLE_STORY_MS),
      onProgress: () => {},
    });
  },
  { timeout: WHOLE_STORY_MS },
);

for (const { name, title, must } of ROWS) {
  test(`at ${RATE_PER_SECOND} requests/s, or what the machine serves: ${title}: ${must}`, (t) => {
    const row = report?.rows.find((result) => result.name === name);
    t.diagnostic(JSON.stringify({ ratePerSecond: report?.ratePerSecond, ...row }));
    deepEqual(row?.breaches, []);
  });
}

test('the demo says that the story holds', () => {
  equal(report?.holds, true);
});
