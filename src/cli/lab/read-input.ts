import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf, PlatformError } from '#base/errors';

const unzip = promisify(gunzip);
/** Larger inputs are refused: they would not fit in memory together with what is read from them. */
const MOST_BYTES = 2 ** 30;

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
      throw new PlatformError('CORRUPT', `Cannot unpack "${path}", because the gz data is damaged or cut off: ${messageOf(cause)}`, { path }, { cause });
    }
  }
  if (bytes.length > MOST_BYTES) throw new PlatformError('TOO_LARGE', `Cannot read "${path}", because it is larger than ${MOST_BYTES} bytes`, { path });
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
