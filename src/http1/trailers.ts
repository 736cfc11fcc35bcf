import { parseFieldLines } from './field-lines.ts';
import { F } from './fields.ts';
import { Head } from './head.ts';

const scratch = new Head(32);
const END = Buffer.from('\r\n');

/** Never meaningful behind a body: framing, routing, authentication, and what we set ourselves (RFC 9110 §6.5.1). */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'authorization',
  'age',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'expires',
  'date',
  'location',
  'max-forwards',
  'pragma',
  'range',
  'retry-after',
  'set-cookie',
  'vary',
  'warning',
  'www-authenticate',
  'proxy-authenticate',
]);

/**
 * The trailer lines that may be relayed, as they came; null when none is left; 'malformed' when the section is not
 * well-formed field lines. They are never merged into the header (RFC 9110 §6.5.1).
 */
export function relayableTrailers(section: Buffer): Buffer | null | 'malformed' {
  if (section.length === 0) return null;
  const lines = Buffer.concat([section, END]);
  scratch.reset(lines, 0);
  if (parseFieldLines(scratch, lines, 0, lines.length, 0) <= 0) return 'malformed';
  const kept: Buffer[] = [];
  for (let i = 0; i < scratch.count; i++) {
    if (mayRelay(scratch, i)) kept.push(lines.subarray(scratch.nameStart(i), scratch.lineEnd(i)));
  }
  scratch.release();
  return kept.length === 0 ? null : Buffer.concat(kept);
}

/** Treated fields are all about this connection, routing or framing; only a request id is harmless. */
function mayRelay(head: Head, i: number): boolean {
  const id = head.ids[i];
  if (id !== 0) return id === F.xRequestId;
  return !FORBIDDEN.has(head.buf.latin1Slice(head.nameStart(i), head.nameEnd(i)).toLowerCase());
}
