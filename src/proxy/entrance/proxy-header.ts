import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { plainAddress } from '../forwarding.ts';

/**
 * The header of the PROXY protocol, by which a balancer that passes connections on tells whose they are; see
 * https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt. `client`: null where the sender speaks for itself or does
 * not know. `length`: octets, all that follows is the connection's own.
 */
export type ProxyHeader =
  | { readonly kind: 'header'; readonly client: string | null; readonly length: number }
  /** So far it may become one. */
  | { readonly kind: 'incomplete' }
  /** It begins otherwise. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly why: string };

const TEXT_PREFIX = Buffer.from('PROXY ');
/** Of version 1, its line end included (§2.1). */
const MAX_TEXT_BYTES = 107;
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family and transport, length of the rest. */
const FIXED_BYTES = 16;
const COMMAND = { local: 0, proxy: 1 } as const;
const FAMILY = { unspecified: 0, ipv4: 1, ipv6: 2, unix: 3 } as const;
/** Both addresses and both ports, by family (§2.2). */
const ADDRESS_BYTES = [0, 12, 36, 216] as const;
const LAST_TRANSPORT = 2;
const TLV_CRC32C = 3;

/** Reads the beginning of a connection. `maxBytes`: of a header of version 2. */
export function parseProxyHeader(bytes: Buffer, maxBytes: number): ProxyHeader {
  if (agrees(bytes, TEXT_PREFIX)) return bytes.length < TEXT_PREFIX.length ? { kind: 'incomplete' } : parseText(bytes);
  if (!agrees(bytes, SIGNATURE)) return { kind: 'absent' };
  return bytes.length < FIXED_BYTES ? { kind: 'incomplete' } : parseBinary(bytes, maxBytes);
}

/** As far as there is something of both. */
function agrees(bytes: Buffer, prefix: Buffer): boolean {
  const length = Math.min(bytes.length, prefix.length);
  return bytes.compare(prefix, 0, length, 0, length) === 0;
}

function refused(why: string): ProxyHeader {
  return { kind: 'refused', why };
}

// --- version 1 ---------------------------------------------------------------------------------------------------

function parseText(bytes: Buffer): ProxyHeader {
  const lf = bytes.subarray(0, MAX_TEXT_BYTES).indexOf('\n');
  if (lf < 0) return bytes.length < MAX_TEXT_BYTES ? { kind: 'incomplete' } : refused('too long');
  if (bytes[lf - 1] !== 0x0d) return refused('malformed');
  const [family, source = '', destination = '', ...ports] = bytes.latin1Slice(TEXT_PREFIX.length, lf - 1).split(' ');
  if (family === 'UNKNOWN') return { kind: 'header', client: null, length: lf + 1 };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : null;
  if (isAddress === null || !isAddress(source) || !isAddress(destination)) return refused('malformed');
  if (ports.length !== 2 || !ports.every(isPort)) return refused('malformed');
  return { kind: 'header', client: family === 'TCP6' ? canonical(source) : source, length: lf + 1 };
}

/** Without a zone, which means nothing on another machine. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) < 65_536;
}

// --- version 2 ---------------------------------------------------------------------------------------------------

function parseBinary(bytes: Buffer, maxBytes: number): ProxyHeader {
  const [version, command] = halves(bytes.readUInt8(12));
  const [family, transport] = halves(bytes.readUInt8(13));
  const length = FIXED_BYTES + bytes.readUInt16BE(14);
  if (version !== 2 || command > COMMAND.proxy) return refused('malformed');
  if (length > maxBytes) return refused('too long');
  if (bytes.length < length) return { kind: 'incomplete' };
  if (command === COMMAND.local) return { kind: 'header', client: null, length };
  if (family > FAMILY.unix || transport > LAST_TRANSPORT) return refused('malformed');
  const header = bytes.subarray(0, length);
  const tlvs = FIXED_BYTES + (ADDRESS_BYTES[family] ?? 0);
  if (tlvs > length || !areSound(header, tlvs)) return refused('malformed');
  return { kind: 'header', client: clientOf(header, family), length };
}

function halves(octet: number): [number, number] {
  return [octet >> 4, octet & 15];
}

/** Over TCP whatever the sender's side is: a client of QUIC comes as a datagram one. */
function clientOf(header: Buffer, family: number): string | null {
  const { ipv4, ipv6 } = FAMILY;
  if (family === ipv4) return header.subarray(FIXED_BYTES, FIXED_BYTES + 4).join('.');
  if (family !== ipv6) return null;
  const groups = Array.from({ length: 8 }, (_, i) => header.readUInt16BE(FIXED_BYTES + 2 * i).toString(16));
  return canonical(groups.join(':'));
}

/** Type, length and value one after another fill the header exactly, and a checksum among them is right (§2.2.3). */
function areSound(header: Buffer, from: number): boolean {
  let at = from;
  while (at + 3 <= header.length) {
    const value = at + 3;
    const end = value + header.readUInt16BE(at + 1);
    if (end > header.length) return false;
    if (header[at] === TLV_CRC32C && !isChecksum(header, value, end)) return false;
    at = end;
  }
  return at === header.length;
}

function isChecksum(header: Buffer, from: number, to: number): boolean {
  if (to - from !== 4) return false;
  const blank = Buffer.from(header);
  blank.fill(0, from, to);
  return crc32c(blank) === header.readUInt32BE(from);
}

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, octet) => {
  let crc = octet;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** RFC 3720 §B.4; node:zlib has the other one. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const octet of bytes) crc = (CASTAGNOLI[(crc ^ octet) & 255] as number) ^ (crc >>> 8); // 256 entries
  return (crc ^ 0xffffffff) >>> 0;
}

/** One spelling of an address, so that pins and trust compare alike (RFC 5952). */
function canonical(address: string): string {
  return plainAddress(new SocketAddress({ family: 'ipv6', address }).address);
}
