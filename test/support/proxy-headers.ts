import { isIPv6 } from 'node:net';

/** PROXY protocol headers as balancers send them, octet by octet from the specification. */

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

/** Version 1. */
export function textHeader(client: string): string {
  const family = isIPv6(client) ? 'TCP6' : 'TCP4';
  return `PROXY ${family} ${client} ${isIPv6(client) ? '::1' : '127.0.0.1'} 56324 443\r\n`;
}

export interface BinaryParts {
  /** Version and command; 0x21: 2, PROXY. */
  readonly command?: number;
  /** Family and transport. */
  readonly family?: number;
  readonly addresses?: Buffer;
  readonly tlvs?: Buffer;
  /** Of addresses and TLVs, in place of the true one. */
  readonly length?: number;
}

/** Version 2. */
export function binaryHeader({ command = 0x21, family = 0x11, addresses, tlvs, length }: BinaryParts = {}): Buffer {
  const rest = Buffer.concat([addresses ?? ipv4Block('203.0.113.7'), tlvs ?? Buffer.alloc(0)]);
  const fixed = Buffer.alloc(4);
  fixed[0] = command;
  fixed[1] = family;
  fixed.writeUInt16BE(length ?? rest.length, 2);
  return Buffer.concat([Buffer.from(SIGNATURE, 'latin1'), fixed, rest]);
}

const PORTS = Buffer.from([0xdc, 0x04, 0x01, 0xbb]);

export function ipv4Block(client: string): Buffer {
  return Buffer.concat([Buffer.from(client.split('.').map(Number)), Buffer.from([127, 0, 0, 1]), PORTS]);
}

/** `client`: all eight groups. */
export function ipv6Block(client: string): Buffer {
  const octets = client
    .split(':')
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
  return Buffer.concat([Buffer.from(octets), Buffer.alloc(16, 1), PORTS]);
}

export function tlv(type: number, value: string | Buffer): Buffer {
  const octets = Buffer.from(value as string, 'latin1');
  const head = Buffer.from([type, octets.length >> 8, octets.length & 255]);
  return Buffer.concat([head, octets]);
}
