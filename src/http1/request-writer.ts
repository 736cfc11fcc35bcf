import type { ByteWriter } from './byte-writer.ts';
import { ALIAS, isNamedByConnection } from './field-lines.ts';
import { F, FIELD_KINDS } from './fields.ts';
import type { Head } from './head.ts';

/** What the gate decides about a request's fields; everything else is forwarded as it came. */
export interface RequestRewrite {
  /** Peer is a trusted proxy: its forwarding fields were taken into `suffix`, and X-Request-Id is believed anyway. */
  /** Whole lines that end the head: Via, X-Forwarded-*, Forwarded. */
  suffix: Buffer;
  /** The line of an X-Request-Id to add, up to the number that ends it; null when the request has one. */
  requestId: Buffer | null;
  /** Written in base 36. */
  requestNumber: number;
  /** Authority to send as Host in place of the request's own; null to keep its line. */
  host: string | null;
  /** New value of Max-Forwards; -1 to keep the line. */
  maxForwards: number;
  chunked: boolean;
  /** Relay `Expect: 100-continue`. */
  expectContinue: boolean;
  /** `Upgrade` token to ask for; null for none. */
  upgrade: string | null;
}

const KEEP = 0;
const DROP = 1;

/** Hop-by-hop fields (RFC 9110 §7.6.1), those we set anew, and `Proxy`. */
const ACTION = (() => {
  const action = new Uint8Array(256).fill(KEEP, 0, FIELD_KINDS);
  const dropped = [
    F.connection,
    F.transferEncoding,
    F.keepAlive,
    F.proxyConnection,
    F.te,
    F.upgrade,
    F.expect,
    F.forwarded,
    F.xForwardedFor,
    F.xForwardedProto,
    F.xForwardedHost,
    F.xForwardedPort,
    F.xRealIp,
    F.proxyAuthorization,
    F.proxy,
    F.xTealgateUpstream,
    F.http2Settings,
  ];
  for (const id of dropped) action[id] = DROP;
  action[ALIAS] = DROP;
  return action;
})();

/** `Connection` may not name away what frames or routes the message (CVE-2022-31813). */
const NOT_NAMEABLE: ReadonlySet<number> = new Set([F.host, F.contentLength, F.via, F.maxForwards, F.cookie]);

const VERSION = Buffer.from(' HTTP/1.1\r\n');
const CRLF = Buffer.from('\r\n');
const CHUNKED = Buffer.from('Transfer-Encoding: chunked\r\n');
const EXPECT = Buffer.from('Expect: 100-continue\r\n');
const SLASH = Buffer.from('/');
const STAR = Buffer.from('*');

/** Writes the head to forward. Lines that need no change go out as runs of the original octets. */
export function writeRequestHead(writer: ByteWriter, head: Head, rewrite: RequestRewrite): void {
  const { buf } = head;
  let run = writeRequestLine(writer, head, rewrite);
  for (let i = 0; i < head.count; i++) {
    if (!isChanged(head, i, rewrite)) continue;
    if (run < head.nameStart(i)) writer.bytes(buf, run, head.nameStart(i));
    run = head.lineEnd(i);
  }
  if (run < head.end - 2) writer.bytes(buf, run, head.end - 2);
  if (head.cookies > 1) writeCookies(writer, head);
  if (rewrite.maxForwards >= 0) writer.text(`Max-Forwards: ${rewrite.maxForwards}\r\n`);
  if (rewrite.chunked) writer.all(CHUNKED);
  if (rewrite.expectContinue) writer.all(EXPECT);
  if (rewrite.upgrade !== null) writer.text(`Connection: Upgrade\r\nUpgrade: ${rewrite.upgrade}\r\n`);
  writer.all(rewrite.suffix);
  if (rewrite.requestId !== null) {
    writer.all(rewrite.requestId);
    writer.digits(rewrite.requestNumber, 36);
    writer.all(CRLF);
  }
  writer.all(CRLF);
}

/** Returns where the first run of unchanged octets begins. */
function writeRequestLine(writer: ByteWriter, head: Head, rewrite: RequestRewrite): number {
  const asItIs = !head.absolute && head.minor === 1;
  if (asItIs && rewrite.host === null) return head.start;
  writer.bytes(head.buf, head.start, head.methodEnd + 1);
  writeTarget(writer, head);
  writer.all(VERSION);
  if (rewrite.host !== null) writer.text(`Host: ${rewrite.host}\r\n`);
  return head.fieldsStart;
}

/** An absolute form without a path is `/`, with OPTIONS `*` (RFC 9112 §3.2.4). */
function writeTarget(writer: ByteWriter, head: Head): void {
  const { buf, targetStart, targetEnd } = head;
  if (targetStart === targetEnd) writer.all(isOptions(head) ? STAR : SLASH);
  else if (head.absolute && buf[targetStart] === 0x3f) writer.all(SLASH);
  writer.bytes(buf, targetStart, targetEnd);
}

function isOptions(head: Head): boolean {
  return head.methodEnd - head.start === 7 && head.buf[head.start] === 0x4f;
}

function isChanged(head: Head, i: number, rewrite: RequestRewrite): boolean {
  const id = head.ids[i] as number;
  if (id !== 0) {
    if (ACTION[id] === DROP) return true;
    if (id === F.host) return rewrite.host !== null;
    if (id === F.cookie) return head.cookies > 1;
    if (id === F.maxForwards) return rewrite.maxForwards >= 0;
    if (id === F.xRequestId) return rewrite.requestId !== null;
  }
  return head.namesFields && !NOT_NAMEABLE.has(id) && isNamedByConnection(head, i);
}

/** Several Cookie lines become one, joined by `; ` (RFC 6265 §5.4); those without a cookie are left out. */
function writeCookies(writer: ByteWriter, head: Head): void {
  writer.text('Cookie: ');
  let first = true;
  for (let i = head.indexOf(F.cookie); i >= 0; i = head.indexOf(F.cookie, i + 1)) {
    if (head.valueStart(i) === head.valueEnd(i)) continue;
    if (!first) writer.text('; ');
    first = false;
    writer.bytes(head.buf, head.valueStart(i), head.valueEnd(i));
  }
  writer.all(CRLF);
}
