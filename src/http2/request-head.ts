import { HTAB, SP, TOKEN, VALUE } from '../http1/bytes.ts';

/** How the body that follows a head is written: not at all, as it comes, or in chunks. */
export type BodyForm = 'none' | 'length' | 'chunked';

export interface RequestHead {
  /** An HTTP/1.1 request head, characters as Latin-1 octets. */
  readonly text: string;
  readonly body: BodyForm;
  /** Octets of a body of form `length`. */
  readonly length: number;
}

/** A request that is malformed in the sense of RFC 9113 §8.1.1, or not served; it is answered, never forwarded. */
export interface Malformed {
  readonly status: 400 | 405;
  readonly detail: string;
}

const COLON_CODE = 0x3a;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

/** Of the connection, so that HTTP/2 has no place for them (RFC 9113 §8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);
/** A body is expected of these, so that servers of HTTP/1.1 want to hear that there is none (RFC 9110 §8.6). */
const WITH_CONTENT: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

const malformed = (detail: string): Malformed => ({ status: 400, detail });

/** What has been gathered of a field list so far. One for all, since none outlives its call. */
const seen = {
  method: '',
  scheme: '',
  authority: '',
  path: '',
  host: '',
  length: '',
  cookie: '',
  lines: '',
  hasAuthority: false,
  hasHost: false,
  regular: false,
};

/**
 * The HTTP/1.1 form of a request's field list (RFC 9113 §8.3), which is names and values in turn, octets as Latin-1.
 * `ends`: the request has no body. Whatever is returned as a head holds one request and no more; what the HTTP/1.1
 * parser checks anyway, such as the syntax of method, target and host, is left to it.
 */
export function requestHead(fields: readonly string[], ends: boolean): RequestHead | Malformed {
  reset();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string; // in pairs
    const value = fields[i + 1] as string;
    const fault = name.charCodeAt(0) === COLON_CODE ? takePseudo(name, value) : takeRegular(name, value);
    if (fault !== null) return fault;
  }
  return checkPseudo() ?? checkLength(ends) ?? build(ends);
}

/** Whole field lines for a field list without pseudo-headers. */
export function trailerLines(fields: readonly string[]): string | Malformed {
  reset();
  for (let i = 0; i < fields.length; i += 2) {
    const fault = takeRegular(fields[i] as string, fields[i + 1] as string); // in pairs
    if (fault !== null) return fault;
  }
  return seen.lines;
}

export function isMalformed(value: RequestHead | Malformed | string): value is Malformed {
  return typeof value === 'object' && 'status' in value;
}

function reset(): void {
  seen.method = seen.scheme = seen.authority = seen.path = seen.host = seen.length = seen.cookie = seen.lines = '';
  seen.hasAuthority = seen.hasHost = seen.regular = false;
}

/** Each once, and before all others (RFC 9113 §8.3). */
function takePseudo(name: string, value: string): Malformed | null {
  if (seen.regular) return malformed('a pseudo-header field behind others');
  if (!isValue(value) || value.includes(' ')) return malformed('invalid pseudo-header field');
  switch (name) {
    case ':method':
      return takeOnce('method', value);
    case ':scheme':
      return takeOnce('scheme', value);
    case ':path':
      return takeOnce('path', value);
    case ':authority':
      if (seen.hasAuthority) return malformed('repeated pseudo-header field');
      seen.hasAuthority = true;
      seen.authority = value;
      return null;
    default:
      return malformed('unknown pseudo-header field');
  }
}

function takeOnce(key: 'method' | 'scheme' | 'path', value: string): Malformed | null {
  if (seen[key] !== '') return malformed('repeated pseudo-header field');
  if (value === '') return malformed('empty pseudo-header field');
  seen[key] = value;
  return null;
}

function takeRegular(name: string, value: string): Malformed | null {
  seen.regular = true;
  if (!isName(name)) return malformed('invalid field name');
  if (!isValue(value)) return malformed('invalid field value');
  switch (name) {
    case 'host':
      if (seen.hasHost) return malformed('repeated Host');
      seen.hasHost = true;
      seen.host = value;
      return null;
    case 'cookie':
      // Clients may send the cookies in crumbs (RFC 9113 §8.2.3).
      seen.cookie = seen.cookie === '' ? value : `${seen.cookie}; ${value}`;
      return null;
    case 'content-length':
      if (seen.length !== '') return malformed('repeated Content-Length');
      seen.length = value;
      break;
    case 'te':
      if (value !== 'trailers') return malformed('TE may ask for trailers only');
      break;
    default:
      if (CONNECTION_FIELDS.has(name)) return malformed('a field of the connection');
  }
  seen.lines += `${name}: ${value}\r\n`;
  return null;
}

function checkPseudo(): Malformed | null {
  const { method, scheme, path } = seen;
  if (method === 'CONNECT') return { status: 405, detail: 'CONNECT is not served' };
  if (method === '' || scheme === '' || path === '') return malformed('missing pseudo-header field');
  if (scheme !== 'http' && scheme !== 'https') return malformed('unknown scheme');
  if (path[0] !== '/' && path !== '*') return malformed('invalid path');
  if (seen.hasAuthority && seen.hasHost && seen.authority.toLowerCase() !== seen.host.toLowerCase())
    return malformed('Host differs from :authority');
  return null;
}

function checkLength(ends: boolean): Malformed | null {
  const { length } = seen;
  if (length === '') return null;
  for (let i = 0; i < length.length; i++) {
    const c = length.charCodeAt(i);
    if (c < 0x30 || c > 0x39) return malformed('invalid Content-Length');
  }
  return ends && Number(length) !== 0 ? malformed('Content-Length without a body') : null;
}

function build(ends: boolean): RequestHead {
  const { method, path, length } = seen;
  const host = seen.hasAuthority ? seen.authority : seen.host;
  let text = `${method} ${path} HTTP/1.1\r\n`;
  if (seen.hasAuthority || seen.hasHost) text += `host: ${host}\r\n`;
  text += seen.lines;
  if (seen.cookie !== '') text += `cookie: ${seen.cookie}\r\n`;
  const body: BodyForm = ends ? 'none' : length === '' ? 'chunked' : 'length';
  if (body === 'chunked') text += 'transfer-encoding: chunked\r\n';
  else if (ends && length === '' && WITH_CONTENT.has(method)) text += 'content-length: 0\r\n';
  return { text: `${text}\r\n`, body, length: Number(length) };
}

/** A token without upper case (RFC 9113 §8.2.1). */
function isName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (TOKEN[c] !== 1 || (c >= UPPER_A && c <= UPPER_Z)) return false;
  }
  return name !== '';
}

/** No control characters, and no white space at its ends (RFC 9113 §8.2.1). */
function isValue(value: string): boolean {
  const last = value.length - 1;
  for (let i = 0; i <= last; i++) if (VALUE[value.charCodeAt(i)] !== 1) return false;
  return last < 0 || !(isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(last)));
}

function isBlank(c: number): boolean {
  return c === SP || c === HTAB;
}
