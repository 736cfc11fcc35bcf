import { COLON, COMMA, CR, equalsIgnoreCase, HTAB, LF, SP, TOKEN, TOKEN_FOLD, VALUE } from './bytes.ts';
import { F, fieldId, HASH_SEED } from './fields.ts';
import { type Head, INCOMPLETE, NO_LENGTH, REFUSED } from './head.ts';

/** Field lines past this count are refused in a response, whatever their size. */
const HARD_FIELD_LIMIT = 10_000;

/**
 * Id of a line whose name is a treated field's spelt with `_`. Servers that fold `_` into `-` (CGI, WSGI) would take it
 * for that field, so it is dropped.
 */
export const ALIAS = 255;
/** The bit of `Head.seen` that says there is such a line. */
const ALIAS_SEEN = 1;
/** Bits that differ between `_` and `-` but never between the cases of a letter. */
const UNDERSCORE_FOLDED = 0x5f ^ 0x2d ^ 0x20;

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const CLOSE = ascii('close');
const KEEP_ALIVE = ascii('keep-alive');
const UPGRADE = ascii('upgrade');
const CHUNKED = ascii('chunked');

/**
 * Parses the field lines from `at` up to and with the empty line, strictly (RFC 9112 §5): CRLF only, no white space
 * before the colon, no line folding, no control characters. Fills `head` and returns the offset behind the empty line,
 * INCOMPLETE, or why it is refused. `maxFields` 0: as many as a response may have.
 */
export function parseFieldLines(head: Head, buf: Buffer, at: number, to: number, maxFields: number): number {
  const most = maxFields > 0 ? maxFields : HARD_FIELD_LIMIT;
  let p = at;
  head.fieldsStart = at;
  for (;;) {
    if (p >= to) return INCOMPLETE;
    let c = buf[p] as number;
    if (c === CR) {
      if (p + 1 >= to) return INCOMPLETE;
      if (buf[p + 1] !== LF) return REFUSED.syntax;
      head.end = p + 2;
      return p + 2;
    }

    const nameStart = p;
    let hash = HASH_SEED;
    let changed = 0;
    for (;;) {
      const folded = TOKEN_FOLD[c] as number;
      if (folded === 0) break;
      changed |= c ^ folded;
      hash = Math.imul(hash ^ folded, 0x01000193); // hashStep(), by hand: the call costs as much as the rest of the loop
      if (++p >= to) return INCOMPLETE;
      c = buf[p] as number;
    }
    if (c !== COLON || p === nameStart) return REFUSED.syntax;
    const nameEnd = p;

    do {
      if (++p >= to) return INCOMPLETE;
      c = buf[p] as number;
    } while (c === SP || c === HTAB);
    const valueStart = p;
    while ((VALUE[c] as number) === 1) {
      if (++p >= to) return INCOMPLETE;
      c = buf[p] as number;
    }
    if (c !== CR) return REFUSED.syntax;
    let valueEnd = p;
    while (valueEnd > valueStart && (buf[valueEnd - 1] === SP || buf[valueEnd - 1] === HTAB)) valueEnd--;
    if (p + 1 >= to) return INCOMPLETE;
    if (buf[p + 1] !== LF) return REFUSED.syntax;
    p += 2;

    const i = head.count;
    if (i >= most) return REFUSED.tooManyFields;
    if (i === head.capacity) head.grow();
    const id = fieldId(buf, nameStart, nameEnd, hash);
    head.ids[i] = id;
    head.spans[i * 4] = nameStart;
    head.spans[i * 4 + 1] = nameEnd;
    head.spans[i * 4 + 2] = valueStart;
    head.spans[i * 4 + 3] = valueEnd;
    head.count = i + 1;
    if (id === 0) continue;
    if ((changed & UNDERSCORE_FOLDED) !== 0) {
      head.ids[i] = ALIAS;
      head.seen |= ALIAS_SEEN;
      continue;
    }
    const refused = noteField(head, id, i);
    if (refused !== 0) return refused;
  }
}

/** What framing and routing need to know is gathered while parsing. Returns 0 or why the message is refused. */
function noteField(head: Head, id: number, i: number): number {
  const again = head.has(id);
  head.seen |= 1 << id;
  switch (id) {
    case F.contentLength:
      return again ? REFUSED.framing : noteContentLength(head, i);
    case F.transferEncoding:
      if (again || !isChunked(head, i)) return REFUSED.framing;
      head.chunked = true;
      return 0;
    case F.connection:
      return noteConnection(head, i);
    case F.cookie:
      head.cookies++;
      return 0;
    default:
      return 0;
  }
}

/** The one coding that is served. A tab behind it is refused, since parsers differ on whether it still is `chunked`. */
function isChunked(head: Head, i: number): boolean {
  const { buf } = head;
  const end = head.valueEnd(i);
  let p = end;
  while (buf[p] === SP) p++;
  return buf[p] === CR && equalsIgnoreCase(buf, head.valueStart(i), end, CHUNKED);
}

/** Digits only, at most 15 of them, so that the value is exact (RFC 9112 §6.3). */
function noteContentLength(head: Head, i: number): number {
  const { buf } = head;
  const end = head.valueEnd(i);
  let p = head.valueStart(i);
  if (p === end || end - p > 15) return REFUSED.framing;
  let length = 0;
  for (; p < end; p++) {
    const digit = (buf[p] as number) - 0x30;
    if (digit < 0 || digit > 9) return REFUSED.framing;
    length = length * 10 + digit;
  }
  head.contentLength = length;
  return 0;
}

function noteConnection(head: Head, i: number): number {
  const { buf } = head;
  const end = head.valueEnd(i);
  let p = head.valueStart(i);
  while (p < end) {
    const c = buf[p] as number;
    if (c === COMMA || c === SP || c === HTAB) {
      p++;
      continue;
    }
    const start = p;
    while (p < end && (TOKEN[buf[p] as number] as number) === 1) p++;
    if (p === start) return REFUSED.syntax;
    if (equalsIgnoreCase(buf, start, p, CLOSE)) head.close = true;
    else if (equalsIgnoreCase(buf, start, p, KEEP_ALIVE)) head.keepAlive = true;
    else if (equalsIgnoreCase(buf, start, p, UPGRADE)) head.upgradeToken = true;
    else head.namesFields = true;
  }
  return 0;
}

/** The framing rules that both directions share. */
export function hasBothFramings(head: Head): boolean {
  return head.chunked && head.contentLength !== NO_LENGTH;
}

/** Whether field `i` is named by a `Connection` field of the same head (RFC 9110 §7.6.1). */
export function isNamedByConnection(head: Head, i: number): boolean {
  const name = lower(head.buf, head.nameStart(i), head.nameEnd(i));
  for (let c = head.indexOf(F.connection); c >= 0; c = head.indexOf(F.connection, c + 1)) {
    if (listHas(head.value(c), name)) return true;
  }
  return false;
}

/** Whether a comma-separated list holds `token` (in lower case). */
export function listHas(list: string, token: string): boolean {
  return list.split(',').some((entry) => entry.trim().toLowerCase() === token);
}

function lower(buf: Buffer, start: number, end: number): string {
  return buf.latin1Slice(start, end).toLowerCase();
}
