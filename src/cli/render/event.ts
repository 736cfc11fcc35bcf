import { printable } from '../../config/problem.ts';
import type { StoredEvent } from '../../store/store.ts';

/** One line: time, service, type, actor, and the event's own data as fields. */
export function eventLine(event: StoredEvent): string {
  const data = Object.entries(event.data).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? quoted(value) : printable(JSON.stringify(value))}`,
  );
  return [new Date(event.at).toISOString(), event.service ?? '-', event.type, `actor=${event.actor}`, ...data].join(
    ' ',
  );
}

function quoted(text: string): string {
  return /^[\w.:/-]+$/.test(text) ? text : JSON.stringify(printable(text));
}
