import { messageOf, PlatformError } from '#base/errors';
import { formatAddress } from '#base/host-port';
import { onAbort } from '#base/signal';
import type { Probe } from '#model/spec';
import type { Address, Network } from '#world/world';

interface ProbeOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Asks an instance once. Resolves to `undefined` when it passes, else to a sentence without a full stop; rejects only when the signal aborts. */
export async function probeInstance(
  network: Network,
  target: { readonly address: Address; readonly probe: Probe },
  options: ProbeOptions,
): Promise<string | undefined> {
  const { address, probe } = target;
  try {
    if (probe.kind === 'tcp') {
      await network.probe(address, options);
      return undefined;
    }
    const headers = { host: formatAddress(address), 'user-agent': 'haven-agent', connection: 'close' };
    const asking = new AbortController();
    using _listening = onAbort(options.signal, (reason) => asking.abort(reason));
    const response = await network.request(address, { method: 'GET', path: probe.path, headers }, { timeoutMs: options.timeoutMs, signal: asking.signal });
    // Only the status counts. A body may never come, so it is cancelled rather than read.
    const body = response.body[Symbol.asyncIterator]();
    const first = body.next();
    asking.abort(new PlatformError('ABORTED', 'The status is enough'));
    await Promise.allSettled([first, body.return?.()]);
    return judgeStatus(response.status, probe.path);
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof PlatformError)) throw error;
    return messageOf(error);
  }
}

function judgeStatus(status: number, path: string): string | undefined {
  if (status >= 200 && status < 300) return undefined;
  // H4: a redirect usually means the check asked for a page that needs a login or HTTPS.
  const hint = status >= 300 && status < 400 ? ', a redirect; let the check ask for a path that answers itself' : '';
  return `GET ${path} answered ${status}${hint}`;
}
