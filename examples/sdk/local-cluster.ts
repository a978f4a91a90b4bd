import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { connect, type HavenClient } from '@haven/sdk';

const DEFAULT_PORT_BASE = '7700';

/**
 * A client of the cluster that the `haven` command would use: HAVEN_ADDR with the token in HAVEN_TOKEN_FILE, else the one on this machine in
 * HAVEN_HOME (by default ~/.haven). A token is read from a file, never from an argument, where everybody on the machine could see it.
 */
export async function connectLocally(): Promise<HavenClient> {
  const { HAVEN_ADDR, HAVEN_HOME = join(homedir(), '.haven'), HAVEN_PORT_BASE = DEFAULT_PORT_BASE, HAVEN_TOKEN_FILE = join(HAVEN_HOME, 'token') } = process.env;
  const address = HAVEN_ADDR === undefined ? `http://127.0.0.1:${HAVEN_PORT_BASE}` : HAVEN_ADDR.replace(/^(?!https?:\/\/)/, 'http://');
  return connect({ address, token: (await readFile(HAVEN_TOKEN_FILE, 'utf8')).trim() });
}
