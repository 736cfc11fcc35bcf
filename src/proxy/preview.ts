import { equalsIgnoreCase } from '../http1/bytes.ts';
import { F } from '../http1/fields.ts';
import type { Head } from '../http1/head.ts';
import type { PreviewKey, PreviewRoute } from '../traffic/snapshot.ts';
import type { Service } from './routing-table.ts';

/** A value that asks for the candidate, whatever its name is. */
const CANDIDATE = 'candidate';
const SEMICOLON = 0x3b;

/**
 * The name of the upstream that a request asks for, past pins and weights: by its host, a field or a cookie. Null when it
 * asks for none, or for one that does not exist. An empty name when it asks for the candidate and there is none.
 */
export function previewedBy(service: Service, preview: PreviewRoute, head: Head, host: string): string | null {
  if (preview.hosts.includes(host)) return preview.candidate ?? '';
  const { header, cookie } = preview;
  return (
    (header === null ? null : byHeader(service, preview, header, head)) ??
    (cookie === null || head.cookies === 0 ? null : byCookie(service, preview, cookie, head))
  );
}

function byHeader(service: Service, preview: PreviewRoute, key: PreviewKey, head: Head): string | null {
  const wanted = Buffer.from(key.name, 'latin1');
  for (let i = 0; i < head.count; i++) {
    if (!equalsIgnoreCase(head.buf, head.nameStart(i), head.nameEnd(i), wanted)) continue;
    const named = nameIn(service, preview, key, head.value(i));
    if (named !== null) return named;
  }
  return null;
}

/** RFC 6265 §5.4: `name=value` pairs, separated by `; `. */
function byCookie(service: Service, preview: PreviewRoute, key: PreviewKey, head: Head): string | null {
  const prefix = `${key.name}=`;
  for (let i = head.indexOf(F.cookie); i >= 0; i = head.indexOf(F.cookie, i + 1)) {
    const line = head.value(i);
    for (let at = 0; at < line.length; ) {
      let end = at;
      while (end < line.length && line.charCodeAt(end) !== SEMICOLON) end++;
      const pair = line.slice(at, end).trim();
      const named = pair.startsWith(prefix) ? nameIn(service, preview, key, pair.slice(prefix.length)) : null;
      if (named !== null) return named;
      at = end + 1;
    }
  }
  return null;
}

function nameIn(service: Service, preview: PreviewRoute, key: PreviewKey, value: string): string | null {
  if (key.value !== null) return value === key.value ? (preview.candidate ?? '') : null;
  if (service.upstreams.has(value)) return value;
  return value === CANDIDATE ? (preview.candidate ?? '') : null;
}
