/** Methods that metrics tell apart. Any other is `other`, so that clients cannot make labels. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'other'] as const;

export const OTHER_METHOD = METHODS.length - 1;

const SPACE = 32;
const G = 71;
const E = 69;
const T = 84;

/** The index in `METHODS` of the method that begins at `at` and ends with a space. */
export function methodAt(bytes: Uint8Array, at: number): number {
  if (bytes[at] === G && bytes[at + 1] === E && bytes[at + 2] === T && bytes[at + 3] === SPACE) return 0;
  for (let index = 1; index < OTHER_METHOD; index++) if (isMethod(bytes, at, METHODS[index] as string)) return index;
  return OTHER_METHOD;
}

function isMethod(bytes: Uint8Array, at: number, method: string): boolean {
  for (let i = 0; i < method.length; i++) if (bytes[at + i] !== method.charCodeAt(i)) return false;
  return bytes[at + method.length] === SPACE;
}
