import { messageOf, PlatformError } from '#base/errors';
import { formatAddress } from '#base/host-port';
import { ADMIN_FIELD } from '#gateway/admin-pages';
import type { LiveStatus } from '#gateway/live-status';
import type { Reloaded, Upgraded } from '#gateway/standalone/standalone-gateway';
import type { Address } from '#world/world';

const STATUS_WITHIN_MS = 5_000;
const RELOAD_WITHIN_MS = 30_000;
const UPGRADE_WITHIN_MS = 60_000;

/** What a running gateway says of itself. UNAVAILABLE if none answers there. */
export async function readLiveStatus(admin: Address, signal: AbortSignal): Promise<LiveStatus> {
  const response = await ask(admin, { path: '/status', signal: AbortSignal.any([signal, AbortSignal.timeout(STATUS_WITHIN_MS)]) });
  if (!response.ok) throw new PlatformError('UNAVAILABLE', `Cannot read the gateway at ${formatAddress(admin)}, because it answered ${response.status}`);
  return (await response.json()) as LiveStatus;
}

/** Makes a running gateway read its file anew; resolves when all its workers have what it says. INVALID carries the file's mistakes; then nothing has changed. */
export async function reloadGateway(admin: Address, signal: AbortSignal): Promise<Reloaded> {
  return await command<Reloaded>(admin, { word: 'reload', withinMs: RELOAD_WITHIN_MS, signal });
}

/** Makes a running gateway hand over to a new process; resolves when that one serves. INTERNAL says why it does not; then the old one goes on. */
export async function upgradeGateway(admin: Address, signal: AbortSignal): Promise<Upgraded> {
  return await command<Upgraded>(admin, { word: 'upgrade', withinMs: UPGRADE_WITHIN_MS, signal });
}

async function command<Result extends object>(
  admin: Address,
  how: { readonly word: 'reload' | 'upgrade'; readonly withinMs: number; readonly signal: AbortSignal },
): Promise<Result> {
  const { word, withinMs, signal } = how;
  const response = await ask(admin, {
    path: `/${word}`,
    method: 'POST',
    headers: { [ADMIN_FIELD]: '1' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(withinMs)]),
  });
  if (response.status === 404)
    throw new PlatformError('UNSUPPORTED', `Cannot ${word} the gateway at ${formatAddress(admin)}, because its routes do not come from a file`);
  const answer = (await response.json()) as
    | Result
    | { readonly error: { readonly code: string; readonly message: string; readonly details: Record<string, unknown> } };
  if ('error' in answer) throw new PlatformError(CODES.find((code) => code === answer.error.code) ?? 'INVALID', answer.error.message, answer.error.details);
  return answer;
}

const CODES = ['LOCKED', 'INTERNAL', 'CONFLICT', 'UNSUPPORTED'] as const;

async function ask(
  admin: Address,
  request: { readonly path: string; readonly method?: string; readonly headers?: Record<string, string>; readonly signal: AbortSignal },
): Promise<Response> {
  const { path, ...init } = request;
  try {
    return await fetch(`http://${formatAddress(admin)}${path}`, init);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
    throw new PlatformError(
      'UNAVAILABLE',
      `Cannot reach a gateway at ${formatAddress(admin)}, because ${cause}. Next: start one with "haven gateway run", or give its address with --admin`,
    );
  }
}
