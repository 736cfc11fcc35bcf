import { isNamedByConnection, listHas } from '../../http1/field-lines.ts';
import { F } from '../../http1/fields.ts';
import type { Head } from '../../http1/head.ts';
import type { RequestRewrite } from '../../http1/request-writer.ts';
import { METHODS } from '../../traffic/ledger.ts';
import type { ForwardingFields } from '../forwarding.ts';
import type { ProxyError } from './replies.ts';

interface HasHosts {
  readonly name: string;
  readonly hosts: readonly string[];
}

/** What the gate needs to know of a request after its head is gone. */
export interface RequestFacts {
  /** The client's X-Request-Id; null where the gate numbers it. */
  readonly givenId: string | null;
  readonly number: number;
  /** Index into METHODS of ledger.ts. */
  readonly method: number;
  readonly methodName: string;
  readonly isHead: boolean;
  /** It said `TE: trailers`. */
  readonly trailers: boolean;
  /** RFC 9110 §9.2.2. */
  readonly idempotent: boolean;
  readonly http10: boolean;
  /** The client wants its connection closed after this. */
  readonly close: boolean;
  readonly expectContinue: boolean;
  /** A WebSocket handshake: goes through the upgrade lane. Any other `Upgrade` is ignored (RFC 9110 §7.8). */
  readonly upgrade: boolean;
  /** Lower-case, without port; empty where an HTTP/1.0 request names none. */
  readonly host: string;
  /** Without the query. */
  readonly path: string;
  /** The client's address as far as it can be known. */
  readonly client: string;
}

const GET = METHODS.indexOf('GET');
const HEAD = METHODS.indexOf('HEAD');
const OPTIONS = METHODS.indexOf('OPTIONS');
const TRACE = METHODS.indexOf('TRACE');
const OTHER = METHODS.indexOf('OTHER');
const IDEMPOTENT: readonly boolean[] = METHODS.map((method) =>
  ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'].includes(method),
);
const ALLOW = 'Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n';
const QUESTION_MARK = 0x3f;

/** `number`: of the request. */
export function describeRequest(head: Head, forwarding: ForwardingFields, number: number): RequestFacts {
  const { method } = head;
  return {
    givenId: givenRequestId(head),
    number,
    method,
    methodName: method === OTHER ? head.buf.latin1Slice(head.start, head.methodEnd) : (METHODS[method] ?? ''),
    isHead: method === HEAD,
    trailers: head.has(F.te) && wantsTrailers(head),
    idempotent: IDEMPOTENT[method] === true,
    http10: head.minor === 0,
    close: head.close,
    expectContinue: head.minor === 1 && head.has(F.expect) && hasBody(head),
    upgrade: isWebSocketHandshake(head),
    host: forwarding.hostName(head),
    path: pathOf(head),
    client: forwarding.clientAddress(head),
  };
}

/** An answer by the gate itself. */
export interface LocalAnswer {
  readonly status: number;
  readonly detail: string;
  readonly error: ProxyError | null;
  readonly extra: string;
}

/** What must not, or need not, be forwarded; null for a request to forward. */
export function localAnswer(head: Head, pseudonym: string, routed: boolean, bodyBytes: number): LocalAnswer | null {
  if (head.has(F.via) && passedHere(head, pseudonym)) {
    return { status: 508, detail: 'the request has passed this gate before', error: 'proxy_loop_detected', extra: '' };
  }
  if (head.method === TRACE) return refusal(405, 'TRACE is not served', ALLOW);
  if (head.minor === 1 && head.has(F.expect) && !isContinue(head))
    return refusal(417, 'the only expectation served is 100-continue');
  if (head.contentLength > bodyBytes) return refusal(413, 'the request body is too large');
  if (head.method === OPTIONS && maxForwards(head) === 0) return refusal(200, 'OK', ALLOW);
  if (!routed) return refusal(404, 'no service answers to this host and path');
  if (isWebSocketHandshake(head) && hasBody(head)) return refusal(400, 'a WebSocket handshake has no body');
  return null;
}

function refusal(status: number, detail: string, extra = ''): LocalAnswer {
  return { status, detail, error: null, extra };
}

/** Filled anew for each request and used at once. */
const scratch: RequestRewrite = {
  suffix: Buffer.alloc(0),
  requestId: null,
  requestNumber: 0,
  host: null,
  maxForwards: -1,
  chunked: false,
  expectContinue: false,
  upgrade: null,
};

/** How the head is forwarded. `idLine`: see {@link RequestRewrite}. Valid until the next call. */
export function rewriteOf(
  head: Head,
  request: RequestFacts,
  forwarding: ForwardingFields,
  to: { readonly route: HasHosts; readonly idLine: Buffer },
): RequestRewrite {
  scratch.suffix = forwarding.lines(head);
  scratch.requestId = request.givenId === null ? to.idLine : null;
  scratch.requestNumber = request.number;
  scratch.host = hostToSend(head, to.route);
  scratch.maxForwards = head.method === OPTIONS ? maxForwards(head) - 1 : -1;
  scratch.chunked = head.chunked;
  scratch.expectContinue = request.expectContinue;
  scratch.upgrade = request.upgrade ? 'websocket' : null;
  return scratch;
}

/** Null to keep the request's own line. */
function hostToSend(head: Head, route: HasHosts): string | null {
  if (head.absolute) return head.buf.latin1Slice(head.hostStart, head.hostEnd);
  return head.hostStart === head.hostEnd ? authorityOf(route) : null;
}

/**
 * A client's X-Request-Id if it is one visible token of at most 128 characters, and not for this connection only; else null,
 * and it is replaced.
 */
function givenRequestId(head: Head): string | null {
  if (!head.has(F.xRequestId)) return null;
  const i = head.indexOf(F.xRequestId);
  const length = head.valueEnd(i) - head.valueStart(i);
  if (length === 0 || length > 128 || head.indexOf(F.xRequestId, i + 1) >= 0) return null;
  for (let p = head.valueStart(i); p < head.valueEnd(i); p++) {
    const c = head.buf[p] as number;
    if (c <= 0x20 || c >= 0x7f) return null;
  }
  if (head.namesFields && isNamedByConnection(head, i)) return null;
  return head.value(i);
}

/** -1 where there is none, or none that is a number: then it is forwarded as it is. */
function maxForwards(head: Head): number {
  if (!head.has(F.maxForwards)) return -1;
  const value = head.value(head.indexOf(F.maxForwards));
  return /^\d{1,9}$/.test(value) ? Number(value) : -1;
}

function passedHere(head: Head, pseudonym: string): boolean {
  for (let i = head.indexOf(F.via); i >= 0; i = head.indexOf(F.via, i + 1))
    if (head.value(i).includes(pseudonym)) return true;
  return false;
}

function isContinue(head: Head): boolean {
  const i = head.indexOf(F.expect);
  return head.indexOf(F.expect, i + 1) < 0 && head.value(i).toLowerCase() === '100-continue';
}

/** A list of codings, of which HTTP/2 knows this one only (RFC 9113 §8.2.2). */
function wantsTrailers(head: Head): boolean {
  for (let i = head.indexOf(F.te); i >= 0; i = head.indexOf(F.te, i + 1))
    if (listHas(head.value(i), 'trailers')) return true;
  return false;
}

function hasBody(head: Head): boolean {
  return head.chunked || head.contentLength > 0;
}

function isWebSocketHandshake(head: Head): boolean {
  if (!head.upgradeToken || head.minor === 0 || head.method !== GET || !head.has(F.upgrade)) return false;
  const i = head.indexOf(F.upgrade);
  return head.indexOf(F.upgrade, i + 1) < 0 && head.value(i).toLowerCase() === 'websocket';
}

/** The path of the target; `/` or `*` for an absolute form without one. */
function pathOf(head: Head): string {
  const { buf, targetStart, targetEnd } = head;
  let end = targetStart;
  while (end < targetEnd && buf[end] !== QUESTION_MARK) end++;
  if (end > targetStart) return buf.latin1Slice(targetStart, end);
  return head.method === OPTIONS ? '*' : '/';
}

/** What an HTTP/1.0 request without Host is sent on with, since HTTP/1.1 needs one. */
function authorityOf(route: HasHosts): string {
  return route.hosts.find((host) => !host.startsWith('*')) ?? route.name;
}
