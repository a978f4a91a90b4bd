import { fit } from './output.ts';

/** A few lines at the bottom of a terminal that are drawn again in place. Lines printed meanwhile go above them. */
export class LiveScreen implements Disposable {
  readonly #stream: NodeJS.WriteStream;
  #drawnLines = 0;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
    stream.write('\u001b[?25l');
  }

  get columns(): number {
    // A terminal that was never told its size says 0.
    return this.#stream.columns || 80;
  }

  /** Draws these lines where the last ones stood. What does not fit on the screen is left out, so that scrolling never breaks the picture. */
  draw(lines: readonly string[]): void {
    const rows = Math.max(1, (this.#stream.rows || 24) - 1);
    const shown = lines.length > rows ? [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`] : lines;
    const text = shown.map((line) => `${fit(line, this.columns)}\u001b[K\n`).join('');
    this.#stream.write(`${this.#backToTop()}${text}\u001b[J`);
    this.#drawnLines = shown.length;
  }

  /** Prints a line that stays, above the live ones. */
  print(line: string): void {
    this.#stream.write(`${this.#backToTop()}\u001b[J${line}\n`);
    this.#drawnLines = 0;
  }

  /** Leaves what is drawn and gives the cursor back. */
  [Symbol.dispose](): void {
    this.#stream.write('\u001b[?25h');
  }

  #backToTop(): string {
    return this.#drawnLines === 0 ? '' : `\u001b[${this.#drawnLines}A\r`;
  }
}
