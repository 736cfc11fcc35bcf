import { parseFieldLines } from '../http1/field-lines.ts';
import { F } from '../http1/fields.ts';
import { Head } from '../http1/head.ts';
import { CONNECTION_FIELD_IDS } from './connection-fields.ts';

/** A request head of HTTP/1.1, as the gate forwards it, in the fields of HTTP/2: names and values in turn. */
export function requestFields(head: Head, scheme: 'http' | 'https', trailers: boolean): string[] {
  const { buf } = head;
  const fields = [
    ':method',
    buf.latin1Slice(head.start, head.methodEnd),
    ':scheme',
    scheme,
    ':authority',
    buf.latin1Slice(head.hostStart, head.hostEnd),
    ':path',
    buf.latin1Slice(head.targetStart, head.targetEnd),
  ];
  for (let i = 0; i < head.count; i++) {
    const id = head.ids[i] as number;
    if (id === F.host || CONNECTION_FIELD_IDS.has(id)) continue; // the host is the authority (RFC 9113 §8.3.1)
    fields.push(buf.latin1Slice(head.nameStart(i), head.nameEnd(i)).toLowerCase(), head.value(i));
  }
  if (trailers) fields.push('te', 'trailers');
  return fields;
}

const trailerHead = new Head(32);
const END = Buffer.from('\r\n');

/** The lines of a trailer section, which were checked before, as HTTP/2 sends them. */
export function trailerFields(section: Buffer): Record<string, string[]> {
  const lines = Buffer.concat([section, END]);
  trailerHead.reset(lines, 0);
  parseFieldLines(trailerHead, lines, 0, lines.length, 0);
  const fields: Record<string, string[]> = Object.create(null); // a field may be called __proto__
  for (let i = 0; i < trailerHead.count; i++) {
    const name = lines.latin1Slice(trailerHead.nameStart(i), trailerHead.nameEnd(i)).toLowerCase();
    fields[name] = [...(fields[name] ?? []), trailerHead.value(i)];
  }
  trailerHead.release();
  return fields;
}
