import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { connect, type PeerCertificate } from 'node:tls';
import type { Address } from '#world/world';
import { until } from '../../live-fixture.ts';
import { issueCertificate } from '../issuing.ts';
import { type CertificateFiles, certificateFiles, validFor } from '../tls-fixture.ts';

/** Why tests with an authority cannot run here; false: they can. */
export const WITHOUT_PEBBLE =
  ['pebble', 'pebble-challtestsrv']
    .filter((program) => spawnSync(program, ['-h']).error !== undefined)
    .map((program) => `needs ${program} (Debian: pebble)`)[0] ?? false;

const PORTS = { directory: 14_000, management: 15_000, http: 5_002, tls: 5_001, names: 8_053, namesManagement: 8_055 } as const;

/** An authority for tests, and names that all lead to `host`, which is a loopback address of its own. */
export interface Pebble extends AsyncDisposable {
  readonly host: string;
  /** Another one, to which names may be led. */
  readonly otherHost: string;
  /** Where it looks whether a host is ours. */
  readonly http: Address;
  readonly tls: Address;
  /** What a gateway's file says of it. */
  readonly acme: { readonly agree: true; readonly directory: string; readonly ca: string };
  readonly files: CertificateFiles;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Makes a name lead to another address. */
  lead(name: string, to: string): Promise<void>;
  /** PEM of what its certificates are from. */
  root(): Promise<string>;
  /** How many lines that it wrote match. */
  said(pattern: RegExp): number;
}

let count = 0;

export interface PebbleOptions {
  readonly isDown?: boolean;
  /** Of a hundred good nonces, so many are refused. */
  readonly refusedNonces?: number;
  /** Who has shown that a host is his need not show it again. */
  readonly remembersProofs?: boolean;
}

export async function startPebble({ isDown = false, refusedNonces = 0, remembersProofs = false }: PebbleOptions = {}): Promise<Pebble> {
  // No two tests have the same, so that all may have the same ports.
  const host = `127.${80 + count++}.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
  const files = await certificateFiles();
  const { chain, key } = await issueCertificate(files.authority, { names: [host] }, validFor(20));
  const at = (name: string) => `${files.folder}/${name}`;
  await writeFile(at('pebble.pem'), chain);
  await writeFile(at('pebble.key'), key);
  await writeFile(at('pebble.json'), JSON.stringify(settingsOf(host, at)));
  let output = '';
  const running: ChildProcess[] = [];
  const run = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part: Buffer) => {
        output += part.toString();
      });
    running.push(child);
    return child;
  };
  const ca = files.authority.chain;
  const names = `${host}:${PORTS.names}`;
  run('pebble-challtestsrv', [
    ...['-http01', '', '-https01', '', '-tlsalpn01', '', '-dns01', names, '-management', `${host}:${PORTS.namesManagement}`],
    ...['-defaultIPv4', host, '-defaultIPv6', ''],
  ]);
  let authority: ChildProcess | undefined;
  const start = async () => {
    const settings = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: remembersProofs ? '100' : '0', PEBBLE_WFE_NONCEREJECT: String(refusedNonces) };
    authority = run('pebble', ['-strict', '-config', at('pebble.json'), '-dnsserver', names], settings);
    await until(
      async () =>
        await fetchText(`https://${host}:${PORTS.directory}/dir`, ca).then(
          () => true,
          () => false,
        ),
      'the authority answers',
    );
  };
  if (!isDown) await start();
  return {
    host,
    otherHost: host.replace(/^127\.\d+/, `127.${160 + count}`),
    http: { host, port: PORTS.http },
    tls: { host, port: PORTS.tls },
    acme: { agree: true, directory: `https://${host}:${PORTS.directory}/dir`, ca: at('authority.pem') },
    files,
    start,
    stop: async () => await ended(authority),
    lead: async (name, to) => {
      const post = async (action: string, body: object) =>
        await fetch(`http://${host}:${PORTS.namesManagement}/${action}`, { method: 'POST', body: JSON.stringify(body) }).catch(() => undefined);
      await until(async () => (await post('clear-a', { host: name }))?.ok === true, 'names can be changed');
      await post('add-a', { host: name, addresses: [to] });
    },
    root: async () => await fetchText(`https://${host}:${PORTS.management}/roots/0`, ca),
    said: (pattern) => output.split('\n').filter((line) => pattern.test(line)).length,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(running.map(ended));
      await files[Symbol.asyncDispose]();
    },
  };
}

/** Pebble's own file. */
function settingsOf(host: string, at: (file: string) => string): object {
  return {
    pebble: {
      listenAddress: `${host}:${PORTS.directory}`,
      managementListenAddress: `${host}:${PORTS.management}`,
      certificate: at('pebble.pem'),
      privateKey: at('pebble.key'),
      httpPort: PORTS.http,
      tlsPort: PORTS.tls,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
    },
  };
}

/** What is shown for a name; `undefined` if the handshake is refused. Who signed it is not looked at. */
export async function shownFor(address: Address, servername: string): Promise<PeerCertificate | undefined> {
  const done = Promise.withResolvers<PeerCertificate | undefined>();
  const socket = connect({ host: address.host, port: address.port, servername, rejectUnauthorized: false });
  socket.once('secureConnect', () => done.resolve(socket.getPeerCertificate()));
  socket.on('error', () => done.resolve(undefined));
  socket.once('close', () => done.resolve(undefined));
  try {
    return await done.promise;
  } finally {
    socket.destroy();
  }
}

async function fetchText(url: string, ca: string): Promise<string> {
  const done = Promise.withResolvers<string>();
  const outgoing = get(url, { ca, agent: new Agent({ keepAlive: false }) }, (incoming) => {
    let text = '';
    incoming.on('data', (part: Buffer) => {
      text += part.toString();
    });
    incoming.on('end', () => done.resolve(text));
  });
  outgoing.on('error', done.reject);
  return await done.promise;
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const done = Promise.withResolvers<void>();
  child.once('exit', () => done.resolve());
  child.kill('SIGKILL');
  await done.promise;
}
