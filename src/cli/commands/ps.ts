import type { InstanceView } from '@haven/sdk';
import { formatSize } from '#base/bytes';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { formatAge, printable, table } from '../output.ts';
import { paintState } from '../state-style.ts';
import { parseTarget } from '../target.ts';

export const run: RunCommand = async ({ output, home, signal }, { args: [text] }) => {
  const target = text === undefined ? {} : parseTarget(text);
  const client = await connect(home);
  const instances = await client.instances({ ...target, signal });
  if (output.json) output.record(instances);
  else if (instances.length === 0) output.progress(text === undefined ? 'No instances. Next: haven deploy' : `No instances of ${text}. Next: haven status`);
  else {
    const now = Date.now();
    output.data(
      table(
        ['INSTANCE', 'NODE', 'STATE', '>SINCE', '>RELEASE', '>RESTARTS', '>CPU', '>MEMORY', 'ADDRESS', 'REASON'],
        instances.map((view) => rowOf(view, now)),
      ),
    );
  }
  return EXIT.ok;
};

/** Of one that is healthy only why it was restarted, while that counts. */
function reasonOf({ state, reason, restarts, lastEnd }: InstanceView): string {
  if (state !== 'healthy') return reason;
  return restarts > 0 && lastEnd !== undefined ? `restarted: ${lastEnd.reason}` : '';
}

function rowOf(view: InstanceView, now: number): readonly string[] {
  return [
    `${view.app}/${view.name}${view.tier === 'backup' ? ' (standby)' : ''}`,
    view.node,
    paintState(view.state),
    formatAge(now - view.since),
    String(view.release),
    String(view.restarts),
    view.usage ? `${(view.usage.cpuMs / 1_000).toFixed(1)} s` : '-',
    view.usage ? formatSize(view.usage.memoryBytes) : '-',
    view.address ? `${view.address.host}:${view.address.port}` : '-',
    printable(reasonOf(view)),
  ];
}
