export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element as text; attributes that are undefined are left out, children are text already escaped. */
export function element(tag: string, attributes: Attributes, ...children: readonly string[]): string {
  const pairs = Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [` ${name}="${typeof value === 'number' ? coordinate(value) : escapeText(value)}"`],
  );
  return children.length === 0 ? `<${tag}${pairs.join('')}/>` : `<${tag}${pairs.join('')}>${children.join('')}</${tag}>`;
}

/** Text safe between tags and in quoted attributes. */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** A number of pixels with at most one decimal: the same text on every engine. */
export function coordinate(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** The `d` of a line through points in pixels. */
export function pathOf(points: readonly (readonly [x: number, y: number])[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${coordinate(x)} ${coordinate(y)}`).join('');
}
