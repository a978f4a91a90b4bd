import { availableParallelism } from 'node:os';
import { echoLoad } from './gateway-echo.ts';
import { startHaven } from './gateway-haven.ts';
import { accounted, closedLoop, handshakes, idleConnections, type Measured, openLoop, residentMiB } from './gateway-load.ts';
import { type Backends, type Peer, startCaddy, startHaproxy, startNginx, startNpmProxy } from './gateway-peers.ts';
import { noQuotas, withinQuota } from './gateway-quota.ts';

/** Beside the one that gets requests: a thousand in all. */
export const MOST_IDLE_BACKENDS = 999;

/** How each peer is started, by its name in the tables. Ports are in steps of 10: HTTP, TLS, admin. */
export const STARTERS: Readonly<Record<string, (port: number, backends: Backends) => Promise<Peer>>> = {
  haven: async (port, backends) => await startHaven('haven', port, backends),
  'haven, streams': async (port, backends) => await startHaven('haven, streams', port, backends, { byStreams: true }),
  nginx: startNginx,
  HAProxy: startHaproxy,
  Caddy: startCaddy,
  'http-proxy-3': async (port, backends) => await startNpmProxy('http-proxy-3', port, backends),
  'reply-from': async (port, backends) => await startNpmProxy('reply-from', port, backends),
  'fast-proxy': async (port, backends) => await startNpmProxy('fast-proxy', port, backends),
  'haven, 1,000 routes': async (port, backends) => await startHaven('haven, 1,000 routes', port, backends, { moreServices: MOST_IDLE_BACKENDS }),
  'haven, 2 workers': async (port, backends) => await startHaven('haven, 2 workers', port, backends, { workers: 2 }),
};

/** One thing that is measured of several peers, in turn. */
export interface Case {
  readonly name: string;
  readonly group: string;
  readonly title: string;
  readonly peers: readonly string[];
  readonly measure: (peer: Peer, seconds: number) => Promise<Measured>;
  /** Of programs that have done nothing before; a second time would find what the first left. */
  readonly isOnce?: boolean;
  /** Why it cannot be measured on this machine. */
  readonly skip?: string;
}

const NATIVE = ['haven', 'nginx', 'HAProxy', 'Caddy'];
const STREAMS = 'haven, streams';
/** Those that can be told which fields to send. */
const PROXIES = ['haven', 'nginx', 'HAProxy'];
const ALL = [...NATIVE, 'http-proxy-3', 'reply-from', 'fast-proxy'];
const PIPED = { haven: '/piped/small', [STREAMS]: '/piped/small' };
const manyFields = Array.from({ length: 20 }, (_, i) => `wrk.headers["X-Field-${i}"] = "value-${i}-of-some-length"`).join('\n');
const post = 'wrk.method = "POST"\nwrk.body = string.rep("x", 1024)';
const smallBytes = 13;
const BODY_BYTES: Readonly<Record<string, number>> = { '/10k': 10 * 1024, '/1m': 1024 * 1024, '/post': 2 };
const loadShare = 0.7;
const idleCount = 10_000;
const coresForTwoWorkers = 4;
/** Of a core: the load and the backends, which need about as much for a request as the fastest proxies, then have more than they need. */
const quota = 0.5;

export const CASES: readonly Case[] = [
  http('small-64', 'small GET, 64 connections', '/small', { peers: [...ALL, STREAMS] }),
  http('small-2', 'small GET, 2 connections', '/small', { peers: [...NATIVE, STREAMS], connections: 2 }),
  http('small-256', 'small GET, 256 connections', '/small', { peers: [...NATIVE, STREAMS], connections: 256 }),
  http('told-64', 'small GET, 64 connections; peers tell the backend of the client what ours does', '/told/small', { peers: PROXIES }),
  http('told-256', 'small GET, 256 connections; peers tell the backend of the client what ours does', '/told/small', { peers: PROXIES, connections: 256 }),
  http('get-10k', 'GET 10 KiB', '/10k', { peers: ALL }),
  http('post-1k', 'POST 1 KiB', '/post', { peers: ALL, script: post }),
  http('fields-20', 'GET with 20 more fields', '/small', { script: manyFields }),
  http('get-1m', 'GET 1 MiB', '/1m', { connections: 16 }),
  http('three', 'small GET, 3 backends', '/three/small'),
  http('pipeline-64', 'small GET, 64 connections; ours pipelined to the backend', '/small', { group: 'pipeline', paths: PIPED, peers: [...NATIVE, STREAMS] }),
  http('pipeline-256', 'small GET, 256 connections; ours pipelined to the backend', '/small', {
    group: 'pipeline',
    connections: 256,
    paths: PIPED,
    peers: [...NATIVE, STREAMS],
  }),
  ...[64, 256].map((connections) => throughput(connections)),
  {
    name: 'websocket',
    group: 'http',
    title: 'WebSocket message of 64 bytes and its echo, 64 connections',
    peers: NATIVE,
    measure: async (peer, seconds) => await accounted(peer, async () => await echoLoad({ port: peer.port, connections: 64, seconds })),
  },
  {
    name: 'tls-64',
    group: 'tls',
    title: 'small GET over kept TLS connections (TLS 1.3), 64 connections',
    peers: NATIVE,
    measure: async (peer, seconds) => await closedLoop(peer, { scheme: 'https', path: '/small', bodyBytes: smallBytes, connections: 64, seconds }),
  },
  {
    name: 'tls-full',
    group: 'tls',
    title: 'full TLS handshake (ECDSA P-256) with one small GET',
    peers: NATIVE,
    measure: async (peer, seconds) => await handshakes(peer, { resumed: false, seconds }),
  },
  {
    name: 'tls-resumed',
    group: 'tls',
    title: 'resumed TLS handshake with one small GET',
    peers: NATIVE,
    measure: async (peer, seconds) => await handshakes(peer, { resumed: true, seconds }),
  },
  {
    name: 'latency',
    group: 'latency',
    title: 'small GET at 70 % of the peer’s own maximum, open loop, 64 connections',
    peers: NATIVE,
    measure: async (peer, seconds) => {
      const { perSecond = 0 } = await closedLoop(peer, { path: '/small', bodyBytes: smallBytes, connections: 64, seconds: 1 });
      return await openLoop(peer, { ratePerSecond: perSecond * loadShare, connections: 64, seconds });
    },
  },
  {
    name: 'memory-idle',
    group: 'memory-idle',
    isOnce: true,
    title: 'memory per idle kept connection, at 10,000',
    // HAProxy cannot have 10,000 connections and their backends' with 20,000 files.
    peers: ['haven', 'nginx', 'Caddy'],
    measure: async (peer, seconds) => {
      await closedLoop(peer, { path: '/small', bodyBytes: smallBytes, connections: 64, seconds });
      return await idleConnections(peer, idleCount);
    },
  },
  {
    name: 'memory-256',
    group: 'memory',
    title: 'memory at 256 busy connections',
    peers: NATIVE,
    measure: async (peer, seconds) => {
      const resident: number[] = [];
      const watch = setInterval(() => resident.push(residentMiB(peer)), 100);
      await closedLoop(peer, { path: '/small', bodyBytes: smallBytes, connections: 256, seconds });
      clearInterval(watch);
      return { residentMiB: Math.max(...resident) };
    },
  },
  http('routes-1000', 'small GET with 1,000 routes and 1,000 backends', '/small', { group: 'scale', peers: ['haven', 'haven, 1,000 routes'] }),
  {
    ...http('workers-2', 'small GET, two workers', '/small', { group: 'workers', peers: ['haven', 'haven, 2 workers'] }),
    ...(availableParallelism() < coresForTwoWorkers ? { skip: `needs ${coresForTwoWorkers} cores: two for the workers, two for the load` } : {}),
  },
];

/** Requests per second where it is not the load that limits them. */
function throughput(connections: number): Case {
  return {
    name: `quota-${connections}`,
    group: 'quota',
    title: `requests per second with half of a core, small GET, ${connections} connections`,
    peers: [...NATIVE, STREAMS],
    measure: async (peer, seconds) => {
      const { perSecond = Number.NaN, loadBusy = Number.NaN } = await withinQuota(
        peer.pids(),
        quota,
        async () => await closedLoop(peer, { path: '/small', bodyBytes: smallBytes, connections, seconds }),
      );
      return { perSecond, loadBusy };
    },
    ...(noQuotas === undefined ? {} : { skip: noQuotas }),
  };
}

function http(
  name: string,
  title: string,
  path: string,
  options: {
    readonly group?: string;
    readonly peers?: readonly string[];
    readonly connections?: number;
    readonly script?: string;
    readonly paths?: Readonly<Record<string, string>>;
  } = {},
): Case {
  const { group = 'http', peers = NATIVE, connections = 64, script = '', paths = {} } = options;
  const bodyBytes = BODY_BYTES[path] ?? smallBytes;
  return {
    name,
    group,
    title,
    peers,
    measure: async (peer, seconds) => await closedLoop(peer, { path: paths[peer.name] ?? path, bodyBytes, connections, seconds, script }),
  };
}
