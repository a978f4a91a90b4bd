import { deepEqual, equal } from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { notifyServiceManager } from './service-manager.ts';

/** Binds a datagram socket, says so, and prints the first datagram: what systemd does with NOTIFY_SOCKET. */
const LISTENER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.settimeout(10)
s.bind(sys.argv[1])
print('bound', flush=True)
print(s.recv(4096).decode(), flush=True)`;

function has(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const missing = ['systemd-notify', 'python3'].find((program) => !has(program));

test('a service manager that asks is told that this process serves and is the main one', { skip: missing && `needs ${missing}` }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-notify-'));
  const path = join(directory, 'socket');
  const listener = spawn('python3', ['-c', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let out = '';
    const ended = new Promise((resolve) => listener.once('exit', resolve));
    await new Promise<void>((resolve) => {
      listener.stdout.on('data', (data: Buffer) => {
        out += data.toString();
        if (out.includes('bound')) resolve();
      });
    });
    await notifyServiceManager({ ...process.env, NOTIFY_SOCKET: path }, process.pid);
    await ended;
    deepEqual(out.trim().split('\n').slice(1).sort(), [`MAINPID=${process.pid}`, 'READY=1']);
  } finally {
    listener.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
});

test('where nobody asks, nothing is started', async () => {
  equal(await notifyServiceManager({ PATH: '/nowhere' }, 1), undefined);
});
