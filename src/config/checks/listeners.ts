import { formatAddress, overlaps } from '../address.ts';
import type { Clean, Finding, Path } from '../problem.ts';
import type { Settings } from '../schema.ts';
import { adminTcp } from './admin.ts';

/** Addresses that clash, and what is believed of nobody. */
export function checkListeners(settings: Settings, clean: Clean): Finding[] {
  const findings: Finding[] = [];
  const admin = adminTcp(settings, clean);
  settings.listeners.forEach(({ address, proxyProtocol, trustedProxies }, i) => {
    if (proxyProtocol !== false && trustedProxies.length === 0 && clean('listeners', i)) {
      const message = 'is believed of nobody; name the balancers that send it as `trustedProxies`';
      findings.push({ path: ['listeners', i, 'proxyProtocol'], message });
    }
    const path: Path = ['listeners', i, 'address'];
    if (!clean(...path)) return;
    const other = settings.listeners.findIndex((before) => overlaps(before.address, address));
    // -1: port 0 takes a free one each time and overlaps with nothing, itself included.
    if (other !== -1 && other < i) {
      findings.push({
        path,
        message: `${formatAddress(address)} is taken by listeners[${other}]; give each listener its own address and port`,
      });
    }
    if (admin !== null && overlaps(admin, address)) {
      findings.push({
        path,
        message: `${formatAddress(address)} is the admin address; give the listener another port`,
      });
    }
  });
  return findings;
}
