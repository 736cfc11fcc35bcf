import type { OutFraming } from './body-writer.ts';
import type { ByteWriter } from './byte-writer.ts';
import { ALIAS, isNamedByConnection } from './field-lines.ts';
import { F, FIELD_KINDS } from './fields.ts';
import type { Head } from './head.ts';
import { REASON_OFFSET } from './response-parser.ts';

/** What the gate adds to a response; everything else is relayed as it came. */
export interface ResponseRewrite {
  framing: OutFraming;
  /** Keep the target's Content-Length. */
  keepLength: boolean;
  close: boolean;
  /** Gives the value of Date to add where the target sent none (RFC 9110 §6.6.1); null to leave it out (interim responses). */
  date: (() => string) | null;
  /** Further whole lines, such as Set-Cookie; empty for none. */
  extra: string;
}

const DROPPED = (() => {
  const dropped = new Uint8Array(256).fill(0, 0, FIELD_KINDS);
  for (const id of [
    F.connection,
    F.transferEncoding,
    F.keepAlive,
    F.proxyConnection,
    F.upgrade,
    F.te,
    F.xTealgateUpstream,
    ALIAS,
  ]) {
    dropped[id] = 1;
  }
  return dropped;
})();

const CRLF = Buffer.from('\r\n');
const CHUNKED = Buffer.from('Transfer-Encoding: chunked\r\n');
const CLOSE = Buffer.from('Connection: close\r\n');

/** Writes the head to relay, with our own HTTP version (RFC 9112 §2.3). */
export function writeResponseHead(writer: ByteWriter, head: Head, rewrite: ResponseRewrite): void {
  const { buf } = head;
  let run = writeStatusLine(writer, head);
  for (let i = 0; i < head.count; i++) {
    if (!isDropped(head, i, rewrite)) continue;
    if (run < head.nameStart(i)) writer.bytes(buf, run, head.nameStart(i));
    run = head.lineEnd(i);
  }
  if (run < head.end - 2) writer.bytes(buf, run, head.end - 2);
  if (rewrite.framing === 'chunked') writer.all(CHUNKED);
  if (rewrite.date !== null && !head.has(F.date)) writer.text(`Date: ${rewrite.date()}\r\n`);
  if (rewrite.extra !== '') writer.text(rewrite.extra);
  if (rewrite.close) writer.all(CLOSE);
  writer.all(CRLF);
}

/** Returns where the first run of unchanged octets begins. A missing reason phrase keeps its space (RFC 9112 §4). */
function writeStatusLine(writer: ByteWriter, head: Head): number {
  const hasSpace = head.buf[head.start + REASON_OFFSET] === 0x20;
  if (head.minor === 1 && hasSpace) return head.start;
  writer.text(`HTTP/1.1 ${head.status}`);
  if (hasSpace) return head.start + REASON_OFFSET;
  writer.text(' \r\n');
  return head.fieldsStart;
}

function isDropped(head: Head, i: number, rewrite: ResponseRewrite): boolean {
  const id = head.ids[i] as number;
  if (id !== 0) {
    if (DROPPED[id] === 1) return true;
    if (id === F.contentLength) return !rewrite.keepLength;
  }
  return head.namesFields && id !== F.contentLength && id !== F.date && isNamedByConnection(head, i);
}
