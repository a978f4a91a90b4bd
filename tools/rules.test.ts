import { deepEqual, equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { documentBreaches } from './document-rules.ts';
import { sourceBreaches } from './source-rules.ts';
import { codeOnly, importsOf } from './source-text.ts';

interface Case {
  readonly path: string;
  readonly text: string;
}

const imports = (path: string, specifier: string): Case => ({ path, text: `import { x } from '${specifier}';\n` });
const inStore = (text: string): Case => ({ path: 'src/store/lease.ts', text });
const lines = (count: number): string => 'const x = 1;\n'.repeat(count);
const leftOver = (...parts: readonly string[]): string => `// ${parts.join('')}: later\n`;

// Each rule with what it must catch.
const BAD: Readonly<Record<string, readonly Case[]>> = {
  'import-table': [
    imports('src/base/heap.ts', '#world/world'),
    imports('src/world/world.ts', '#model/app'),
    imports('src/model/app.ts', '#world/world'),
    imports('src/model/app.ts', '#store/store'),
    imports('src/policy/queue/fifo.ts', '#world/world'),
    imports('src/policy/queue/fifo.test.ts', '#store/store'),
    imports('src/store/store.ts', '#model/app'),
    imports('src/control/rollout.ts', '#gateway/gateway'),
    imports('src/agent/agent.ts', '#store/store'),
    imports('src/gateway/gateway.ts', '#store/store'),
    imports('src/objects/bucket.ts', '#policy/policies'),
    imports('src/lab/engine.ts', '#world/world'),
    imports('src/sim/cluster.ts', '#cli/main'),
    imports('src/stray/file.ts', '#base/heap'),
    imports('src/gateway/gateway.ts', '@haven/sdk'),
    imports('examples/shop/web.ts', '#base/heap'),
    { path: 'src/agent/agent.ts', text: "import type { Store } from '#store/store';\n" },
    { path: 'src/agent/agent.ts', text: "import {\n  a,\n  b,\n} from '#store/store';\n" },
    { path: 'src/agent/agent.ts', text: "import { a } from '#base/a'; import '#store/store';\n" },
    { path: 'src/agent/agent.ts', text: "const store = await import('#store/store');\n" },
    { path: 'src/agent/agent.ts', text: "type Store = import('#store/store').Store;\n" },
    { path: 'src/agent/agent.ts', text: "export { Store } from '#store/store';\n" },
    { path: 'src/agent/agent.ts', text: "export * from '#store/store';\n" },
    { path: 'src/agent/agent.ts', text: "import * as store from '#store/store';\n" },
  ],
  'world-node': [
    imports('src/agent/agent.ts', '#world/node/node-world'),
    imports('src/sim/cluster.ts', '#world/node/node-world'),
    imports('src/control/api.test.ts', '#world/node/node-world'),
    imports('src/world/world.ts', './node/node-world.ts'),
    imports('src/world/simulated/disk.ts', '../node/disk.ts'),
  ],
  'sdk-imports': [imports('sdk/client.ts', 'node:http'), imports('sdk/client.ts', '#base/heap'), imports('sdk/client.ts', '../src/base/heap.ts')],
  'own-module': [imports('src/store/memory/memory.ts', '#store/store'), imports('src/store/lease.test.ts', '#store/lease')],
  crossing: [
    imports('src/store/lease.ts', '../base/heap.ts'),
    imports('tools/tidy.test.ts', '../src/base/heap.ts'),
    imports('examples/shop/a.ts', '../../sdk/haven.ts'),
  ],
  'file-length': [inStore(lines(501)), { path: 'scripts/check.sh', text: 'true\n'.repeat(501) }],
  'file-name': ['index.ts', 'utils.ts', 'types.ts', 'index.js', 'utils.test.ts', 'types.d.ts'].map((name) => ({ path: `src/store/${name}`, text: '' })),
  'default-export': [
    inStore('export default class Lease {}\n'),
    inStore('const x = 1;\nexport { x as default };\n'),
    { path: 'examples/shop/web.ts', text: 'export default {};\n' },
  ],
  'left-over': [
    inStore(leftOver('TO', 'DO')),
    inStore(leftOver('FIX', 'ME')),
    inStore(leftOver('X', 'XX')),
    { path: 'scripts/check.sh', text: `# ${leftOver('TO', 'DO')}` },
  ],
  silenced: [inStore(`// @ts-${'ignore'}\n`)],
  any: [
    'let x: any;',
    'let x:any;',
    'x as any;',
    'let x: any[] = [];',
    'const m = new Map<string, unknown | any>();',
    'f<any>(x);',
    'function f(x: any): void {}',
  ].map(inStore),
  'banned-call': [
    ...[
      'Date.now();',
      'const now = Date.now;',
      'new Date();',
      'Math.random();',
      'setTimeout(f, 1);',
      'globalThis.setTimeout(f, 1);',
      'each(setTimeout);',
      'setInterval(f, 1);',
      'setImmediate(f);',
      'performance.now();',
      'crypto.randomUUID();',
      "import { randomUUID } from 'node:crypto';",
      'AbortSignal.timeout(1);',
      "import { setTimeout as sleep } from 'node:timers/promises';",
      'const id = `job-${Date.now()}`;',
    ].map(inStore),
    { path: 'src/gateway/dataplane/http.ts', text: 'setTimeout(f, 1);\n' },
    { path: 'src/gateway/clock.ts', text: 'setTimeout(f, 1);\n' },
    { path: 'src/gateway/dataplane/clock.ts', text: 'Math.random();\n' },
    { path: 'src/world/simulated/clock.ts', text: 'Date.now();\n' },
    { path: 'src/gateway/main.ts', text: 'Date.now();\n' },
  ],
};

// What resembles a breach and is none.
const GOOD: readonly Case[] = [
  imports('src/world/node/disk.ts', '#base/errors'),
  imports('src/store/memory/memory.ts', '../store.ts'),
  imports('src/store/lease.ts', 'node:fs'),
  imports('src/policy/queue/fifo.test.ts', '#world/simulated/simulated-world'),
  imports('src/cli/main.ts', '#world/node/node-world'),
  imports('src/cli/main.ts', '@haven/sdk'),
  imports('src/control/api/routes.ts', '@haven/sdk'),
  imports('src/gateway/main.ts', '#world/node/node-world'),
  imports('src/gateway/processes/gateway.main.ts', '#world/node/node-world'),
  imports('src/agent/agent.live.test.ts', '#world/node/node-world'),
  imports('src/agent/agent.bench.ts', '#world/node/node-world'),
  imports('src/world/conformance/disk.test.ts', '../node/disk.ts'),
  imports('examples/shop/haven.config.ts', '@haven/sdk'),
  imports('examples/shop/shop.live.test.ts', '#world/node/node-world'),
  imports('sdk/client.ts', './watch.ts'),
  imports('sdk/client.test.ts', 'node:test'),
  { path: 'src/model/app.ts', text: "import type { Instant } from '#world/world';\nimport { type UnixMs } from '#world/world';\n" },
  { path: 'examples/shop/haven.config.ts', text: 'export default {};\n' },
  { path: 'src/world/node/clock.ts', text: 'Date.now();\n' },
  { path: 'src/gateway/dataplane/clock.ts', text: 'setTimeout(f, 1);\nperformance.now();\n' },
  { path: 'src/store/lease.test.ts', text: 'Date.now();\n' },
  inStore(lines(500)),
  inStore("// Date.now() is banned here.\n/* import { x } from '#cli/main' */\nconst text = 'setTimeout(f, 1) export default x: any';\n"),
  inStore("const pattern = /[/'\"`]/;\nconst after = 'Date.now()';\n"),
  inStore('// biome-ignore lint/x: y\nconst half = total / 2 / count; // Math.random()\n'),
  inStore('socket.setTimeout(0);\nconst d = new Date(wallMs);\nawait Promise.any(all);\nAbortSignal.any(list);\n'),
  inStore('const text = `a ${f({ a: `}` })} Date.now() // no comment`;\nconst b = "export default";\n'),
];

describe('the rules for sources', () => {
  for (const [rule, cases] of Object.entries(BAD)) {
    for (const bad of cases) {
      test(`${rule} catches ${bad.path}: ${bad.text.slice(0, 60).trim().replaceAll('\n', ' ')}`, () => {
        deepEqual([...new Set(sourceBreaches(bad).map((breach) => breach.rule))], [rule]);
      });
    }
  }

  for (const good of GOOD) {
    test(`nothing is wrong in ${good.path}: ${good.text.slice(0, 60).trim().replaceAll('\n', ' ')}`, () => {
      deepEqual(sourceBreaches(good), []);
    });
  }

  test('a breach says its line and what to do instead', () => {
    deepEqual(sourceBreaches(inStore('const a = 1;\n\nconst b = Date.now();\n')), [
      { path: 'src/store/lease.ts', line: 3, rule: 'banned-call', message: 'Do not use Date.now: the time comes from world.clock or a parameter "now"' },
    ]);
  });
});

describe('reading a source', () => {
  test('blanking what is not code keeps every place and every line', () => {
    const text = "a('x\\'y'); // c\n/* d\n e */ `f ${g('h')} i`;\n";
    equal(codeOnly(text), "a('    ');     \n    \n      `  ${g(' ')}  `;\n");
  });

  test('imports are found in order, with their line, and say whether they are only types', () => {
    const text = "import type { A } from './a.ts';\nimport b, { type C } from './b.ts';\nexport { type D, type E } from './d.ts';\nawait import('./f.ts');\n";
    deepEqual(importsOf({ path: 'x.ts', text }, codeOnly(text)), [
      { specifier: './a.ts', line: 1, typeOnly: true },
      { specifier: './b.ts', line: 2, typeOnly: false },
      { specifier: './d.ts', line: 3, typeOnly: true },
      { specifier: './f.ts', line: 4, typeOnly: false },
    ]);
  });
});

describe('the rules for documents', () => {
  const exists = (path: string): boolean => ['README.md', 'docs', 'docs/a b.md'].includes(path);
  const rulesOf = (path: string, text: string): readonly string[] => documentBreaches({ path, text }, exists).map((breach) => `${breach.rule}:${breach.line}`);

  for (const link of ['[x](gone.md)', '![x](gone.svg)', '[x](../../up.md)', '[x](/docs)', '[x]: gone.md', '<img src="gone.png">', '[`a`](gone.md#part)']) {
    test(`link catches ${link}`, () => {
      deepEqual(rulesOf('docs/start.md', `# Title\n\n${link}\n`), ['link:3']);
    });
  }

  test('links that lead somewhere, elsewhere or nowhere by design are fine', () => {
    const text = '[a](../README.md#x) [b](a%20b.md) [c](https://example.org/x) [d](#here) [e](./)\n```md\n[f](gone.md)\n```\n`[g](gone.md)`\n';
    deepEqual(rulesOf('docs/start.md', text), []);
  });

  test('document-length catches an ARCHITECTURE.md of 201 lines and no other document', () => {
    deepEqual(rulesOf('ARCHITECTURE.md', 'line\n'.repeat(201)), ['document-length:201']);
    deepEqual(rulesOf('ARCHITECTURE.md', 'line\n'.repeat(200)), []);
    deepEqual(rulesOf('docs/long.md', 'line\n'.repeat(201)), []);
  });
});
