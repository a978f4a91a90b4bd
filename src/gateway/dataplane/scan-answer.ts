import { VALUE } from './byte-classes.ts';
import { BODY, type Head, SCAN, type ScanResult } from './head.ts';
import { LIMITS } from './limits.ts';
import { scanFields } from './scan-fields.ts';

const CR = 13;
const LF = 10;
const SPACE = 32;
/** `HTTP/1.1 200` */
const shortestLine = 12;
const PREFIX = Uint8Array.from('HTTP/1.', (character) => character.charCodeAt(0));

/** Scans the head of an answer in `bytes[head.start, end)`. `toHead`: it answers a HEAD, so it has no body whatever it says. */
export function scanAnswer(bytes: Buffer, end: number, head: Head, toHead: boolean): ScanResult {
  if (head.resumeAt < 0) {
    const line = scanStatusLine(bytes, end, head);
    if (line !== SCAN.complete) return line;
  }
  const fields = scanFields(bytes, end, head, false);
  return fields === SCAN.complete ? judge(head, toHead) : fields;
}

function scanStatusLine(bytes: Buffer, end: number, head: Head): ScanResult {
  const { start } = head;
  const seen = Math.min(PREFIX.length, end - start);
  for (let i = 0; i < seen; i++) if (bytes[start + i] !== PREFIX[i]) return head.refuse('bad-version');
  if (end - start < shortestLine + 1) return SCAN.incomplete;
  const minor = bytes[start + 7];
  if ((minor !== 48 && minor !== 49) || bytes[start + 8] !== SPACE) return head.refuse('bad-version');
  head.isVersion10 = minor === 48;
  const hundreds = (bytes[start + 9] as number) - 48;
  const tens = (bytes[start + 10] as number) - 48;
  const ones = (bytes[start + 11] as number) - 48;
  if (hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return head.refuse('bad-status');
  head.status = hundreds * 100 + tens * 10 + ones;
  let at = start + shortestLine;
  if (bytes[at] !== SPACE && bytes[at] !== CR) return head.refuse('bad-status');
  while (at < end && VALUE[bytes[at] as number] === 1) at++;
  if (at - start > LIMITS.requestLineBytes) return head.refuse('line-too-long');
  if (at >= end) return SCAN.incomplete;
  if (bytes[at] !== CR) return head.refuse('bad-line-end');
  if (at + 1 >= end) return SCAN.incomplete;
  if (bytes[at + 1] !== LF) return head.refuse('bad-line-end');
  head.fieldsAt = at + 2;
  head.resumeAt = head.fieldsAt;
  head.beginFields();
  return SCAN.complete;
}

function judge(head: Head, toHead: boolean): ScanResult {
  const { status } = head;
  const neverHasBody = status < 200 || status === 204;
  if (head.hasCoding && neverHasBody) return head.refuse('coding-not-allowed');
  if (neverHasBody || status === 304 || toHead) head.body = BODY.none;
  else if (head.body === BODY.none && !head.hasLength) head.body = BODY.untilClose;
  return SCAN.complete;
}
