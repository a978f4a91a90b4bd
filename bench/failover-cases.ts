import type { FailoverBackend } from './failover-backends.ts';
import type { FailoverProxy } from './failover-proxies.ts';

/** What happens to three backends under load. */
export interface FailoverCase {
  readonly name: string;
  /** What is done, to go into the table of the docs. */
  readonly what: string;
  readonly ratePerSecond: number;
  readonly postShare: number;
  /** Seconds before the fault, of the fault, and after it. */
  readonly seconds: readonly [before: number, fault: number, after: number];
  /** A policy of ours other than turns. */
  readonly balance?: string;
  /** Requests at once now and then, instead of a steady rate. */
  readonly burst?: { readonly count: number; readonly everyMs: number };
  /** Open WebSockets that are looked after during the run. */
  readonly tunnels?: number;
  begin(victim: FailoverBackend, all: readonly FailoverBackend[], proxy: FailoverProxy): Promise<void>;
  end(victim: FailoverBackend, all: readonly FailoverBackend[]): Promise<void>;
}

const usual = { ratePerSecond: 2_000, postShare: 0.1, seconds: [2, 8, 9] } as const;
const nothing = async () => undefined;
const normal = async (victim: FailoverBackend) => victim.behave({ kind: 'normal' });

export const CASES: readonly FailoverCase[] = [
  {
    ...usual,
    name: 'killed',
    what: 'one is killed (SIGKILL), and started again after 8 s',
    begin: async (victim) => await victim.kill(),
    end: async (victim) => await victim.start(),
  },
  {
    ...usual,
    name: 'stopped',
    what: 'one hangs (SIGSTOP) for 8 s',
    begin: async (victim) => victim.signal('SIGSTOP'),
    end: async (victim) => victim.signal('SIGCONT'),
  },
  {
    ...usual,
    name: 'reset mid-response',
    what: 'one breaks off every answer in its body for 8 s',
    begin: async (victim) => victim.behave({ kind: 'reset' }),
    end: normal,
  },
  {
    ...usual,
    name: 'slow',
    what: 'one takes 200 ms longer for 8 s; its check does not',
    begin: async (victim) => victim.behave({ kind: 'slow', addedMs: 200 }),
    end: normal,
  },
  {
    ...usual,
    name: 'flapping',
    what: 'one refuses and resets everything for 1 s, serves for 1 s, and so on for 8 s',
    begin: async (victim) => victim.behave({ kind: 'flap', periodMs: 1_000 }),
    end: normal,
  },
  {
    ...usual,
    name: 'keep-alive race',
    what: 'bursts of 200 requests, half of them POSTs, 5 s apart, which is when backends close idle connections',
    postShare: 0.5,
    seconds: [1, 30, 1],
    burst: { count: 200, everyMs: 5_000 },
    begin: nothing,
    end: nothing,
  },
  {
    ...usual,
    name: 'failing fast',
    what: 'one answers 503 at once for 8 s; ours balances by peak EWMA',
    balance: 'peak-ewma',
    begin: async (victim) => victim.behave({ kind: 'fail' }),
    end: normal,
  },
  {
    ...usual,
    name: 'all down',
    what: 'all are killed, and started again after 2 s',
    seconds: [2, 2, 9],
    begin: async (_victim, all) => {
      await Promise.all(all.map((backend) => backend.kill()));
    },
    end: async (_victim, all) => {
      await Promise.all(all.map((backend) => backend.start()));
    },
  },
  {
    ...usual,
    name: 'drained',
    what: 'one is drained while 60 WebSockets are open, a third of them to it',
    seconds: [2, 8, 1],
    tunnels: 60,
    begin: async (victim, all, proxy) => await proxy.drain(all.indexOf(victim)),
    end: nothing,
  },
];

const hard = { ratePerSecond: 1_000, postShare: 0.1 } as const;

/** The two that have a target, by default and without tuning. */
export const HARD_CASES: readonly FailoverCase[] = [
  {
    ...hard,
    name: 'killed, 1,000/s',
    what: 'one is killed for good',
    seconds: [2, 10, 1],
    begin: async (victim) => await victim.kill(),
    end: nothing,
  },
  {
    ...hard,
    name: 'stopped, 1,000/s',
    what: 'one hangs for 10 s',
    seconds: [2, 10, 4],
    begin: async (victim) => victim.signal('SIGSTOP'),
    end: async (victim) => victim.signal('SIGCONT'),
  },
];
