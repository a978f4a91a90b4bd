import { readFile } from 'node:fs/promises';
import { connect as openSocket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTo, type HavenClient } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import { causeOfEnd } from './ended-part.ts';
import { addressesOf, type Home, pathsOf } from './home.ts';

const REACHED_WITHIN_MS = 3_000;

/**
 * A client of this machine's cluster, or of the one at HAVEN_ADDR. The token comes from HAVEN_TOKEN_FILE or the cluster's folder, never from an argument.
 * UNAVAILABLE says whether nothing runs here or what runs does not answer.
 */
export async function connect(home: Home, environment: Readonly<Record<string, string | undefined>> = process.env): Promise<HavenClient> {
  const elsewhere = environment['HAVEN_ADDR'];
  const address = elsewhere === undefined ? hereOf(home) : parseAddress(elsewhere);
  const tokenFile = environment['HAVEN_TOKEN_FILE'] ?? pathsOf(home).token;
  const [isReached, token] = await Promise.all([reach(address), readFile(tokenFile, 'utf8').catch((error: Error) => error)]);
  if (!isReached) throw elsewhere === undefined ? await whyNotHere(home) : unreachable(address);
  if (typeof token !== 'string') {
    throw new PlatformError('UNAUTHENTICATED', `Cannot read the token in ${tokenFile}, because ${token.message}`, {
      next: 'set HAVEN_TOKEN_FILE to the file with the token of the cluster',
    });
  }
  return connectTo({ address: address.href, token: token.trim() });
}

function hereOf(home: Home): URL {
  const { host, port } = addressesOf(home).api;
  return new URL(`http://${host}:${port}`);
}

/** `10.0.0.5:7700` or `http://10.0.0.5:7700`. */
function parseAddress(text: string): URL {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url && url.hostname !== '' && url.pathname === '/') return url;
  throw new PlatformError('INVALID', `Cannot use HAVEN_ADDR=${text}, because it is not an address such as 10.0.0.5:7700`);
}

/** Whether anything listens there: asked first, because a refusal means more than a failed call can tell. */
async function reach(address: URL): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const port = Number(address.port || (address.protocol === 'https:' ? 443 : 80));
  const socket = openSocket({ host: address.hostname.replace(/^\[|\]$/g, ''), port, timeout: REACHED_WITHIN_MS }, () => resolve(true));
  socket.once('error', () => resolve(false)).once('timeout', () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

async function whyNotHere(home: Home): Promise<PlatformError> {
  const [{ findSupervisor }, { nodeWorld }] = await Promise.all([import('./lifecycle.ts'), import('#world/node/node-world')]);
  const supervisor = await findSupervisor(nodeWorld({ logLevel: 'error', logName: 'haven' }), home);
  if (!supervisor) return new PlatformError('UNAVAILABLE', 'Haven is not running here', { next: 'haven up' });
  const log = join(pathsOf(home).logs, 'control.log');
  const cause = await causeOfEnd(home, { name: 'control' });
  const why = cause === undefined ? ' yet' : `: ${cause}`;
  return new PlatformError('UNAVAILABLE', `Haven runs here (pid ${supervisor.identity.pid}), but its API does not answer${why}; apps go on`, {
    next: cause === undefined ? `try again in a moment, or see ${log}` : `mend that, and Haven goes on by itself; see ${log}`,
  });
}

function unreachable(address: URL): PlatformError {
  return new PlatformError('UNAVAILABLE', `Nothing answers at ${address.host}`, { next: 'check HAVEN_ADDR, and that the cluster runs' });
}
