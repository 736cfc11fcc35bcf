import { isIPv6 } from 'node:net';
import { isLinkLocal } from '../platform/link-local.ts';
import { canonicalHost, isHost } from './address.ts';
import { mistake, type Parsed, quote, value } from './parsed.ts';

/**
 * URL of somebody else's server that the gate asks or tells by itself. Refused: other schemes than http and https,
 * credentials, fragments, blanks and control characters, and link-local (metadata) addresses. Messages show no more of
 * it than its scheme: paths of chat services are secrets.
 */
export function normaliseEndpoint(text: string): Parsed<string> {
  // The URL parser drops tabs and line feeds without a word, and takes a backslash for a slash.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u0020\u007f\\]/.test(text))
    return mistake('has a blank, a backslash or a control character; write https://host/path');
  const url = URL.parse(text);
  if (url === null) return mistake('is not a URL; write https://host/path');
  if (!/^https?:$/.test(url.protocol)) {
    return mistake(`${quote(url.protocol)} is not a scheme that is spoken; write http://host or https://host`);
  }
  if (url.username !== '' || url.password !== '') return mistake('has credentials; they have keys of their own');
  if (text.includes('#')) return mistake('has a fragment, which is never sent; leave it out');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!isHost(host) && !isIPv6(host)) return mistake('has no valid host; write https://host/path');
  if (isLinkLocal(canonicalHost(host))) {
    return mistake('leads to a link-local (metadata) address; requests are never sent there');
  }
  return value(url.href);
}

/** Where browsers reach something: scheme and host, and nothing after them. */
export function normaliseOrigin(text: string): Parsed<string> {
  const endpoint = normaliseEndpoint(text);
  if (!endpoint.ok) return endpoint;
  const { origin, pathname, search } = new URL(endpoint.value);
  if (pathname === '/' && search === '') return value(origin);
  return mistake(`has a path or a query; write ${origin}`);
}
