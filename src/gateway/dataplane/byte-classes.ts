/** Which bytes may stand where in a head (RFC 9110, 5.6.2 and 5.5; RFC 9112, 3). 0 = never. */

const tokenCharacters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Names and methods. Legal, but read in several ways: the underscore is 2, because some platforms take it for a hyphen; what is no letter, digit or hyphen else is 4. */
export const TOKEN: Uint8Array = table((byte) => {
  if (!tokenCharacters.includes(String.fromCharCode(byte))) return 0;
  return byte === 0x5f ? 2 : byte === 0x2d || isAlphanumeric(byte) ? 1 : 4;
});

/** Values: tab, space, visible, and bytes above ASCII; no control, no DEL. */
export const VALUE: Uint8Array = table((byte) => (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? 1 : 0));

/** Targets: visible ASCII without `#` (a fragment is never sent) and `\` (which some read as `/`). */
export const TARGET: Uint8Array = table((byte) => (byte > 0x20 && byte < 0x7f && byte !== 0x23 && byte !== 0x5c ? 1 : 0));

/** Host: reg-name, IPv4 or bracketed IPv6 with port; no comma, no user. */
export const HOST: Uint8Array = table((byte) => ("-._~%!$&'()*+;=:[]".includes(String.fromCharCode(byte)) || isAlphanumeric(byte) ? 1 : 0));

/** Value of a hexadecimal digit, 255 for any other byte. */
export const HEX: Uint8Array = table((byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase());
  return digit < 0 ? 255 : digit;
});

function isAlphanumeric(byte: number): boolean {
  return /[0-9A-Za-z]/.test(String.fromCharCode(byte));
}

function table(classOf: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => classOf(byte));
}

/** The bytes of a lower-case name, to compare with `isName`. */
export function nameBytes(name: string): Uint8Array {
  return Uint8Array.from(name, (character) => character.charCodeAt(0));
}

/** True when `bytes` has the lower-case `name` at `at`, in any case. The caller has checked length and that all are token characters. */
export function isName(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (((bytes[at + i] as number) | 0x20) !== name[i]) return false;
  return true;
}
