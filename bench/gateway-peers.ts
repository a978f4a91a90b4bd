import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One program under test: where it listens, and the processes whose CPU counts. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly pids: () => Promise<readonly number[]>;
  readonly stop: () => void;
}

/** nginx as a backend: static answers from memory, faster than any proxy before it. */
export async function startOrigin(port: number): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const configuration = `daemon off; master_process off; error_log ${directory}/error.log crit; pid ${directory}/pid;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000; client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory}; uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
  server { listen 127.0.0.1:${port} backlog=4096;
    location /small { return 200 "hello, world\\n"; }
    location /10k { root ${directory}; open_file_cache max=10; }
    location /post { return 200 "ok"; }
    location / { return 200 "ok"; } } }`;
  await writeFile(join(directory, '10k'), 'x'.repeat(10_240));
  await writeFile(join(directory, 'nginx.conf'), configuration);
  return program('origin', port, spawn('nginx', ['-c', join(directory, 'nginx.conf')], { stdio: 'inherit' }));
}

/** nginx as a proxy: one worker, upstream keep-alive, no log. */
export async function startNginx(port: number, origin: number): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const configuration = `daemon off; master_process off; error_log ${directory}/error.log crit; pid ${directory}/pid;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 1000000; client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory}; uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
  upstream origin { server 127.0.0.1:${origin}; keepalive 512; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } } }`;
  await writeFile(join(directory, 'nginx.conf'), configuration);
  return program('nginx', port, spawn('nginx', ['-c', join(directory, 'nginx.conf')], { stdio: 'inherit' }));
}

/** HAProxy: one thread, connections reused. */
export async function startHaproxy(port: number, origin: number): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const configuration = `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option forwardfor
frontend front
  bind 127.0.0.1:${port} backlog 4096
  default_backend origin
backend origin
  server one 127.0.0.1:${origin} pool-max-conn 512
`;
  await writeFile(join(directory, 'haproxy.cfg'), configuration);
  return program('haproxy', port, spawn('haproxy', ['-db', '-f', join(directory, 'haproxy.cfg')], { stdio: 'inherit' }));
}

/** A Node program that prints `ready PID` when its worker serves. */
export async function startNode(name: string, port: number, file: string, environment: Readonly<Record<string, string>>): Promise<Peer> {
  const child = spawn(process.execPath, [file], { env: { ...process.env, ...environment, PORT: String(port) }, stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = Promise.withResolvers<number>();
  child.stdout.on('data', (data: Buffer) => {
    const pid = /ready (\d+)/.exec(data.toString())?.[1];
    if (pid !== undefined) ready.resolve(Number(pid));
  });
  child.once('exit', () => ready.reject(new Error(`${name} ended`)));
  const pid = await ready.promise;
  return { name, port, pids: async () => [pid], stop: () => child.kill('SIGTERM') };
}

function program(name: string, port: number, child: ChildProcess): Peer {
  return { name, port, pids: async () => [child.pid ?? 0], stop: () => child.kill('SIGTERM') };
}
