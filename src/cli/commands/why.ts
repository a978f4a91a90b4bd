import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { formatMoment, paint, printable } from '../output.ts';

const SHOWN_EVENTS = 10;

export const run: RunCommand = async ({ output, home, signal }, { args: [object = ''] }) => {
  const why = await (await connect(home)).why(object, { signal });
  if (output.json) {
    output.record(why);
    return EXIT.ok;
  }
  output.data(`${paint('bold', why.object)}: ${why.state}`);
  for (const { message, at, next } of why.reasons) {
    output.data(`  ${printable(message)}${at === undefined ? '' : paint('dim', ` (${formatMoment(at)})`)}`);
    if (next !== undefined) output.data(`    Next: ${printable(next)}`);
  }
  if (why.events.length > 0) output.data(paint('dim', 'Events'));
  for (const { at, message } of why.events.slice(-SHOWN_EVENTS)) output.data(`  ${paint('dim', formatMoment(at))}  ${printable(message)}`);
  return EXIT.ok;
};
