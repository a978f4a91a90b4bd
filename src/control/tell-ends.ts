import type { AttemptEnd, Instance } from '#model/instance';
import { note, type Pass } from './pass.ts';

/** Tells of every attempt that ended though it was to run, once, with its reason: an instance that was restarted says why long after it runs again. */
export async function tellEnds(pass: Pass): Promise<void> {
  const { endsTold } = pass.memory;
  const ended = endedOf(pass);
  const untold = ended.filter(({ instance, end }) => endsTold.get(instance.id) !== end.attempt);
  endsTold.clear();
  for (const { instance, end } of ended) endsTold.set(instance.id, end.attempt);
  if (untold.length === 0) return;
  // A leader before this one may have told of it.
  const known = pass.snapshot.eventsByObject();
  for (const { instance, end } of untold) {
    const object = `instance/${instance.id}`;
    const message = `attempt ${end.attempt} on ${instance.node} is over: ${end.reason}`;
    if (!(known.get(object) ?? []).some(({ value }) => value.message === message)) note(pass, object, { level: 'warn', kind: 'exited', message });
  }
}

/** Of those that are to run on: what is on its way out is told of by who sends it, and a command that runs once by its release. */
function endedOf({ snapshot }: Pass): readonly { readonly instance: Instance; readonly end: AttemptEnd }[] {
  return [...snapshot.instancesOf.values()].flat().flatMap(({ value: instance }) => {
    const status = snapshot.statuses.get(instance.id)?.value;
    const isMeant = instance.intent.kind === 'run' && instance.runsOnce === undefined && status?.node === instance.node;
    return isMeant && status.lastEnd !== undefined ? [{ instance, end: status.lastEnd }] : [];
  });
}
