import type { Head } from '../http1/head.ts';
import { parseResponseHead } from '../http1/response-parser.ts';
import { STATUS_CODES } from '../platform/node-http.ts';

/** How the head of HTTP/1.1 differs from the fields that came. */
export interface HeadChange {
  /** Leave Content-Length out: trailers may follow. */
  readonly unsized: boolean;
  /** Say that there is no content, where that is known and not said. */
  readonly empty: boolean;
}

/**
 * Puts the fields of a response (names and values in turn, `:status` among them) into `head` as HTTP/1.1. False when they
 * are none: nghttp2 has checked them, and so does our parser, so that nothing can pass for more than one field.
 */
export function readResponseFields(head: Head, fields: readonly string[], change: HeadChange): boolean {
  let status = '';
  let lines = '';
  let count = 0;
  let sized = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name === ':status') {
      status = fields[i + 1] as string;
      continue;
    }
    const isLength = name === 'content-length';
    if (isLength && change.unsized) continue;
    sized ||= isLength;
    lines += `${name}: ${fields[i + 1]}\r\n`;
    count++;
  }
  if (change.empty && !sized) {
    lines += 'content-length: 0\r\n';
    count++;
  }
  const octets = Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines}\r\n`, 'latin1');
  const end = parseResponseHead(head, octets, 0, octets.length);
  return end === octets.length && head.count === count;
}

/** Trailer fields as the lines of a trailer section. */
export function trailerLines(fields: readonly string[]): Buffer {
  let lines = '';
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return Buffer.from(lines, 'latin1');
}
