// Writes to a store until it is killed, and says on standard output what was acknowledged. Started by the crash test only.
import { nodeWorld } from '#world/node/node-world';
import { openSqliteStore } from './sqlite-store.ts';

const WRITERS = 16;
const KEYS_PER_WRITER = 20;

const [directory = '', round = ''] = process.argv.slice(2);
const store = await openSqliteStore({
  world: nodeWorld({ logLevel: 'error', logName: 'crash-writer' }),
  directory,
  history: { keepMs: 0, keepRevisions: 200, maxBytes: 2 ** 20 },
});

async function writeForEver(writer: number): Promise<never> {
  for (let n = 0; ; n++) {
    const key = `writer-${writer}/${n % KEYS_PER_WRITER}`;
    const value = `${round.padStart(4, '0')}/${String(n).padStart(8, '0')}`;
    const { revision } = await store.transact({
      compare: [],
      then: [
        { kind: 'put', key, value },
        { kind: 'put', key: `${key}/copy`, value },
      ],
    });
    process.stdout.write(`${key} ${value} ${revision}\n`);
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => writeForEver(writer)));
