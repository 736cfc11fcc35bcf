import { BlockList, isIPv4, isIPv6 } from 'node:net';

// Cloud providers answer on link-local addresses with the credentials of the machine.
const METADATA = new BlockList();
METADATA.addSubnet('169.254.0.0', 16, 'ipv4');
METADATA.addSubnet('fe80::', 10, 'ipv6');
METADATA.addAddress('fd00:ec2::254', 'ipv6');

/** Whether an IP address, in whatever spelling `BlockList` reads, is one where clouds serve metadata. A name is not. */
export function isLinkLocal(address: string): boolean {
  if (isIPv4(address)) return METADATA.check(address, 'ipv4');
  // `BlockList` reads IPv4 inside IPv6 as the IPv4 address that it is.
  return isIPv6(address) && METADATA.check(address, 'ipv6');
}
