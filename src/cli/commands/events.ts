import type { EventView } from '@haven/sdk';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeOption } from '../options.ts';
import { formatMoment, paint, printable } from '../output.ts';
import { resumed } from '../resumed.ts';
import { parseTarget } from '../target.ts';

const DEFAULT_TAIL = 100;

export const run: RunCommand = async ({ output, home, signal }, { args: [text], options }) => {
  const which = text === undefined ? {} : filterOf(text);
  const tail = wholeOption(options, 'tail') ?? DEFAULT_TAIL;
  const follow = options['follow'] === true;
  const client = await connect(home);
  const show = (event: EventView) => (output.json ? output.record(event) : output.data(lineOf(event)));
  if (!follow) {
    const events = await client.events({ ...which, tail, signal });
    if (output.json) output.record(events);
    else if (events.length === 0) output.progress(text === undefined ? 'Nothing has happened yet' : `No events of ${text}`);
    else for (const event of events) show(event);
    return EXIT.ok;
  }
  const shown = new Set<string>();
  // Ctrl-C is how following normally ends; the stream then ends quietly.
  for await (const line of resumed(() => client.followEvents({ ...which, tail, signal }), { signal })) {
    if (line.kind !== 'event' || shown.has(line.event.id)) continue;
    shown.add(line.event.id);
    show(line.event);
  }
  return EXIT.ok;
};

function lineOf({ at, level, object, message }: EventView): string {
  const text = printable(message);
  const painted = level === 'error' ? paint('red', text) : level === 'warn' ? paint('yellow', text) : text;
  return `${paint('dim', formatMoment(at))}  ${object}  ${painted}`;
}

/** People write `shop`, `shop/web` or a full id; events show the kind as well: `app/shop`. */
function filterOf(text: string): { readonly app: string } | { readonly object: string } {
  if (/^(?:app|service|instance|node|gateway)\//.test(text)) return { object: text };
  const { app, service, id } = parseTarget(text);
  if (id !== undefined) return { object: `instance/${id}` };
  return service === undefined ? { app } : { object: `service/${app}/${service}` };
}
