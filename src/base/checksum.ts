/** The reversed Castagnoli polynomial of CRC-32C (RFC 3720, appendix B.4; check value of "123456789" is e3069283). */
const polynomial = 0x82f63b78;

const TABLE: Uint32Array = makeTable();

/** CRC-32C of the bytes as an unsigned integer. `seed` is the checksum of what came before, to go on with it. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
}
