import { isIP, isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { mistake, type Parsed, quote, value } from './parsed.ts';

export interface Address {
  /** An IP address without brackets, or a name, in lower case. */
  readonly host: string;
  readonly port: number;
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?)*$/;

/** `host:port`, `[v6]:port`, or `:port` for all IPv4 interfaces. Port 0 takes a free one. */
export function parseAddress(text: string): Parsed<Address> {
  if (/^\d+$/.test(text))
    return mistake(
      `${text.slice(0, 10)} has no host; write 127.0.0.1:${text.slice(0, 5)}, or 0.0.0.0:${text.slice(0, 5)} for all interfaces`,
    );
  const colon = text.lastIndexOf(':');
  const written = text.slice(0, colon);
  if (isIPv6(text)) return mistake(`${quote(text)} needs brackets and a port; write one such as [::1]:8080`);
  if (colon < 0) return mistake(`${quote(text)} has no port; write ${isHost(text) ? text : '127.0.0.1'}:8080`);
  const port = parsePort(text.slice(colon + 1));
  if (port === null) return mistake(`${quote(text)} has no valid port; ports are 0 to 65535, such as 127.0.0.1:8080`);
  const host = written === '' ? '0.0.0.0' : written.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  const bracketed = written.startsWith('[');
  if (bracketed ? !isIPv6(host) : !isHost(host)) {
    return mistake(`${quote(written)} is not an address of this machine; write an address such as 127.0.0.1:${port}`);
  }
  return value({ host, port });
}

export function formatAddress({ host, port }: Address): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An IPv4 address or a host name in lower case. `1.2.3.400` is neither. */
export function isHost(host: string): boolean {
  if (isIPv4(host)) return true;
  return HOST_NAME.test(host.toLowerCase()) && !/(^|\.)\d+$/.test(host);
}

/** What requests to a service may ask for: a host name, or `*.` before one for all names beneath it. */
export function parseHostPattern(text: string): Parsed<string> {
  if (text === '*') return mistake('"*" is not needed; leave `hosts` out to match any host');
  if (!text.startsWith('*.')) return parseHostName(text);
  const base = parseHostName(text.slice(2));
  return base.ok ? value(`*.${base.value}`) : base;
}

/** A host name or IP address (IPv6 in brackets) without a port, in lower case. */
export function parseHostName(text: string): Parsed<string> {
  const host = text.toLowerCase();
  if (isHost(host) || (/^\[.*\]$/.test(host) && isIPv6(host.slice(1, -1)))) return value(host);
  const portless = host.replace(/:\d+$/, '');
  if (portless !== host && isHost(portless))
    return mistake(`${quote(text)} has a port; write ${portless}, any port matches`);
  const bare = /^https?:\/\/([^/]*)/.exec(host)?.[1];
  if (bare !== undefined && isHost(bare)) return mistake(`${quote(text)} is a URL; write ${bare}`);
  const ascii = domainToASCII(host);
  if (ascii !== '' && ascii !== host && isHost(ascii)) return mistake(`${quote(text)} is not ASCII; write ${ascii}`);
  return mistake(`${quote(text)} is not a host name; write one such as shop.example.com`);
}

/** An IP address or a CIDR block, as it was written. */
export function parseNetwork(text: string): Parsed<string> {
  const [ip = '', bits, ...rest] = text.split('/');
  const version = isIP(ip);
  const most = version === 4 ? 32 : 128;
  const valid =
    version !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
  return valid ? value(text) : mistake(`${quote(text)} is not a network; write 10.0.0.0/8, 192.168.1.1 or fd00::/8`);
}

/** Whether two listening addresses cannot both be bound: same port (0 never clashes) and the same or a wildcard host. */
export function overlaps(a: Address, b: Address): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  const [left, right] = [canonicalHost(a.host), canonicalHost(b.host)];
  return left === right || covers(left, right) || covers(right, left);
}

/** 127.0.0.0/8, ::1, or `localhost`. */
export function isLoopback(host: string): boolean {
  const canonical = canonicalHost(host);
  return (isIPv4(canonical) && canonical.startsWith('127.')) || canonical === '::1';
}

/** `0.0.0.0` and `::` listen on every interface. */
export function isWildcard(host: string): boolean {
  const canonical = canonicalHost(host);
  return canonical === '0.0.0.0' || canonical === '::';
}

/** One spelling for each host: `localhost` is 127.0.0.1, IPv6 is compressed, IPv4 inside IPv6 is IPv4. */
export function canonicalHost(host: string): string {
  if (host === 'localhost') return '127.0.0.1';
  if (!isIPv6(host)) return host;
  const zone = host.indexOf('%');
  const bare = zone < 0 ? host : host.slice(0, zone);
  const compressed = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(compressed);
  if (mapped === null) return compressed;
  const [high, low] = [Number.parseInt(mapped[1] ?? '0', 16), Number.parseInt(mapped[2] ?? '0', 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function covers(wildcard: string, other: string): boolean {
  return wildcard === '::' || (wildcard === '0.0.0.0' && !isIPv6(other));
}

function parsePort(text: string): number | null {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : null;
}
