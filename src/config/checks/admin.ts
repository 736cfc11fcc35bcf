import { type Address, formatAddress, isLoopback } from '../address.ts';
import type { Clean, Finding } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** An admin endpoint that is open, and tokens that are one another's. */
export function checkAdmin(settings: Settings, clean: Clean): Finding[] {
  const findings: Finding[] = [];
  const { address, tokens } = settings.admin;
  if (
    clean('admin', 'address') &&
    clean('admin', 'tokens') &&
    address.kind === 'tcp' &&
    tokens.length === 0 &&
    !isLoopback(address.host)
  ) {
    const message = `${formatAddress(address)} can be reached from elsewhere, and there are no tokens; add \`tokens\`, or use 127.0.0.1:${address.port}`;
    findings.push({ path: ['admin', 'address'], message });
  }
  if (settings.admin.externalUrl !== undefined && tokens.length === 0 && clean('admin', 'tokens')) {
    const message = 'needs `tokens`: without any, whoever comes in by it comes from this machine and may do everything';
    findings.push({ path: ['admin', 'externalUrl'], atKey: true, message });
  }
  const [names, secrets] = [new Set<string>(), new Set<string>()];
  tokens.forEach(({ name, token }, i) => {
    if (names.has(name)) {
      const message = `${name} is there twice; the audit trail needs a name for each token`;
      findings.push({ path: ['admin', 'tokens', i, 'name'], message });
    }
    if (secrets.has(token) && clean('admin', 'tokens')) {
      findings.push({
        path: ['admin', 'tokens', i, 'token'],
        message: 'is the token of another name as well; give each its own',
      });
    }
    names.add(name);
    secrets.add(token);
  });
  return findings;
}

/** Null where it is no TCP address, or not as the file has it. */
export function adminTcp(settings: Settings, clean: Clean): Address | null {
  const { address } = settings.admin;
  return clean('admin', 'address') && address.kind === 'tcp' ? address : null;
}
