/** Line drawings of the products by their number, on a grid of 48 by 48. */
const DRAWINGS: readonly string[] = [
  // Enamel mug
  '<path d="M10 13h22v20a5 5 0 0 1-5 5H15a5 5 0 0 1-5-5z"/><path d="M32 18h3a5 5 0 0 1 0 13h-3"/><path d="M10 18h22"/>',
  // Wool blanket
  '<path d="M8 12h32v20H8z"/><path d="M8 18h32M8 26h32"/><path d="M11 32v5M17 32v5M24 32v5M31 32v5M37 32v5"/>',
  // Desk lamp
  '<path d="M14 40h16"/><path d="M22 40 14 25 26 14"/><path d="m22 10 12 10c2-5-1-11-6-12-3-1-5 0-6 2z"/><path d="m33 24 4 5M29 27l1 5"/>',
  // Field notebook
  '<rect x="12" y="7" width="25" height="34" rx="3"/><path d="M18 7v34M8 14h7M8 24h7M8 34h7M24 16h8M24 22h8"/>',
  // Cast-iron pan
  '<circle cx="19" cy="28" r="13"/><circle cx="19" cy="28" r="8.5"/><path d="m28 19 11-11 3 3-11 11"/>',
  // Canvas bag
  '<path d="M9 18h30l-3 22H12z"/><path d="M17 22v-7a7 7 0 0 1 14 0v7"/>',
  // Bicycle bell
  '<path d="M10 30a14 14 0 0 1 28 0z"/><path d="M8 30h32M20 30v7h8v-7M24 16v-4"/><circle cx="24" cy="10" r="2"/>',
  // Tea kettle
  '<path d="M12 22h22v12a6 6 0 0 1-6 6H18a6 6 0 0 1-6-6z"/><path d="m34 26 8-6v4l-8 9M15 22a8 8 0 0 1 16 0M12 10c4-5 18-5 22 0"/><path d="M12 10v5M34 10v5"/>',
];

/** The drawing of a product; an empty frame for one that has none. */
export function pictureOf(product: number): string {
  return `<svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${DRAWINGS[product - 1] ?? ''}</svg>`;
}
