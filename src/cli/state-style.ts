import type { AppState, InstanceState, NodeCondition } from '@haven/sdk';
import { paint } from './output.ts';

type Style = 'green' | 'yellow' | 'red' | 'dim' | 'cyan';

const STYLE_OF = {
  pending: 'yellow',
  fetching: 'cyan',
  installing: 'cyan',
  starting: 'cyan',
  running: 'green',
  healthy: 'green',
  unhealthy: 'red',
  'backing-off': 'red',
  draining: 'yellow',
  stopping: 'yellow',
  stopped: 'dim',
  failed: 'red',
  ready: 'green',
  suspect: 'yellow',
  lost: 'red',
  down: 'dim',
  rolling: 'cyan',
  degraded: 'yellow',
  removing: 'yellow',
} as const satisfies Record<InstanceState | NodeCondition | AppState, Style>;

/** The state in the colour that tells whether to worry. */
export function paintState(state: InstanceState | NodeCondition | AppState, stream?: NodeJS.WriteStream): string {
  // A newer server may know states that this client does not.
  const style: Style | undefined = STYLE_OF[state];
  return style === undefined ? state : paint(style, state, stream);
}
