import { BlockList, isIP } from 'node:net';
import { F } from '../http1/fields.ts';
import type { Head } from '../http1/head.ts';

/** Builds a matcher for trusted proxies: addresses and CIDR blocks. */
export function createTrust(entries: readonly string[]): BlockList | null {
  if (entries.length === 0) return null;
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

export function isTrusted(trust: BlockList | null, address: string): boolean {
  if (trust === null) return false;
  const family = isIP(address);
  return family !== 0 && trust.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** An IPv4-mapped IPv6 address as plain IPv4, and a link-local one without its zone, which means nothing on another machine. */
export function plainAddress(address: string): string {
  if (address.startsWith('::ffff:') && isIP(address.slice(7)) === 4) return address.slice(7);
  const zone = address.indexOf('%');
  return zone >= 0 && isIP(address) === 6 ? address.slice(0, zone) : address;
}

/** What a connection is to those behind us, whoever its client is. */
export interface ClientProtocol {
  /** Our name in Via. */
  readonly pseudonym: string;
  /** The client speaks TLS with us. */
  readonly secure: boolean;
  readonly http2: boolean;
}

/**
 * The forwarding fields of one client connection: Via (RFC 9110 §7.6.3), X-Forwarded-* and Forwarded (RFC 7239).
 * What an untrusted client sent of them is dropped; a trusted proxy's is appended to. For an untrusted client they
 * depend on Host alone, so they are built once and used again while Host stays the same.
 */
export class ForwardingFields {
  /** Address of the client as far as it can be known: the last one not named by a trusted proxy. */
  readonly peer: string;
  readonly trusted: boolean;
  readonly #trust: BlockList | null;
  /** The client speaks HTTP/2 with us. */
  readonly http2: boolean;
  readonly #via: string;
  readonly #proto: string;
  #host: Buffer = EMPTY;
  #hostName = '';
  #lines: Buffer | null = null;

  constructor(peer: string, trust: BlockList | null, { pseudonym, secure, http2 }: ClientProtocol) {
    this.peer = plainAddress(peer);
    this.trusted = isTrusted(trust, this.peer);
    this.#trust = trust;
    this.http2 = http2;
    this.#via = pseudonym;
    this.#proto = secure ? 'https' : 'http';
  }

  /** The host a request is for: lower-case, without port, and without the dot of the root (RFC 3986 §3.2.2). */
  hostName(head: Head): string {
    if (!sameHost(this.#host, head)) {
      this.#host = Buffer.from(head.buf.subarray(head.hostStart, head.hostEnd));
      this.#hostName = withoutRoot(withoutPort(this.#host.latin1Slice().toLowerCase()));
      this.#lines = null;
    }
    return this.#hostName;
  }

  /** Whole field lines to put at the end of the forwarded head. */
  lines(head: Head): Buffer {
    this.hostName(head);
    if (this.trusted || head.minor === 0) return Buffer.from(this.#build(head), 'latin1');
    this.#lines ??= Buffer.from(this.#build(head), 'latin1');
    return this.#lines;
  }

  /** Behind trusted proxies: the right-most address of X-Forwarded-For that is not trusted. */
  clientAddress(head: Head): string {
    if (!this.trusted || !head.has(F.xForwardedFor)) return this.peer;
    const chain = listOf(head, F.xForwardedFor)
      .split(',')
      .map((entry) => entry.trim());
    for (let i = chain.length - 1; i >= 0; i--) {
      const address = plainAddress(addressOf(chain[i] ?? ''));
      if (isIP(address) === 0) return this.peer;
      if (i === 0 || !isTrusted(this.#trust, address)) return address;
    }
    return this.peer;
  }

  #build(head: Head): string {
    const host = head.buf.latin1Slice(head.hostStart, head.hostEnd);
    const inbound = (id: number): string => (this.trusted ? listOf(head, id) : '');
    const append = (before: string, entry: string): string => (before === '' ? entry : `${before}, ${entry}`);
    const proto = inbound(F.xForwardedProto) || this.#proto;
    const forwardedHost = inbound(F.xForwardedHost) || host;
    const port = inbound(F.xForwardedPort);
    return [
      `Via: ${this.http2 ? '2.0' : `1.${head.minor}`} ${this.#via}\r\n`,
      `X-Forwarded-For: ${append(inbound(F.xForwardedFor), this.peer)}\r\n`,
      `X-Forwarded-Proto: ${proto}\r\n`,
      forwardedHost === '' ? '' : `X-Forwarded-Host: ${forwardedHost}\r\n`,
      port === '' ? '' : `X-Forwarded-Port: ${port}\r\n`,
      `Forwarded: ${append(inbound(F.forwarded), forwardedElement(this.peer, host, this.#proto))}\r\n`,
    ].join('');
  }
}

const EMPTY = Buffer.alloc(0);

function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
}

/** Some proxies add the client's port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function addressOf(entry: string): string {
  if (entry.startsWith('[')) return entry.slice(1, Math.max(entry.indexOf(']'), 1));
  const colon = entry.indexOf(':');
  return colon >= 0 && colon === entry.lastIndexOf(':') ? entry.slice(0, colon) : entry;
}

function withoutRoot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

function sameHost(cached: Buffer, head: Head): boolean {
  const length = head.hostEnd - head.hostStart;
  if (cached.length !== length) return false;
  for (let i = 0; i < length; i++) if (cached[i] !== head.buf[head.hostStart + i]) return false;
  return true;
}

/** All lines of a list field as one. */
function listOf(head: Head, id: number): string {
  const values: string[] = [];
  for (let i = head.indexOf(id); i >= 0; i = head.indexOf(id, i + 1)) values.push(head.value(i));
  return values.join(', ');
}

/** RFC 7239 §4: IPv6 addresses and values with a colon are quoted. */
function forwardedElement(peer: string, host: string, proto: string): string {
  const node = isIP(peer) === 6 ? `"[${peer}]"` : peer || 'unknown';
  const quotedHost = host.includes(':') ? `"${host}"` : host;
  return `for=${node}${host === '' ? '' : `;host=${quotedHost}`};proto=${proto}`;
}
