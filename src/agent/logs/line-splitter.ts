/** A line longer than this is given in pieces. */
export const MAX_LINE_BYTES = 16 * 1024;

const newline = 10;
const carriageReturn = 13;
const decoder = new TextDecoder();

/** Cuts bytes into lines. Bytes that are not UTF-8 become U+FFFD. */
export class LineSplitter {
  #rest = new Uint8Array();

  /** The lines completed by these bytes. */
  push(bytes: Uint8Array): string[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const lines: string[] = [];
    let start = 0;
    while (true) {
      const end = all.indexOf(newline, start);
      if (end < 0 && all.length - start < MAX_LINE_BYTES) break;
      const stop = end < 0 || end - start > MAX_LINE_BYTES ? start + MAX_LINE_BYTES : end;
      lines.push(textOf(all.subarray(start, stop)));
      start = stop === end ? end + 1 : stop;
    }
    this.#rest = all.slice(start);
    return lines;
  }

  /** The last line, if it was not ended. */
  flush(): string | undefined {
    if (this.#rest.length === 0) return undefined;
    const text = textOf(this.#rest);
    this.#rest = new Uint8Array();
    return text;
  }
}

function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes);
}
