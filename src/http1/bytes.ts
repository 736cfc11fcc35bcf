/** Character classes of RFC 9110 and RFC 9112 as lookup tables: one load per octet, no text decoding (RFC 9112 §2.2). */

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;
export const COMMA = 0x2c;
export const SLASH = 0x2f;

/**
 * For an octet that may stand in a token: itself in lower case, with `_` folded into `-`; 0 for any other. Folding
 * lets a name like `X_Forwarded_For` be recognised as an alias (see fields.ts).
 */
export const TOKEN_FOLD: Uint8Array = table((c) => {
  if (c >= 0x41 && c <= 0x5a) return c + 32;
  if (c === 0x5f) return 0x2d;
  return isTokenChar(c) ? c : 0;
});

/** 1 where an octet may stand in a method or token. */
export const TOKEN: Uint8Array = table((c) => (isTokenChar(c) ? 1 : 0));

/** 1 where an octet may stand in a field value: HTAB, SP, visible ASCII and obs-text (RFC 9110 §5.5). */
export const VALUE: Uint8Array = table((c) => (c === HTAB || (c >= SP && c !== 0x7f) ? 1 : 0));

/** 1 where an octet may stand in a request target: visible ASCII but `#` (RFC 9112 §3.2; llhttp refuses more in strict mode). */
export const TARGET: Uint8Array = table((c) => (c > SP && c < 0x7f && c !== 0x23 ? 1 : 0));

/** 1 where an octet may stand in a host name or IPv4 address: unreserved and `%`. Commas and other sub-delims are refused. */
export const HOST: Uint8Array = table((c) =>
  isAlphanumeric(c) || c === 0x2d || c === 0x2e || c === 0x5f || c === 0x7e || c === 0x25 ? 1 : 0,
);

/** Value of a hexadecimal digit, 255 for any other octet. */
export const HEX: Uint8Array = table((c) => {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : 255;
});

function table(of: (octet: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => of(octet));
}

function isAlphanumeric(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
}

function isTokenChar(c: number): boolean {
  return isAlphanumeric(c) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(c));
}

/** Whether buf[start, end) is `token` (given in lower case) in any case. */
export function equalsIgnoreCase(buf: Uint8Array, start: number, end: number, token: Uint8Array): boolean {
  if (end - start !== token.length) return false;
  for (let i = 0; i < token.length; i++) {
    const c = buf[start + i] as number; // in range: end - start === token.length
    if ((c >= 0x41 && c <= 0x5a ? c + 32 : c) !== token[i]) return false;
  }
  return true;
}
