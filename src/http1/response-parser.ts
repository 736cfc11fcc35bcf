import { CR, LF, SP, VALUE } from './bytes.ts';
import { hasBothFramings, parseFieldLines } from './field-lines.ts';
import { type Head, INCOMPLETE, REFUSED } from './head.ts';

const HTTP_1 = new TextEncoder().encode('HTTP/1.');

/**
 * Parses a response head (RFC 9112 §4, §5, §6) that begins at `from`. Returns the offset behind it, INCOMPLETE, or why
 * it is refused. Both framings at once are refused rather than resolved.
 */
export function parseResponseHead(head: Head, buf: Buffer, from: number, to: number): number {
  head.reset(buf, from);
  const lineEnd = parseStatusLine(head, buf, from, to);
  if (lineEnd <= 0) return lineEnd;
  const end = parseFieldLines(head, buf, lineEnd, to, 0);
  if (end <= 0) return end;
  if (hasBothFramings(head) || (head.chunked && head.minor === 0)) return REFUSED.framing;
  return end;
}

/** Offset of the reason phrase in a head whose status line was parsed: behind `HTTP/1.x nnn`. */
export const REASON_OFFSET = 12;

function parseStatusLine(head: Head, buf: Buffer, from: number, to: number): number {
  for (let i = 0; i < HTTP_1.length; i++) {
    if (from + i >= to) return INCOMPLETE;
    if (buf[from + i] !== HTTP_1[i]) return REFUSED.syntax;
  }
  if (from + REASON_OFFSET >= to) return INCOMPLETE;
  const minor = (buf[from + 7] as number) - 0x30;
  const status = statusCode(buf, from + 9);
  if (minor < 0 || minor > 1 || buf[from + 8] !== SP || status < 100 || status > 599) return REFUSED.syntax;
  head.minor = minor;
  head.status = status;
  let p = from + REASON_OFFSET;
  if (buf[p] !== SP && buf[p] !== CR) return REFUSED.syntax;
  while (p < to && (VALUE[buf[p] as number] as number) === 1) p++;
  if (p + 1 >= to) return p < to && buf[p] !== CR ? REFUSED.syntax : INCOMPLETE;
  return buf[p] === CR && buf[p + 1] === LF ? p + 2 : REFUSED.syntax;
}

/** Three digits, or 0. */
function statusCode(buf: Buffer, at: number): number {
  let status = 0;
  for (let i = 0; i < 3; i++) {
    const digit = (buf[at + i] as number) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status;
}
