import type { Socket } from 'node:net';
import { after } from './dataplane/clock.ts';
import { drained, type SoakDoor } from './fixture-soak-door.ts';
import { type Ledger, type Luck, patternOf } from './fixture-soak-plan.ts';
import { pause } from './live-fixture.ts';

const longestMs = 16_000;
const SIZES = [0, 1, 500, 20_000, 150_000, 700_000];

/** One WebSocket's connection through the gateway: all that is sent comes back, and nothing else. Its backend sends back what it gets. */
export async function runSoakSocket(ledger: Ledger, luck: Luck, door: SoakDoor): Promise<void> {
  const plan = { ...ledger.draw(luck), method: 'GET', upload: 'none', uploadBytes: 0, service: luck.pick(['alone', 'piped'] as const) } as const;
  ledger.plans.set(plan.token, plan);
  const bytes = patternOf(plan.token, luck.pick(SIZES));
  const { socket } = door.open(luck, 'http/1.1');
  const leavesAt = luck.isOneIn(3) ? luck.below(bytes.length + 1) : bytes.length;
  const got: Buffer[] = [];
  let hasEnded = false;
  let hasLeft = false;
  const begun = new Promise<void>((resolve) => {
    socket.once('data', () => resolve());
    socket.once('close', () => resolve());
  });
  socket.on('data', (part: Buffer) => got.push(part));
  socket.on('error', () => undefined);
  socket.on('end', () => {
    hasEnded = true;
    socket.end();
  });
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  using _ = after(longestMs, () => {
    ledger.problem(`a tunnel of ${bytes.length} bytes stands still`, plan);
    socket.destroy();
  });
  socket.write(
    `GET /${plan.service}/${plan.token} HTTP/1.1\r\nHost: a\r\nX-Token: ${plan.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  // Some send before the backend has agreed.
  if (luck.isOneIn(2)) await begun;
  if (luck.isOneIn(3)) void readSlowly(socket, luck);
  for (let at = 0; at < leavesAt && !socket.destroyed; ) {
    const size = Math.min(leavesAt - at, 1 + luck.below(luck.isOneIn(3) ? 100 : 90_000));
    const isTaken = socket.write(bytes.subarray(at, at + size));
    at += size;
    if (!isTaken) await drained(socket);
    if (luck.isOneIn(6)) await pause(luck.below(6));
  }
  if (leavesAt < bytes.length) {
    hasLeft = true;
    socket.destroy();
  } else {
    // Who ends before the answer does not wait for it.
    await begun;
    socket.end();
  }
  await over;
  const all = Buffer.concat(got);
  const head = all.indexOf('\r\n\r\n');
  if (head < 0 || !all.toString('latin1', 0, head).startsWith('HTTP/1.1 101 ')) {
    if (!hasLeft) ledger.problem(`no tunnel, but ${JSON.stringify(all.toString('latin1', 0, 200))}`, plan);
    return;
  }
  const echo = all.subarray(head + 4);
  if (!echo.equals(bytes.subarray(0, echo.length))) ledger.problem('a tunnel gave back something else', plan);
  if (hasLeft) return;
  ledger.count('tunnel');
  if (echo.length !== bytes.length || !hasEnded) ledger.problem(`a tunnel gave back ${echo.length} of ${bytes.length} bytes`, plan);
}

async function readSlowly(socket: Socket, luck: Luck): Promise<void> {
  for (let i = 0; i < 20 && !socket.destroyed; i++) {
    socket.pause();
    await pause(luck.below(40));
    socket.resume();
    await pause(luck.below(3));
  }
  socket.resume();
}
