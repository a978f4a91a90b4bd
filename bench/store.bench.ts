import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryStore } from '#store/memory/memory-store';
import { openSqliteStore } from '#store/sqlite/sqlite-store';
import type { Revision, Store } from '#store/store';
import { nodeWorld } from '#world/node/node-world';
import { benchOptions } from './options.ts';

const help = `What the embedded store costs, against the disk it stands on, in one run.

  node bench/store.bench.ts [--write]

--write puts what was measured into docs/benchmarks/store.md.`;

const ROUNDS = 5;
const ROUND_MS = 800;
const VALUE = 'x'.repeat(1_024);

const options = benchOptions(help, { write: { type: 'boolean', default: false } });
const world = nodeWorld({ logLevel: 'error', logName: 'bench' });

interface Row {
  readonly measure: string;
  readonly figure: string;
  readonly asked?: string;
}

/** Runs `operation` in `concurrency` loops; how many ended in a second. */
async function ratePerSecond(concurrency: number, operation: (loop: number) => Promise<unknown>): Promise<number> {
  const startedAt = world.clock.now();
  const endsAt = startedAt + ROUND_MS;
  let count = 0;
  const loop = async (_: unknown, number: number) => {
    while (world.clock.now() < endsAt) {
      await operation(number);
      count++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  return (count * 1_000) / (world.clock.now() - startedAt);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Compare-and-set of one key for each loop, retried by nobody: all must succeed. */
function compareAndSet(store: Store): (loop: number) => Promise<void> {
  const revisions = new Map<number, Revision>();
  return async (loop) => {
    const { succeeded, revision } = await store.transact({
      compare: [{ key: `cas/${loop}`, target: 'modRevision', is: '=', to: revisions.get(loop) ?? 0 }],
      then: [{ kind: 'put', key: `cas/${loop}`, value: VALUE }],
    });
    if (!succeeded) throw new Error('A compare-and-set failed without a rival');
    revisions.set(loop, revision);
  };
}

async function againstTheDisk(directory: string): Promise<Row[]> {
  const raw = await open(join(directory, 'raw'), 'a');
  const bytes = Buffer.from(VALUE);
  const append = async () => {
    await raw.write(bytes);
    await raw.datasync();
  };
  const rates = { raw: [] as number[], one: [] as number[], many: [] as number[] };
  // Other work on this machine comes and goes, so each round measures all three, and the ratio is the median of the rounds.
  for (let round = 0; round < ROUNDS; round++) {
    await using store = await openSqliteStore({ world, directory: join(directory, `store-${round}`) });
    const operation = compareAndSet(store);
    rates.raw.push(await ratePerSecond(1, append));
    rates.one.push(await ratePerSecond(1, operation));
    rates.many.push(await ratePerSecond(64, operation));
  }
  await raw.close();
  const ratio = median(rates.one.map((rate, round) => rate / (rates.raw[round] ?? Number.NaN)));
  return [
    { measure: 'append 1 KiB + fdatasync, one after the other', figure: `${median(rates.raw).toFixed(0)}/s` },
    { measure: 'compare-and-set 1 KiB, 1 client', figure: `${median(rates.one).toFixed(0)}/s` },
    { measure: '… as a share of append + fdatasync', figure: ratio.toFixed(2), asked: '≥ 0.35' },
    { measure: 'compare-and-set 1 KiB, 64 clients', figure: `${median(rates.many).toFixed(0)}/s` },
  ];
}

async function watching(directory: string): Promise<Row[]> {
  await using store = await openSqliteStore({ world, directory });
  const controller = new AbortController();
  const batches = store.watch({ prefix: 'key/' }, { signal: controller.signal })[Symbol.asyncIterator]();
  await batches.next();
  const putMs: number[] = [];
  const watchMs: number[] = [];
  for (let n = 0; n < 2_000; n++) {
    const startedAt = world.clock.now();
    const seen = batches.next().then(() => watchMs.push(world.clock.now() - startedAt));
    await store.transact({ compare: [], then: [{ kind: 'put', key: 'key/1', value: VALUE }] });
    putMs.push(world.clock.now() - startedAt);
    await seen;
  }
  controller.abort();
  return [
    { measure: 'put, median', figure: `${median(putMs).toFixed(3)} ms` },
    { measure: 'put to watch event, median', figure: `${median(watchMs).toFixed(3)} ms` },
    { measure: '… as a share of the put', figure: (median(watchMs) / median(putMs)).toFixed(2), asked: '≤ 1.3' },
  ];
}

async function many(directory: string): Promise<Row[]> {
  const keys = 100_000;
  const fill = async () => {
    await using store = await openSqliteStore({ world, directory });
    for (let n = 0; n < keys; n += 100) {
      const then = Array.from({ length: 100 }, (_, i) => ({
        kind: 'put' as const,
        key: `key/${String(((n + i) * 7_919) % keys)}`,
        value: VALUE.slice(0, 200),
      }));
      await store.transact({ compare: [], then });
    }
  };
  await fill();
  const startedAt = world.clock.now();
  await using store = await openSqliteStore({ world, directory });
  const openMs = world.clock.now() - startedAt;
  const get = await ratePerSecond(1, () => store.get('key/5'));
  const list = await ratePerSecond(1, () => store.list({ prefix: 'key/55' }));
  const put = await ratePerSecond(64, compareAndSet(store));
  return [
    { measure: `open a store of ${keys} keys`, figure: `${openMs.toFixed(0)} ms` },
    { measure: '… get', figure: `${get.toFixed(0)}/s` },
    { measure: '… list 1,111 keys', figure: `${list.toFixed(0)}/s` },
    { measure: '… compare-and-set 1 KiB, 64 clients', figure: `${put.toFixed(0)}/s` },
  ];
}

async function inMemory(): Promise<Row[]> {
  await using store = new MemoryStore(world);
  return [{ measure: 'memory store, compare-and-set 1 KiB, 1 client', figure: `${(await ratePerSecond(1, compareAndSet(store))).toFixed(0)}/s` }];
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ measure, figure, asked }) => `| ${measure} | ${figure} | ${asked ?? ''} |`);
  return ['| measure | figure | asked |', '|---|---|---|', ...lines].join('\n');
}

const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
try {
  const rows = [
    ...(await againstTheDisk(directory)),
    ...(await watching(join(directory, 'watching'))),
    ...(await many(join(directory, 'many'))),
    ...(await inMemory()),
  ];
  process.stdout.write(`${table(rows)}\n`);
  if (options.write) {
    const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), ${process.platform}, Node ${process.version}, folder ${tmpdir()}`;
    const day = new Date(world.clock.wall()).toISOString().slice(0, 10);
    const text = `# The embedded store\n\n\`node bench/store.bench.ts --write\`, ${day}, ${machine}.\nOne run; medians of ${ROUNDS} rounds; other work ran on the machine. Read the shares: absolute figures follow the disk.\n\n${table(rows)}\n\nNot measured: a disk with a queue of its own (network block storage), values over 1 KiB, many watchers.\n`;
    const folder = fileURLToPath(new URL('../docs/benchmarks/', import.meta.url));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'store.md'), text);
  }
} finally {
  await rm(directory, { recursive: true });
}
