import { BODY, type Head } from '../head.ts';

/** Never sent in HTTP/2 (RFC 9113, 8.2.2), whatever a backend says. */
const CONNECTION_SPECIFIC = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings', 'te']);

/** The head of a backend's answer, scanned in `source`, as HTTP/2 has it: names in lower case and values in turn. `extraLine` is one more line, or ''. */
export function answerFields(source: Buffer, head: Head, extraLine: string): string[] {
  const fields = [':status', String(head.status)];
  addFields(fields, keptText(source, head));
  if (extraLine !== '') addFields(fields, extraLine);
  // Of an answer without a body by rule (HEAD, 304) the length tells what a GET would have had.
  if (head.hasLength && head.status !== 204 && (head.body === BODY.length || head.body === BODY.none)) fields.push('content-length', String(head.length));
  return fields;
}

/** The fields of a head of our own. `lines` each end in CRLF. */
export function ownFields(status: number, lines: string): string[] {
  const fields = [':status', String(status)];
  addFields(fields, lines);
  return fields;
}

/** Fields of an informational answer or of trailers, by name: the form in which Node takes them. `lines` each end in CRLF. */
export function fieldsByName(lines: string): Record<string, string | string[]> {
  const fields: string[] = [];
  addFields(fields, lines);
  const byName: Record<string, string | string[]> = Object.create(null);
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const known = byName[name];
    byName[name] = known === undefined ? value : [known, value].flat();
  }
  return byName;
}

/** The lines of a head that are passed on. */
export function keptText(source: Buffer, head: Head): string {
  let text = '';
  let from = head.fieldsAt;
  for (let i = 0; i < head.droppedCount; i += 2) {
    text += source.toString('latin1', from, head.dropped[i]);
    from = head.dropped[i + 1] as number;
  }
  return text + source.toString('latin1', from, head.end - 2);
}

function addFields(fields: string[], lines: string): void {
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf('\r\n', at);
    const colon = lines.indexOf(':', at);
    const name = lines.slice(at, colon).toLowerCase();
    if (!CONNECTION_SPECIFIC.has(name)) fields.push(name, lines.slice(colon + 1, end).trim());
    at = end + 2;
  }
}
