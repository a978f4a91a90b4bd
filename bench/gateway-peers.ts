import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCore, processTree } from './gateway-machine.ts';

/** One program under test: where it listens, and the processes whose CPU counts. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly tlsPort?: number;
  /** All processes of the program. */
  readonly pids: () => readonly number[];
  /** Those that carry bytes; `pids` without a parent that only looks after them. */
  readonly workers: () => readonly number[];
  readonly stop: () => Promise<void>;
}

/** What stands behind every peer, and what each has to offer. */
export interface Backends {
  /** Three ports of the same server. */
  readonly ports: readonly number[];
  /** More ports of it, for backends that get no requests. */
  readonly idlePorts: readonly number[];
  /** Echoes what comes after an upgrade. */
  readonly echoPort: number;
  /** A key and a certificate for `localhost` in one file. */
  readonly certificate: string;
}

const readyMs = 10_000;
const pollMs = 20;
const endMs = 3_000;
/** Of what a program says, kept for when it fails. */
const saidCharacters = 2_000;
const mostConnections = 16_384;

/** nginx as a backend, listening on all the ports: answers from memory, faster than any proxy before it. */
export async function startOrigin({ ports, idlePorts }: Pick<Backends, 'ports' | 'idlePorts'>): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  await writeFile(join(directory, '10k'), 'x'.repeat(10 * 1024));
  await writeFile(join(directory, '1m'), 'x'.repeat(1024 * 1024));
  const configuration = `${nginxStart(directory)}
  server { ${ports.map((port) => `listen 127.0.0.1:${port} backlog=4096;`).join(' ')} ${idlePorts.map((port) => `listen 127.0.0.1:${port};`).join(' ')}
    root ${directory}; open_file_cache max=10;
    location = /10k { } location = /1m { }
    location /post { return 200 "ok"; }
    location / { return 200 "hello, world\\n"; } } }`;
  await writeFile(join(directory, 'nginx.conf'), configuration);
  return await startProgram({ name: 'origin', port: ports[0] ?? 0, role: 'load', command: ['nginx', '-c', join(directory, 'nginx.conf')], directory });
}

/** nginx as a proxy: one worker, upstream keep-alive, no log. */
export async function startNginx(port: number, { ports, echoPort, certificate }: Backends): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const pass = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;';
  const keep = `keepalive 512; keepalive_requests 1000000;`;
  const configuration = `${nginxStart(directory)}
  upstream origin { server 127.0.0.1:${ports[0]}; ${keep} }
  upstream three { ${ports.map((each) => `server 127.0.0.1:${each};`).join(' ')} ${keep} }
  server { listen 127.0.0.1:${port} backlog=4096; listen 127.0.0.1:${port + 1} ssl backlog=4096;
    ssl_certificate ${certificate}; ssl_certificate_key ${certificate}; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:10m; ssl_session_tickets on;
    location / { proxy_pass http://origin; ${pass} }
    location /three { proxy_pass http://three; ${pass} }
    location /told { proxy_pass http://origin; ${pass} proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Request-Id $request_id;
      proxy_set_header Via "1.1 nginx"; }
    location /echo { proxy_pass http://127.0.0.1:${echoPort}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } } }`;
  await writeFile(join(directory, 'nginx.conf'), configuration);
  return await startProgram({ name: 'nginx', port, tlsPort: port + 1, command: ['nginx', '-c', join(directory, 'nginx.conf')], directory });
}

/** HAProxy: one thread, connections reused. */
export async function startHaproxy(port: number, { ports, echoPort, certificate }: Backends): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const configuration = `global
  nbthread 1
  maxconn 9900
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  http-reuse always
  option forwardfor
frontend front
  bind 127.0.0.1:${port} backlog 4096
  bind 127.0.0.1:${port + 1} ssl crt ${certificate} backlog 4096
  use_backend three if { path_beg /three }
  use_backend told if { path_beg /told }
  use_backend echo if { path_beg /echo }
  default_backend origin
backend origin
  server one 127.0.0.1:${ports[0]} pool-max-conn 512
backend three
${ports.map((each, i) => `  server s${i} 127.0.0.1:${each} pool-max-conn 512`).join('\n')}
backend told
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Request-Id %[uuid]
  http-request set-header Via "1.1 haproxy"
  server one 127.0.0.1:${ports[0]} pool-max-conn 512
backend echo
  server one 127.0.0.1:${echoPort}
`;
  await writeFile(join(directory, 'haproxy.cfg'), configuration);
  return await startProgram({ name: 'HAProxy', port, tlsPort: port + 1, command: ['haproxy', '-db', '-f', join(directory, 'haproxy.cfg')], directory });
}

/** Caddy, without its log and its admin API. */
export async function startCaddy(port: number, { ports, echoPort, certificate }: Backends): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const keep = 'transport http {\n keepalive_idle_conns_per_host 512\n }';
  const sites = `handle /three* {\n reverse_proxy ${ports.map((each) => `127.0.0.1:${each}`).join(' ')} {\n ${keep}\n }\n }
  handle /echo* {\n reverse_proxy 127.0.0.1:${echoPort}\n }
  handle {\n reverse_proxy 127.0.0.1:${ports[0]} {\n ${keep}\n }\n }`;
  const configuration = `{\n admin off\n default_sni localhost\n auto_https off\n log {\n level ERROR\n }\n}
http://:${port} {\n bind 127.0.0.1\n ${sites}\n}
https://localhost:${port + 1} {\n bind 127.0.0.1\n tls ${certificate} ${certificate}\n ${sites}\n}\n`;
  await writeFile(join(directory, 'Caddyfile'), configuration);
  return await startProgram({
    name: 'Caddy',
    port,
    tlsPort: port + 1,
    command: ['caddy', 'run', '--config', join(directory, 'Caddyfile')],
    environment: { HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory, GOMAXPROCS: '1' },
    directory,
  });
}

/** One of npm's proxies. */
export async function startNpmProxy(name: string, port: number, { ports }: Backends): Promise<Peer> {
  const file = join(import.meta.dirname, 'gateway-npm-proxy.ts');
  return await startProgram({ name, port, command: [process.execPath, file], environment: { KIND: name, PORT: String(port), ORIGIN: String(ports[0]) } });
}

/** A Node program of the benches that prints `ready PID` when it serves. */
export async function startNode(name: string, port: number, file: string, environment: Readonly<Record<string, string>>): Promise<Peer> {
  return await startProgram({ name, port, command: [process.execPath, file], environment: { ...environment, PORT: String(port) } });
}

interface Program {
  readonly name: string;
  readonly port: number;
  readonly tlsPort?: number;
  readonly command: readonly string[];
  readonly role?: 'proxy' | 'load';
  readonly environment?: Readonly<Record<string, string>>;
  /** Removed when it has stopped. */
  readonly directory?: string;
  /** Resolves when it serves; by default when its port takes a connection. */
  readonly ready?: (child: ChildProcess) => Promise<void>;
  /** Which of its processes carry bytes; by default all. */
  readonly workersOf?: (pid: number) => readonly number[];
}

/** Starts a program on its core and waits until it serves. */
export async function startProgram(program: Program): Promise<Peer> {
  const { name, port, tlsPort, role = 'proxy', directory, environment = {} } = program;
  const [command, ...args] = onCore(role, program.command);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      said = `${said}${bytes.toString()}`.slice(-saidCharacters);
    });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const failed = ended.then(() => {
    throw new Error(`${name} ended before it served: ${said}`);
  });
  failed.catch(() => undefined);
  await Promise.race([program.ready?.(child) ?? accepts(port), failed]);
  const pid = child.pid ?? 0;
  return {
    name,
    port,
    ...(tlsPort === undefined ? {} : { tlsPort }),
    pids: () => processTree(pid),
    workers: () => program.workersOf?.(pid) ?? processTree(pid),
    stop: async () => {
      const hard = setTimeout(() => child.kill('SIGKILL'), endMs);
      child.kill('SIGTERM');
      await ended;
      clearTimeout(hard);
      if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves when something accepts connections on the port. */
async function accepts(port: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < readyMs; waitedMs += pollMs) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw new Error(`Nobody listens on port ${port} after ${readyMs} ms`);
}

function nginxStart(directory: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${directory};`).join(' ');
  return `daemon off; master_process off; error_log ${directory}/error.log crit; pid ${directory}/pid; worker_rlimit_nofile ${2 * mostConnections};
events { worker_connections ${mostConnections}; }
http { access_log off; keepalive_requests 1000000; keepalive_timeout 300s; ${paths}`;
}
