/**
 * A strict reading of HTTP/1.1 for assertions, written without the product's code. It accepts only what a conforming
 * sender may generate (RFC 9112), so whatever the gate emits is checked by being read.
 */

export interface Field {
  /** As it came, octets as Latin-1. */
  readonly name: string;
  readonly value: string;
}

export interface Head {
  readonly startLine: string;
  readonly fields: readonly Field[];
  /** Octets of the head with its empty line. */
  readonly length: number;
}

export interface Body {
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly bytes: Buffer;
  readonly trailers: readonly Field[];
  readonly complete: boolean;
  /** Octets read, framing included. */
  readonly length: number;
}

export interface ParsedResponse extends Head {
  readonly status: number;
  readonly reason: string;
  readonly body: Body;
}

/** The bytes break the protocol. */
export class WireViolation extends Error {
  override readonly name = 'WireViolation';
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~\w]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/;
const STATUS_LINE = /^HTTP\/1\.1 ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const CHUNK_SIZE = /^([\da-fA-F]{1,12})$/;

/** The head at the beginning of `bytes`, or null while it is incomplete. */
export function parseHead(bytes: Buffer): Head | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [startLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  return { startLine, fields: lines.map(parseField), length: end + 4 };
}

function parseField(line: string): Field {
  const match = FIELD_LINE.exec(line);
  if (match === null) throw new WireViolation(`field line ${JSON.stringify(line)}`);
  return { name: match[1] ?? '', value: (match[2] ?? '').trimEnd() };
}

export function parseRequestLine(startLine: string): { method: string; target: string; minor: number } {
  const match = REQUEST_LINE.exec(startLine);
  if (match === null) throw new WireViolation(`request line ${JSON.stringify(startLine)}`);
  return { method: match[1] ?? '', target: match[2] ?? '', minor: Number(match[3]) };
}

export function parseStatusLine(startLine: string): { status: number; reason: string } {
  const match = STATUS_LINE.exec(startLine);
  if (match === null) throw new WireViolation(`status line ${JSON.stringify(startLine)}`);
  return { status: Number(match[1]), reason: match[2] ?? '' };
}

/** Every value of a field, in order. */
export function values(head: { readonly fields: readonly Field[] }, name: string): string[] {
  return head.fields.filter((field) => field.name.toLowerCase() === name.toLowerCase()).map((field) => field.value);
}

/** The value of a field that may stand once only; undefined if it is absent. */
export function value(head: { readonly fields: readonly Field[] }, name: string): string | undefined {
  const all = values(head, name);
  if (all.length > 1) throw new WireViolation(`${name} stands ${all.length} times`);
  return all[0];
}

/** Body of a request: never delimited by the end of the connection (RFC 9112 §6.3). */
export function parseRequestBody(head: Head, rest: Buffer): Body {
  return parseBody(head, rest, 'none', false);
}

/** Body of a response to `method`; `ended`: nothing more will come, which completes a close-delimited one. */
export function parseResponseBody(head: Head, rest: Buffer, method: string, ended: boolean): Body {
  const { status } = parseStatusLine(head.startLine);
  const framed = values(head, 'content-length').length + values(head, 'transfer-encoding').length > 0;
  if (status < 200 || status === 204) {
    if (framed) throw new WireViolation(`a ${status} with framing fields`);
    return emptyBody();
  }
  if (method === 'HEAD' || status === 304) return emptyBody();
  return parseBody(head, rest, 'close', ended);
}

function emptyBody(): Body {
  return { framing: 'none', bytes: Buffer.alloc(0), trailers: [], complete: true, length: 0 };
}

function parseBody(head: Head, rest: Buffer, unframed: 'none' | 'close', ended: boolean): Body {
  const length = value(head, 'content-length');
  const coding = value(head, 'transfer-encoding');
  if (length !== undefined && coding !== undefined) throw new WireViolation('Content-Length and Transfer-Encoding');
  if (coding !== undefined) {
    if (coding !== 'chunked') throw new WireViolation(`Transfer-Encoding: ${coding}`);
    return parseChunks(rest);
  }
  if (length !== undefined) {
    if (!/^\d{1,15}$/.test(length)) throw new WireViolation(`Content-Length: ${length}`);
    const bytes = rest.subarray(0, Number(length));
    const complete = bytes.length === Number(length);
    return { framing: 'length', bytes, trailers: [], complete, length: bytes.length };
  }
  if (unframed === 'none') return emptyBody();
  return { framing: 'close', bytes: rest, trailers: [], complete: ended, length: rest.length };
}

function parseChunks(rest: Buffer): Body {
  const parts: Buffer[] = [];
  const body = (complete: boolean, length: number, trailers: readonly Field[] = []): Body => ({
    framing: 'chunked',
    bytes: Buffer.concat(parts),
    trailers,
    complete,
    length,
  });
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return body(false, rest.length);
    const size = CHUNK_SIZE.exec(rest.toString('latin1', at, lineEnd));
    if (size === null)
      throw new WireViolation(`chunk size line ${JSON.stringify(rest.toString('latin1', at, lineEnd))}`);
    const start = lineEnd + 2;
    const end = start + Number.parseInt(size[1] ?? '', 16);
    if (end === start) {
      const trailers = parseTrailers(rest, start);
      return trailers === null ? body(false, rest.length) : body(true, trailers.end, trailers.fields);
    }
    parts.push(rest.subarray(start, end));
    if (rest.length < end + 2) return body(false, rest.length);
    if (rest.toString('latin1', end, end + 2) !== '\r\n') throw new WireViolation('no CRLF behind chunk data');
    at = end + 2;
  }
}

function parseTrailers(rest: Buffer, at: number): { fields: readonly Field[]; end: number } | null {
  const fields: Field[] = [];
  for (let start = at; ; ) {
    const end = rest.indexOf('\r\n', start);
    if (end < 0) return null;
    if (end === start) return { fields, end: end + 2 };
    fields.push(parseField(rest.toString('latin1', start, end)));
    start = end + 2;
  }
}

/** Bytes of a head: lines joined by CRLF and ended by an empty one; characters are octets (Latin-1). */
export function head(startLine: string, ...fields: string[]): Buffer {
  return Buffer.from(`${[startLine, ...fields].join('\r\n')}\r\n\r\n`, 'latin1');
}

/** A chunked body of these parts, ended. */
export function chunked(...parts: (string | Buffer)[]): Buffer {
  const encoded = parts.map((part) => Buffer.from(part as string, 'latin1'));
  const chunks = encoded.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  return Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]);
}

/** A whole response with Content-Length. */
export function response(statusLine: string, fields: readonly string[] = [], body: string | Buffer = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
  return Buffer.concat([head(`HTTP/1.1 ${statusLine}`, ...fields, `Content-Length: ${bytes.length}`), bytes]);
}
