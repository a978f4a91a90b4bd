import type { LogLine } from '@haven/sdk';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { logText } from '../log-view.ts';
import { wholeOption } from '../options.ts';
import { resumed } from '../resumed.ts';
import { parseTarget } from '../target.ts';

const DEFAULT_TAIL = 100;

export const run: RunCommand = async ({ output, home, signal }, { args: [text = ''], options }) => {
  const follow = options['follow'] === true;
  const client = await connect(home);
  const which = { ...parseTarget(text), follow, signal };
  const tail = wholeOption(options, 'tail') ?? DEFAULT_TAIL;
  const open = (isFirst: boolean) => client.logs({ ...which, tail: isFirst ? tail : 0 });
  // Ctrl-C is how following normally ends; the stream then ends quietly.
  const lines = follow ? resumed(open, { signal, onAway: () => output.progress('The control plane does not answer; lines may be missing') }) : open(true);
  let width = 0;
  for await (const line of lines) {
    if (line.kind === 'heartbeat') continue;
    if (output.json) output.record(line);
    else {
      width = Math.max(width, line.instance.length);
      write(line, width);
    }
  }
  if (signal.aborted && !follow) throw signal.reason;
  return EXIT.ok;

  function write(line: Exclude<LogLine, { readonly kind: 'heartbeat' }>, columns: number): void {
    if (line.kind === 'line') output.data(logText(line, columns));
    else output.progress(logText(line, columns));
  }
};
