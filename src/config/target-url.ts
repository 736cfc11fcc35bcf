import { isIPv6 } from 'node:net';
import type { Http2Peer } from '../platform/http2-client.ts';
import { isLinkLocal } from '../platform/link-local.ts';
import type { TargetTls } from '../platform/tls.ts';
import { type Address, canonicalHost, formatAddress, isHost, isLoopback, isWildcard, parseAddress } from './address.ts';
import { mistake, type Parsed, quote, value } from './parsed.ts';

/** Each with its counterpart that the URL parser knows: the two are read alike. */
const SCHEMES: Readonly<Record<string, 'http' | 'https'>> = { http: 'http', https: 'https', h2c: 'http', h2: 'https' };

/** Where a target listens, and how it is spoken to. */
export interface TargetAddress extends Address {
  /** Over TLS: `https` and `h2`. */
  readonly secure: boolean;
  /** By HTTP/2, and by nothing else: `h2c` and `h2`. */
  readonly http2: boolean;
}

/**
 * The target URL in its one spelling, scheme, host and port. The scheme is `http` or `https`, or `h2c` or `h2` for the
 * same by HTTP/2. Refused: other schemes, paths, queries, fragments, credentials, blanks and control characters, and
 * link-local (metadata) addresses.
 */
export function normaliseTarget(text: string): Parsed<string> {
  const shown = quote(text);
  // The URL parser drops tabs and line feeds without a word, and takes a backslash for a slash.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u0020\u007f\\]/.test(text))
    return mistake('has a blank, a backslash or a control character; write http://host:port');
  if (text.includes('@')) return mistake('has credentials; write http://host:port without them');
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined)
    return mistake(`${shown} is not a URL; write ${parseAddress(text).ok ? `http://${text}` : 'http://host:port'}`);
  if (!Object.hasOwn(SCHEMES, scheme))
    return mistake(
      `${scheme}: is not a scheme for targets; write http://host:port or https://host:port, or h2c: or h2: for HTTP/2`,
    );
  const rest = text.slice(text.indexOf('//') + 2);
  if (/[?#]/.test(rest)) return mistake(`${shown} has a query or a fragment; write http://host:port`);
  if (/\/./.test(rest))
    return mistake(`${shown} has a path; write http://host:port, requests keep the path they came with`);
  return fromUrl(text, scheme);
}

/** Host (IPv6 without brackets), port and scheme of a target URL. For URLs that were accepted before; throws on anything else. */
export function parseTargetUrl(url: string): TargetAddress {
  const scheme = url.slice(0, url.indexOf(':')).toLowerCase();
  const { protocol, hostname, port } = new URL(knownUrl(url, scheme));
  const secure = protocol === 'https:';
  const usual = secure ? 443 : 80;
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: port === '' ? usual : Number(port), secure, http2: scheme.startsWith('h2') };
}

/** How a target that is spoken to by HTTP/2 is asked; null for any other. `tls`: of its service. */
export function http2PeerOf(url: string, tls: TargetTls): Http2Peer | null {
  const { host, port, secure, http2 } = parseTargetUrl(url);
  return http2 ? { host, port, authority: formatAddress({ host, port }), tls: secure ? tls : null } : null;
}

/** Whether a target would be the admin endpoint itself, which no traffic may reach. */
export function reachesAdmin(target: Address, admin: Address): boolean {
  if (target.port !== admin.port) return false;
  const [to, at] = [canonicalHost(target.host), canonicalHost(admin.host)];
  if (to === at) return true;
  // The name may lead to either family.
  if ([target.host, admin.host].includes('localhost') && isLoopback(to) && isLoopback(at)) return true;
  if (isWildcard(at)) return isLoopback(to) || isWildcard(to);
  // Connecting to the wildcard address connects to this machine; `::1` and 127.0.0.1 are told apart.
  return isWildcard(to) && isLoopback(at);
}

function knownUrl(text: string, scheme: string): string {
  return `${SCHEMES[scheme] ?? scheme}${text.slice(scheme.length)}`;
}

function fromUrl(text: string, scheme: string): Parsed<string> {
  const shown = quote(text);
  if (!URL.canParse(knownUrl(text, scheme)))
    return mistake(`${shown} is not a URL; write http://host:port, with a port of 1 to 65535`);
  const address = parseTargetUrl(text);
  if (!isHost(address.host) && !isIPv6(address.host))
    return mistake(`${shown} has no valid host; write http://host:port`);
  if (address.port === 0) return mistake(`${shown} has port 0; write the port that the target listens on`);
  if (isLinkLocal(canonicalHost(address.host))) {
    return mistake(`${shown} is a link-local (metadata) address; requests are never sent there`);
  }
  return value(`${scheme}://${formatAddress(address)}`);
}
