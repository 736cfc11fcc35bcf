import { isIPv6 } from 'node:net';
import { isLinkLocal } from '../platform/link-local.ts';
import { type Address, canonicalHost, formatAddress, isHost, isLoopback, isWildcard, parseAddress } from './address.ts';
import { mistake, type Parsed, quote, value } from './parsed.ts';

const SCHEMES = ['http', 'https'];

/** Where a target listens, and how it is spoken to. */
export interface TargetAddress extends Address {
  /** Over TLS. */
  readonly secure: boolean;
}

/**
 * The target URL in its one spelling, `http://host:port` or `https://host:port`. Refused: other schemes, paths, queries, fragments, credentials,
 * blanks and control characters, and link-local (metadata) addresses.
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
  if (['h2', 'h2c'].includes(scheme))
    return mistake(`${scheme}: targets are not supported yet; write http${scheme === 'h2' ? 's' : ''}://host:port`);
  if (!SCHEMES.includes(scheme))
    return mistake(`${scheme}: is not a scheme for targets; write http://host:port or https://host:port`);
  const rest = text.slice(text.indexOf('//') + 2);
  if (/[?#]/.test(rest)) return mistake(`${shown} has a query or a fragment; write http://host:port`);
  if (/\/./.test(rest))
    return mistake(`${shown} has a path; write http://host:port, requests keep the path they came with`);
  return fromUrl(text);
}

/** Host (IPv6 without brackets), port and scheme of a target URL. For URLs that were accepted before; throws on anything else. */
export function parseTargetUrl(url: string): TargetAddress {
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === 'https:';
  const usual = secure ? 443 : 80;
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? usual : Number(port), secure };
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

function fromUrl(text: string): Parsed<string> {
  const shown = quote(text);
  const url = URL.parse(text);
  if (url === null) return mistake(`${shown} is not a URL; write http://host:port, with a port of 1 to 65535`);
  const address = parseTargetUrl(text);
  if (!isHost(address.host) && !isIPv6(address.host))
    return mistake(`${shown} has no valid host; write http://host:port`);
  if (address.port === 0) return mistake(`${shown} has port 0; write the port that the target listens on`);
  if (isLinkLocal(canonicalHost(address.host))) {
    return mistake(`${shown} is a link-local (metadata) address; requests are never sent there`);
  }
  return value(`${address.secure ? 'https' : 'http'}://${formatAddress(address)}`);
}
