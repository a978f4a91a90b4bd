import { createServer } from 'node:net';
import { addressesOf, httpsAddressOf, isRefusedByBrowsers } from '../home.ts';

const LOWEST_BASE = 8_000;
const BASE_STEP = 400;
/** From here on are the ports of instances, then those of outgoing connections. */
const HIGHEST_BASE = 19_600;
const BASES = (HIGHEST_BASE - LOWEST_BASE) / BASE_STEP + 1;
/** Nothing of a cluster listens there: whoever has taken the base holds it until its process ends. */
const RESERVATION_OFFSET = BASE_STEP - 1;

/** A port base for a cluster of this process: nobody listens at its addresses, and no other caller on this machine gets it meanwhile. */
export async function freePortBase(): Promise<number> {
  for (let tried = 0; tried < BASES; tried++) {
    const base = LOWEST_BASE + BASE_STEP * ((process.pid + tried) % BASES);
    if (isRefusedByBrowsers(base) || !(await reserve(base + RESERVATION_OFFSET))) continue;
    const home = { directory: '', portBase: base };
    const free = await Promise.all([...Object.values(addressesOf(home)), httpsAddressOf(home)].map(({ port }) => isFree(port)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no free ports for a cluster on this machine');
}

async function reserve(port: number): Promise<boolean> {
  return (await listen(port)) !== undefined;
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (!server) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

async function listen(port: number): Promise<ReturnType<typeof createServer> | undefined> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer((socket) => socket.destroy()).once('error', () => resolve(false));
  // It must not keep the process alive.
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(true)).unref();
  return (await promise) ? server : undefined;
}
