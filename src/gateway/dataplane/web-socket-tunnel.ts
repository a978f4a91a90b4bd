import { randomBytes } from 'node:crypto';
import { FrameTracker } from './frame-tracker.ts';
import { type DrainedTunnel, earliestEnd, type TunnelDrain } from './tunnel-drain.ts';

/** Close with the status "going away" (RFC 6455, 5.5.1 and 7.4.1). */
const CLOSE = Buffer.from([0x88, 0x02, 0x03, 0xe9]);
const codeAt = 2;
/** How long a tunnel whose time is over is given to come to the end of a frame. */
const boundaryMs = 1_000;

/** One WebSocket through the gateway: where its frames end, and when it is to end because its backend or this worker drains. */
export class WebSocketTunnel implements DrainedTunnel {
  readonly toClient = new FrameTracker();
  readonly toBackend = new FrameTracker();
  readonly openedAt: number;
  readonly luck: number;

  constructor({ openedAt, luck }: DrainedTunnel) {
    this.openedAt = openedAt;
    this.luck = luck;
  }

  /** True once it is to end: between two frames if there is such a moment soon. */
  isDue(now: number, drains: readonly (TunnelDrain | undefined)[]): boolean {
    const endsAt = earliestEnd(drains, this);
    if (now < endsAt) return false;
    return (this.toClient.isBetween && this.toBackend.isBetween) || now >= endsAt + boundaryMs;
  }

  /** What the client gets last; nothing in the middle of a frame, or after the backend's own Close. */
  get lastToClient(): Buffer | undefined {
    return this.toClient.isBetween && !this.toClient.hasClosed ? CLOSE : undefined;
  }

  /** The same for the backend; what a client sends is masked with what nobody can guess (RFC 6455, 5.3). */
  get lastToBackend(): Buffer | undefined {
    if (!this.toBackend.isBetween || this.toBackend.hasClosed) return undefined;
    const mask = randomBytes(4);
    const code = CLOSE.subarray(codeAt).map((byte, i) => byte ^ (mask[i] as number));
    return Buffer.concat([Buffer.from([0x88, 0x82]), mask, code]);
  }
}
