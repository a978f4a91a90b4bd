import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf, PlatformError } from '#base/errors';

const unzip = promisify(gunzip);
/** Larger inputs are refused, unpacked too: a text cannot be longer than about 2^29 characters. */
const MOST_BYTES = 500 * 2 ** 20;

/** The text of a file, unpacked if it is gz by name or by its first bytes. NOT_FOUND and CORRUPT say which file. */
export async function readInput(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new PlatformError('NOT_FOUND', `Cannot read "${path}", because ${messageOf(cause)}`, { path }, { cause });
  }
  if (path.endsWith('.gz') || (bytes[0] === 0x1f && bytes[1] === 0x8b)) {
    try {
      bytes = await unzip(bytes, { maxOutputLength: MOST_BYTES });
    } catch (cause) {
      if ((cause as { readonly code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(path);
      throw new PlatformError('CORRUPT', `Cannot unpack "${path}", because the gz data is damaged or cut off: ${messageOf(cause)}`, { path }, { cause });
    }
  }
  if (bytes.length > MOST_BYTES) throw tooLarge(path);
  return bytes.toString('utf8');
}

/** The value of a JSON file. INVALID says where the text stops making sense. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readInput(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('INVALID', `Cannot read "${path}" as JSON: ${messageOf(cause)}`, { path }, { cause });
  }
}

function tooLarge(path: string): PlatformError {
  return new PlatformError('TOO_LARGE', `Cannot read "${path}", because it holds more than ${MOST_BYTES / 2 ** 20} MiB: split it`, { path });
}
