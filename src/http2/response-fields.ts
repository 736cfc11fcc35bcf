import { F } from '../http1/fields.ts';
import type { Head } from '../http1/head.ts';
import { CONNECTION_FIELD_IDS } from './connection-fields.ts';

/** Names in lower case and values in turn, as `respond` takes them; a response that may not have a body has no length. */
export function responseFields(head: Head, keepLength: boolean): string[] {
  const fields = [':status', String(head.status)];
  for (let i = 0; i < head.count; i++) {
    const id = head.ids[i] as number;
    if (CONNECTION_FIELD_IDS.has(id) || (id === F.contentLength && !keepLength)) continue;
    fields.push(nameOf(head, i), head.value(i));
  }
  return fields;
}

/** The same where Node.js takes an object only: interim responses. */
export function fieldObject(head: Head): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = Object.create(null); // a field may be called __proto__
  for (let i = 0; i < head.count; i++) {
    if (CONNECTION_FIELD_IDS.has(head.ids[i] as number)) continue;
    const name = nameOf(head, i);
    const before = fields[name];
    const value = head.value(i);
    if (before === undefined) fields[name] = value;
    else fields[name] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return fields;
}

function nameOf(head: Head, i: number): string {
  return head.buf.latin1Slice(head.nameStart(i), head.nameEnd(i)).toLowerCase();
}
