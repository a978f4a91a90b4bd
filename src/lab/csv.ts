/** One row of a table by column name, with its line in the file (the header is line 1). */
export interface CsvRow {
  readonly line: number;
  readonly cells: Readonly<Record<string, string>>;
}

/** Splits one line at commas; a quoted cell may contain commas and doubled quotes, not line ends. */
export function splitCsvLine(line: string): readonly string[] {
  if (!line.includes('"')) return line.split(',');
  const cells: string[] = [];
  let cell = '';
  let isQuoted = false;
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index] as string;
    if (character === '"' && isQuoted && line[index + 1] === '"') {
      cell += '"';
      index += 1;
    } else if (character === '"') isQuoted = !isQuoted;
    else if (character === ',' && !isQuoted) {
      cells.push(cell);
      cell = '';
    } else cell += character;
  }
  cells.push(cell);
  return cells;
}

/** Reads a table with a header line. Rows with fewer cells than the header lack the last columns; empty lines are skipped. */
export function readCsv(text: string): readonly CsvRow[] {
  const lines = text.split(/\r?\n/);
  const header = splitCsvLine(lines[0] ?? '').map((name) => name.replace(/^\uFEFF/, '').trim());
  const rows: CsvRow[] = [];
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] as string;
    if (line === '') continue;
    const cells: Record<string, string> = {};
    for (const [column, cell] of splitCsvLine(line).entries()) {
      const name = header[column];
      if (name !== undefined) cells[name] = cell;
    }
    rows.push({ line: index + 1, cells });
  }
  return rows;
}
