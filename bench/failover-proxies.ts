import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A proxy before three backends, and how one of them is drained. */
export interface FailoverProxy extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** No new requests to the backend at this place of the list. */
  drain(index: number): Promise<void>;
}

export interface ProxyOptions {
  readonly port: number;
  readonly backends: readonly number[];
  /** A policy string of the gateway's; the peers take turns. */
  readonly balance?: string;
}

export type StartProxy = (options: ProxyOptions) => Promise<FailoverProxy>;

const run = promisify(execFile);
const launcher = join(import.meta.dirname, '../bin/haven.js');

/** The gateway as it is installed: `haven gateway run`, one worker, nothing tuned. */
export const startHaven: StartProxy = async ({ port, backends, balance }) => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-failover-'));
  const file = join(directory, 'gateway.json');
  const config = (drained: number) => ({
    listen: `127.0.0.1:${port}`,
    admin: `127.0.0.1:${port + 1}`,
    workers: 1,
    routes: [{ service: 'web' }],
    services: {
      web: {
        check: '/healthz',
        ...(balance === undefined ? {} : { balance }),
        backends: backends.map((each, index) => ({ address: `127.0.0.1:${each}`, drain: index === drained })),
      },
    },
  });
  await writeFile(file, JSON.stringify(config(-1)));
  const child = spawn(process.execPath, [launcher, 'gateway', 'run', file, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await said(child, '"listeners"');
  return {
    name: 'haven',
    port,
    drain: async (index) => {
      await writeFile(file, JSON.stringify(config(index)));
      await run(process.execPath, [launcher, 'gateway', 'reload', '--admin', `127.0.0.1:${port + 1}`]);
    },
    [Symbol.asyncDispose]: async () => await end(child, directory),
  };
};

/**
 * nginx with all that helps: short timeouts (an answer that takes longer than a second is tried elsewhere, so no page may take longer), tries elsewhere also for
 * 502 to 504, a failed server left out for two seconds, upstream connections kept for less than the backends keep them.
 */
export const startTunedNginx: StartProxy = async ({ port, backends }) => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-failover-'));
  const file = join(directory, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory};`).join(' ');
  const config = (drained: number) => `daemon off; worker_processes 1; error_log ${directory}/error.log crit; pid ${directory}/pid; user root;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 1000000; ${temporary}
  upstream web { zone web 256k; ${backends.map((each, index) => `server 127.0.0.1:${each} max_fails=2 fail_timeout=2s${index === drained ? ' down' : ''};`).join(' ')}
    keepalive 512; keepalive_requests 1000000; keepalive_timeout 4s; }
  map $http_upgrade $connection_header { default upgrade; '' ''; }
  server { listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection $connection_header; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Host $host; proxy_connect_timeout 250ms; proxy_read_timeout 1s; proxy_next_upstream error timeout http_502 http_503 http_504; proxy_next_upstream_tries 3; }
    location /socket { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection $connection_header; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Host $host; proxy_connect_timeout 250ms; proxy_read_timeout 1h; } } }`;
  await writeFile(file, config(-1));
  const child = spawn('nginx', ['-c', file], { stdio: 'inherit' });
  await answers(port);
  return {
    name: 'nginx',
    port,
    drain: async (index) => {
      await writeFile(file, config(index));
      child.kill('SIGHUP');
    },
    [Symbol.asyncDispose]: async () => await end(child, directory),
  };
};

/**
 * HAProxy with all that helps: checks every 200 ms (100 ms while something changes), layer-7 errors seen in traffic count, answers that take longer than a
 * second are tried elsewhere, tries elsewhere also for 502 to 504 and empty answers but never for a POST, upstream connections kept for less than the backends keep them.
 */
export const startTunedHaproxy: StartProxy = async ({ port, backends }) => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-failover-'));
  const file = join(directory, 'haproxy.cfg');
  const socket = join(directory, 'socket');
  await writeFile(
    file,
    `global
  nbthread 1
  maxconn 8000
  stats socket ${socket} level admin
defaults
  mode http
  timeout connect 250ms
  timeout client 60s
  timeout server 1s
  timeout tunnel 1h
  http-reuse safe
  retries 2
  option redispatch 1
  retry-on conn-failure empty-response response-timeout 502 503 504
frontend front
  bind 127.0.0.1:${port} backlog 4096
  default_backend web
backend web
  balance roundrobin
  option httpchk GET /healthz
  http-request disable-l7-retry if METH_POST
  default-server check inter 200ms fastinter 100ms downinter 200ms fall 2 rise 2 observe layer7 error-limit 3 on-error mark-down pool-max-conn 512 pool-purge-delay 4s
${backends.map((each, index) => `  server b${index} 127.0.0.1:${each}`).join('\n')}
`,
  );
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'ignore'] });
  await answers(port);
  return {
    name: 'haproxy',
    port,
    drain: async (index) => {
      const done = Promise.withResolvers<void>();
      const control = connect(socket, () => control.end(`set server web/b${index} state drain\n`));
      control.on('data', () => undefined);
      control.on('close', () => done.resolve());
      await done.promise;
    },
    [Symbol.asyncDispose]: async () => await end(child, directory),
  };
};

async function said(child: ChildProcess, text: string): Promise<void> {
  const ready = Promise.withResolvers<void>();
  let output = '';
  child.stdout?.on('data', (data: Buffer) => {
    output += data.toString();
    if (output.includes(text)) ready.resolve();
  });
  child.once('exit', () => ready.reject(new Error(`it ended before it said ${text}: ${output}`)));
  await ready.promise;
}

/** Until a request through the proxy is answered with 200, ten times in a row: all its backends are known to be well. */
async function answers(port: number): Promise<void> {
  for (let good = 0, tries = 0; good < 10; tries++) {
    if (tries > 400) throw new Error(`nothing answers at port ${port}`);
    const status = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      (response) => response.status,
      () => 0,
    );
    good = status === 200 ? good + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function end(child: ChildProcess, directory: string): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 3_000);
  await ended;
  clearTimeout(kill);
  await rm(directory, { recursive: true, force: true });
}
