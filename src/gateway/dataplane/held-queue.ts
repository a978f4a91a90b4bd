/** A request that waits until somebody is usable. */
export interface HeldRequest {
  /** When it is given up, in ms on the data plane's clock. */
  readonly heldUntil: number;
  /** Before it the servers it was tried at are not asked by it again. */
  readonly retryAt: number;
  /** Memory it holds. */
  readonly heldBytes: number;
  dispatchHeld(): void;
  holdExpired(): void;
}

/**
 * The requests of one service that wait, first come, first served, within bounds of number and memory.
 *
 * H1: `#bytes` is the sum of what `#bytesOf` has. H2: a request is in it at most once.
 */
export class HeldQueue {
  readonly #requests: HeldRequest[] = [];
  readonly #bytesOf = new Map<HeldRequest, number>();
  #bytes = 0;

  get size(): number {
    return this.#requests.length;
  }

  /** False if there is no room. Who was let go and comes back has its old place. */
  add(request: HeldRequest, bounds: { readonly requests: number; readonly bytes: number }): boolean {
    const { heldBytes } = request;
    if (this.#requests.length >= bounds.requests || this.#bytes + heldBytes > bounds.bytes) return false;
    let at = this.#requests.length;
    while (at > 0 && (this.#requests[at - 1] as HeldRequest).heldUntil > request.heldUntil) at--;
    this.#requests.splice(at, 0, request);
    this.#bytesOf.set(request, heldBytes);
    this.#bytes += heldBytes;
    return true;
  }

  remove(request: HeldRequest): void {
    const index = this.#requests.indexOf(request);
    if (index < 0) return;
    this.#requests.splice(index, 1);
    this.#forget(request);
  }

  /** Lets requests go while `hasRoom`; those that come back meanwhile are not asked twice. */
  release(hasRoom: () => boolean): void {
    for (let left = this.#requests.length; left > 0 && this.#requests.length > 0 && hasRoom(); left--) this.#take(0).dispatchHeld();
  }

  /** Gives up those that waited too long, and lets one of the others ask whether somebody answers again. */
  sweep(now: number, mayAsk: boolean): void {
    while (this.#requests.length > 0 && (this.#requests[0] as HeldRequest).heldUntil <= now) this.#take(0).holdExpired();
    const asking = mayAsk ? this.#requests.findIndex(({ retryAt }) => retryAt <= now) : -1;
    if (asking >= 0) this.#take(asking).dispatchHeld();
  }

  giveUpAll(): void {
    while (this.#requests.length > 0) this.#take(0).holdExpired();
  }

  #take(index: number): HeldRequest {
    const [request] = this.#requests.splice(index, 1) as [HeldRequest];
    this.#forget(request);
    return request;
  }

  #forget(request: HeldRequest): void {
    this.#bytes -= this.#bytesOf.get(request) ?? 0;
    this.#bytesOf.delete(request);
  }
}
