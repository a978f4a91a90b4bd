import { formatDuration } from '#base/duration';
import type { Name } from '#base/name';
import type { GatewayFence } from '#model/fence';
import { type Instance, instanceName } from '#model/instance';
import { keyOf } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import { later } from '#model/moment';
import type { GatewayStatus } from '#model/route';
import { isFenced, serviceKey } from './cluster-snapshot.ts';
import { deleteKey, putJson, unchanged } from './leader-writer.ts';
import { note, type Pass } from './pass.ts';

/** A fenced gateway that has not come back for so long is no longer spoken of. */
const FENCE_KEPT_MS = 3_600_000;

/**
 * S1: a gateway that lives but has not acknowledged within the unroute timeout that an instance gets no more requests is counted out: its lease ends,
 * and its word counts again when it has applied what it missed. Nothing waits for it meanwhile.
 */
export async function reconcileGateways(pass: Pass): Promise<void> {
  const fenced = new Set<Name>();
  for (const { value: instance } of [...pass.snapshot.instancesOf.values()].flat()) {
    if (instance.intent.kind !== 'drain') continue;
    for (const gateway of laggards(pass, instance)) {
      if (fenced.has(gateway.value.name)) continue;
      fenced.add(gateway.value.name);
      await pass.attempt(`gateway/${gateway.value.name}`, () => fence(pass, gateway, instance));
    }
  }
  for (const item of pass.snapshot.fences.values()) await pass.attempt(`fence/${item.value.gateway}`, () => lift(pass, item));
}

/** Gateways whose time to acknowledge is over. */
function laggards(pass: Pass, instance: Instance): readonly Mirrored<GatewayStatus>[] {
  const route = pass.snapshot.routes.get(serviceKey(instance.app, instance.service));
  const isRoutedOut = route?.value.backends.find(({ id }) => id === instance.id)?.state !== 'active';
  if (route === undefined || !isRoutedOut) return [];
  const late = pass.snapshot.gateways.filter((gateway) => gateway.appliedRevision < route.modRevision);
  const since = pass.memory.observations.get(instance.id)?.leavingSince;
  if (late.length === 0 || since === undefined) return [];
  const dueAt = later(since, instance.spec.stop.unrouteTimeoutMs);
  if (dueAt <= pass.now) return late.flatMap(({ name }) => pass.snapshot.gatewayItems.get(name) ?? []);
  pass.wakeAt(dueAt);
  return [];
}

async function fence(pass: Pass, { key, value, modRevision }: Mirrored<GatewayStatus>, instance: Instance): Promise<void> {
  const within = formatDuration(instance.spec.stop.unrouteTimeoutMs);
  const reason = `it did not acknowledge within ${within} that ${instanceName(instance)} gets no more requests`;
  const revision = pass.snapshot.routes.get(serviceKey(instance.app, instance.service))?.modRevision ?? 0;
  const next: GatewayFence = { gateway: value.name, revision, at: pass.now, reason };
  // The key must be as it was: an acknowledgement in the last moment counts.
  const isWritten = await pass.writer.writeAndRevoke(key, {
    compare: [unchanged(key, modRevision)],
    operations: [deleteKey(key), putJson(keyOf.fence(value.name), next)],
  });
  if (isWritten) note(pass, `gateway/${value.name}`, { level: 'error', kind: 'gateway-fenced', message: `${reason}: it is counted out` });
}

async function lift(pass: Pass, { key, value, modRevision }: Mirrored<GatewayFence>): Promise<void> {
  const gateway = pass.snapshot.gatewayItems.get(value.gateway)?.value;
  const isBack = gateway !== undefined && !isFenced(gateway, value);
  const forgottenAt = later(value.at, FENCE_KEPT_MS);
  if (!isBack && forgottenAt > pass.now) return pass.wakeAt(forgottenAt);
  if (!isBack && gateway !== undefined) return;
  const isWritten = await pass.writer.write({ compare: [unchanged(key, modRevision)], operations: [deleteKey(key)] });
  if (isWritten && isBack) note(pass, `gateway/${value.gateway}`, { kind: 'gateway-back', message: 'it has applied what it missed and counts again' });
}
