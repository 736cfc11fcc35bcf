import { METHODS } from '../traffic/ledger.ts';
import { CR, equalsIgnoreCase, HOST, LF, SLASH, SP, TARGET, TOKEN } from './bytes.ts';
import { hasBothFramings, parseFieldLines } from './field-lines.ts';
import { F } from './fields.ts';
import { type Head, INCOMPLETE, REFUSED } from './head.ts';

const encoder = new TextEncoder();
const METHOD_BYTES: readonly Uint8Array[] = METHODS.map((method) => encoder.encode(method));
const OTHER_METHOD = METHODS.length - 1;
const GET = METHODS.indexOf('GET');
const OPTIONS = METHODS.indexOf('OPTIONS');
const CONNECT = encoder.encode('CONNECT');
const HTTP_1 = encoder.encode('HTTP/1.');
const HTTP = encoder.encode('http://');
const HTTPS = encoder.encode('https://');
const STAR = 0x2a;

/**
 * Parses a request head (RFC 9112 §3, §5, §6) that begins at `from`. Returns the offset behind it, INCOMPLETE, or why
 * it is refused. Strict: what is ambiguous is refused, never guessed.
 */
export function parseRequestHead(head: Head, buf: Buffer, from: number, to: number, maxFields: number): number {
  const start = skipEmptyLines(buf, from, to);
  head.reset(buf, start);
  const lineEnd = parseRequestLine(head, buf, start, to);
  if (lineEnd <= 0) return lineEnd;
  const end = parseFieldLines(head, buf, lineEnd, to, maxFields);
  if (end <= 0) return end;
  return checkRequest(head) || end;
}

/** Whether buf[0, to) is nothing but empty lines, the last of them perhaps not whole. */
export function areEmptyLines(buf: Buffer, to: number): boolean {
  for (let p = 0; p < to; p++) if (buf[p] !== (p % 2 === 0 ? CR : LF)) return false;
  return true;
}

/** Before a request line (RFC 9112 §2.2). */
function skipEmptyLines(buf: Buffer, from: number, to: number): number {
  let p = from;
  while (p + 1 < to && buf[p] === CR && buf[p + 1] === LF) p += 2;
  return p;
}

function parseRequestLine(head: Head, buf: Buffer, start: number, to: number): number {
  let p = start;
  while (p < to && (TOKEN[buf[p] as number] as number) === 1) p++;
  if (p === to) return p - start > MAX_METHOD ? REFUSED.method : INCOMPLETE;
  // A lone CR at the very start may be half of an empty line.
  if (p === start && buf[p] === CR && p + 1 === to) return INCOMPLETE;
  if (p === start || buf[p] !== SP) return REFUSED.syntax;
  head.methodEnd = p;
  head.targetStart = ++p;
  while (p < to && (TARGET[buf[p] as number] as number) === 1) p++;
  if (p === to) return INCOMPLETE;
  if (p === head.targetStart || buf[p] !== SP) return REFUSED.syntax;
  head.targetEnd = p;
  return parseVersion(head, buf, p + 1, to);
}

const MAX_METHOD = 64;

/** `HTTP/1.0` or `HTTP/1.1` and CRLF; another well-formed version is refused as such (505). */
function parseVersion(head: Head, buf: Buffer, at: number, to: number): number {
  const available = Math.min(to - at, HTTP_1.length);
  for (let i = 0; i < available; i++) {
    if (buf[at + i] === HTTP_1[i]) continue;
    return i >= HTTP_1.length - 2 ? REFUSED.version : REFUSED.syntax;
  }
  const p = at + HTTP_1.length;
  if (p >= to) return INCOMPLETE;
  const minor = (buf[p] as number) - 0x30;
  if (minor < 0 || minor > 1) return minor > 1 && minor <= 9 ? REFUSED.version : REFUSED.syntax;
  head.minor = minor;
  if (p + 1 >= to) return INCOMPLETE;
  if (buf[p + 1] !== CR) return REFUSED.syntax;
  if (p + 2 >= to) return INCOMPLETE;
  return buf[p + 2] === LF ? p + 3 : REFUSED.syntax;
}

/** Everything that needs the whole head. Returns 0 or why it is refused. */
function checkRequest(head: Head): number {
  head.method = methodIndex(head);
  if (isConnect(head)) return REFUSED.method;
  if (hasBothFramings(head) || (head.chunked && head.minor === 0)) return REFUSED.framing;
  return checkHost(head) || checkTarget(head);
}

function methodIndex(head: Head): number {
  const length = head.methodEnd - head.start;
  for (let m = GET; m < OTHER_METHOD; m++) {
    const name = METHOD_BYTES[m] as Uint8Array;
    if (name.length === length && startsWith(head.buf, head.start, name)) return m;
  }
  return OTHER_METHOD;
}

function isConnect(head: Head): boolean {
  return (
    head.method === OTHER_METHOD &&
    head.methodEnd - head.start === CONNECT.length &&
    startsWith(head.buf, head.start, CONNECT)
  );
}

function startsWith(buf: Buffer, at: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (buf[at + i] !== bytes[i]) return false;
  return true;
}

/** Exactly one valid Host; HTTP/1.0 may leave it out (RFC 9112 §3.2). */
function checkHost(head: Head): number {
  const i = head.indexOf(F.host);
  if (i < 0) return head.minor === 0 ? 0 : REFUSED.host;
  if (head.indexOf(F.host, i + 1) >= 0) return REFUSED.host;
  head.hostStart = head.valueStart(i);
  head.hostEnd = head.valueEnd(i);
  return isAuthority(head.buf, head.hostStart, head.hostEnd) ? 0 : REFUSED.host;
}

/** Origin form, absolute form, or `*` with OPTIONS (RFC 9112 §3.2). Of an absolute form, path and authority are told apart. */
function checkTarget(head: Head): number {
  const { buf, targetStart, targetEnd } = head;
  const first = buf[targetStart];
  if (first === SLASH) return 0;
  if (first === STAR) return targetEnd - targetStart === 1 && head.method === OPTIONS ? 0 : REFUSED.syntax;
  const scheme = schemeLength(buf, targetStart, targetEnd);
  if (scheme === 0) return REFUSED.syntax;
  const authority = targetStart + scheme;
  let p = authority;
  while (p < targetEnd && buf[p] !== SLASH && buf[p] !== 0x3f) p++;
  if (!isAuthority(buf, authority, p)) return REFUSED.host;
  head.absolute = true;
  head.hostStart = authority;
  head.hostEnd = p;
  head.targetStart = p;
  return 0;
}

function schemeLength(buf: Buffer, start: number, end: number): number {
  for (const scheme of [HTTP, HTTPS]) {
    if (end - start > scheme.length && equalsIgnoreCase(buf, start, start + scheme.length, scheme))
      return scheme.length;
  }
  return 0;
}

/** `host`, `host:port`, `[v6]`, `[v6]:port`; no userinfo, not empty (RFC 3986 §3.2). */
function isAuthority(buf: Buffer, start: number, end: number): boolean {
  const hostEnd = buf[start] === 0x5b ? ipLiteralEnd(buf, start, end) : nameEnd(buf, start, end);
  if (hostEnd <= start) return false;
  if (hostEnd === end) return true;
  return buf[hostEnd] === 0x3a && isPort(buf, hostEnd + 1, end);
}

function nameEnd(buf: Buffer, start: number, end: number): number {
  let p = start;
  while (p < end && (HOST[buf[p] as number] as number) === 1) p++;
  return p;
}

/** Behind the `]`; `start` if there is no well-formed literal. */
function ipLiteralEnd(buf: Buffer, start: number, end: number): number {
  let p = start + 1;
  while (p < end && isIpv6Octet(buf[p] as number)) p++;
  return p < end && p - start > 2 && buf[p] === 0x5d ? p + 1 : start;
}

function isIpv6Octet(c: number): boolean {
  const lower = c | 0x20;
  return (c >= 0x30 && c <= 0x3a) || c === 0x2e || (lower >= 0x61 && lower <= 0x66);
}

function isPort(buf: Buffer, start: number, end: number): boolean {
  if (end - start > 5) return false;
  let port = 0;
  for (let p = start; p < end; p++) {
    const digit = (buf[p] as number) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65_535;
}
