const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Whether a connection that begins with these octets, one or more, speaks HTTP/2 (RFC 9113 §3.4); null: not yet known. */
export function isHttp2(bytes: Buffer): boolean | null {
  const length = Math.min(bytes.length, PREFACE.length);
  if (PREFACE.compare(bytes, 0, length, 0, length) !== 0) return false;
  return length === PREFACE.length ? true : null;
}
