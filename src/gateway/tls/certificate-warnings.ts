import { formatAddress } from '#base/host-port';
import type { Route } from '#model/route';
import type { UnixMs } from '#world/world';
import type { PublicListener } from '../public-listeners.ts';
import type { WantedCertificates } from './acme/issued-name.ts';
import { Choices } from './choices.ts';

const dayMs = 86_400_000;
const soonDays = 14;

interface Listener extends PublicListener {
  readonly auto?: WantedCertificates;
}

/** What is wrong with certificates that can be used nevertheless, in sentences without a full stop. */
export function certificateWarnings(listeners: readonly Listener[], routes: readonly Route[], now: UnixMs): readonly string[] {
  const hosts = new Set(routes.flatMap(({ matches }) => matches.map(({ host }) => host.toLowerCase())).filter((host) => host !== '*'));
  const warnings = new Set<string>();
  for (const { address, settings, auto } of listeners) {
    if (settings?.tls === undefined) continue;
    for (const { names, validFrom, validTo } of settings.tls.certificates) {
      const name = names[0] ?? 'without a name';
      const days = Math.floor((validTo - now) / dayMs);
      if (validTo <= now) warnings.add(`the certificate of ${name} expired on ${new Date(validTo).toISOString()}: clients refuse it`);
      else if (validFrom > now) warnings.add(`the certificate of ${name} is not valid before ${new Date(validFrom).toISOString()}: clients refuse it`);
      else if (days < soonDays) warnings.add(`the certificate of ${name} expires in ${days} days, on ${new Date(validTo).toISOString()}`);
    }
    const exact = new Choices({ ...settings.tls, unknownNames: 'reject' });
    for (const host of hosts)
      if (exact.find(host) === undefined && auto?.names.includes(host) !== true)
        warnings.add(`no certificate of the listener at ${formatAddress(address)} has the name ${host}: clients refuse what they get`);
  }
  return [...warnings];
}
