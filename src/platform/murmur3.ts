/**
 * MurmurHash3 x86_32 of a byte sequence, as an unsigned 32-bit integer.
 * Source: Austin Appleby, public domain reference. Equal to flagd's Go implementation when given UTF-8 bytes.
 */
export function murmur3(bytes: Uint8Array, seed = 0): number {
  const tail = bytes.length & ~3;
  let h = seed | 0;
  for (let i = 0; i < tail; i += 4) h = mixBlock(h, word(bytes, i));
  h = mixTail(h, bytes, tail);
  return finish(h ^ bytes.length);
}

function word(bytes: Uint8Array, i: number): number {
  return byteAt(bytes, i) | (byteAt(bytes, i + 1) << 8) | (byteAt(bytes, i + 2) << 16) | (byteAt(bytes, i + 3) << 24);
}

function byteAt(bytes: Uint8Array, i: number): number {
  return bytes[i] ?? 0;
}

function scramble(k: number): number {
  const a = Math.imul(k, 0xcc9e2d51);
  return Math.imul((a << 15) | (a >>> 17), 0x1b873593);
}

function mixBlock(h: number, k: number): number {
  const mixed = h ^ scramble(k);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function mixTail(h: number, bytes: Uint8Array, from: number): number {
  if (from === bytes.length) return h;
  let k = 0;
  for (let i = bytes.length - 1; i >= from; i--) k = (k << 8) | byteAt(bytes, i);
  return h ^ scramble(k);
}

function finish(h: number): number {
  let x = h ^ (h >>> 16);
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
