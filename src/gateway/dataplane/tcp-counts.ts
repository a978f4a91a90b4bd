/** Why a tunnel ended; labels of a metric. `nobody`: no backend accepted it in time. `refused`: its client opens too many. */
export type TunnelEnd = 'client' | 'backend' | 'idle' | 'drain' | 'nobody' | 'refused';

/** What a service counts of the connections it carries as they are. */
export class TcpCounts {
  opened = 0;
  bytesFromClients = 0;
  bytesToClients = 0;
  readonly ended: Record<TunnelEnd, number> = { client: 0, backend: 0, idle: 0, drain: 0, nobody: 0, refused: 0 };

  /** Grows with each of these, and with nothing else. */
  get events(): number {
    const { client, backend, idle, drain, nobody, refused } = this.ended;
    return this.opened + this.bytesFromClients + this.bytesToClients + client + backend + idle + drain + nobody + refused;
  }
}
