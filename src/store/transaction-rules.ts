import { toBytes } from '#base/bytes';
import { PlatformError } from '#base/errors';
import { checkKey, checkRange, compareKeys, isInRange } from './key-order.ts';
import { type Compare, type KeyValue, MAX_OPERATIONS, MAX_REQUEST_BYTES, type Operation, type Transaction } from './store.ts';

/** INVALID or TOO_LARGE unless every part of the transaction may be tried; both branches are checked, whichever runs. */
export function checkTransaction(transaction: Transaction): void {
  const orElse = transaction.else ?? [];
  for (const [name, count] of [
    ['conditions', transaction.compare.length],
    ['operations', transaction.then.length],
    ['operations otherwise', orElse.length],
  ] as const) {
    if (count > MAX_OPERATIONS) {
      throw new PlatformError('INVALID', `Cannot run a transaction of ${count} ${name}, because ${MAX_OPERATIONS} is the most`, {
        count,
        limit: MAX_OPERATIONS,
      });
    }
  }
  for (const compare of transaction.compare) checkKey(compare.key);
  checkBranch(transaction.then);
  checkBranch(orElse);
  checkSize(transaction);
}

function checkBranch(operations: readonly Operation[]): void {
  const written = new Set<string>();
  for (const operation of operations) {
    if (operation.kind !== 'put') {
      checkRange(operation.range);
      continue;
    }
    checkKey(operation.key);
    if (!operation.value.isWellFormed()) {
      throw new PlatformError('INVALID', `Cannot put "${operation.key}", because its value has no UTF-8 form`, { key: operation.key });
    }
    if (written.has(operation.key)) throw writtenTwice(operation.key);
    written.add(operation.key);
  }
  for (const operation of operations) {
    if (operation.kind !== 'delete') continue;
    for (const key of written) if (isInRange(operation.range, key)) throw writtenTwice(key);
  }
}

function writtenTwice(key: string): PlatformError {
  return new PlatformError('INVALID', `Cannot write "${key}" twice in one transaction`, { key });
}

function checkSize(transaction: Transaction): void {
  const texts: string[] = transaction.compare.flatMap((compare) => (typeof compare.to === 'string' ? [compare.key, compare.to] : [compare.key]));
  for (const operation of [...transaction.then, ...(transaction.else ?? [])]) {
    if (operation.kind === 'put') texts.push(operation.key, operation.value);
    else texts.push(...Object.values(operation.range));
  }
  let units = 0;
  for (const text of texts) units += text.length;
  // A UTF-16 unit takes at most three bytes of UTF-8, so almost every request is measured without being encoded.
  if (units * 3 <= MAX_REQUEST_BYTES) return;
  let sizeBytes = 0;
  for (const text of texts) sizeBytes += toBytes(text).length;
  if (sizeBytes > MAX_REQUEST_BYTES) {
    throw new PlatformError('TOO_LARGE', `Cannot run a transaction of ${sizeBytes} bytes, because ${MAX_REQUEST_BYTES} is the most`, {
      sizeBytes,
      limitBytes: MAX_REQUEST_BYTES,
    });
  }
}

/** Whether the condition holds for the key's item, `undefined` if there is none. */
export function holds(compare: Compare, item: KeyValue | undefined): boolean {
  switch (compare.target) {
    case 'version':
    case 'createRevision':
    case 'modRevision':
      return isOrdered((item?.[compare.target] ?? 0) - compare.to, compare.is);
    case 'lease':
      return isOrdered(compareKeys(item?.lease ?? '', compare.to), compare.is);
    case 'value':
      return item !== undefined && isOrdered(compareKeys(item.value, compare.to), compare.is);
  }
}

function isOrdered(difference: number, is: Compare['is']): boolean {
  switch (is) {
    case '=':
      return difference === 0;
    case '!=':
      return difference !== 0;
    case '<':
      return difference < 0;
    case '>':
      return difference > 0;
  }
}
