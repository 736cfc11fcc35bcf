import type { BodyReader } from '../../src/http1/body-reader.ts';
import { parseFieldLines } from '../../src/http1/field-lines.ts';
import { Head } from '../../src/http1/head.ts';

/** What our wire layer made of a message, in the form in which Node tells its own: octets as Latin-1. */

const END = Buffer.from('\r\n');
const trailers = new Head(32);

/** `name: value` lines in order. */
export function fieldsOf(head: Head): string[] {
  const text = (from: number, to: number): string => head.buf.toString('latin1', from, to);
  const fields: string[] = [];
  for (let i = 0; i < head.count; i++) {
    fields.push(`${text(head.nameStart(i), head.nameEnd(i))}: ${text(head.valueStart(i), head.valueEnd(i))}`);
  }
  return fields;
}

/** The lines of a trailer section; null when it is malformed. */
export function trailersOf({ trailer }: BodyReader): string[] | null {
  if (trailer.length === 0) return [];
  const lines = Buffer.concat([trailer, END]);
  trailers.reset(lines, 0);
  const end = parseFieldLines(trailers, lines, 0, lines.length, 0);
  return end > 0 ? fieldsOf(trailers) : null;
}

/** The data in the runs of the reader's last feed. */
export function dataOf(reader: BodyReader, bytes: Buffer): string {
  let data = '';
  for (let i = 0; i < reader.runCount; i++) {
    data += bytes.toString('latin1', reader.runs[2 * i] as number, reader.runs[2 * i + 1] as number); // runCount runs
  }
  return data;
}

/** Names and values in turn, as Node has them, as lines. */
export function linesOf(raw: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < raw.length; i += 2) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return lines;
}
