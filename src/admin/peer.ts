import { BlockList, isIPv6 } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** 127.0.0.0/8 or ::1, also as IPv4 inside IPv6; `localhost` by name. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  return LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}

/** `host:port` as a `Host` field has it: IPv6 in brackets, IPv4 inside IPv6 as IPv4. */
export function formatAuthority(host: string, port: number): string {
  const plain = host.replace(/^::ffff:(\d+\.)/, '$1');
  return isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`;
}
