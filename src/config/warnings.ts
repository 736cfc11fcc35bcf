import { connectionWarnings } from './connections-schema.ts';
import { planWarnings } from './plan-schema.ts';
import type { Finding } from './problem.ts';
import type { ServiceSettings, Settings } from './schema.ts';
import { parseTargetUrl } from './target-url.ts';

const SHORTEST_TOKEN = 16;

/** What is allowed but likely not meant. For settings without mistakes. */
export function warnAbout(settings: Settings): Finding[] {
  const findings: Finding[] = [];
  settings.admin.tokens.forEach(({ token }, i) => {
    if (token.length >= SHORTEST_TOKEN) return;
    findings.push({
      path: ['admin', 'tokens', i, 'token'],
      message: `is short enough to be guessed; use ${SHORTEST_TOKEN} characters or more`,
    });
  });
  for (const [name, { secret }] of Object.entries(settings.webhooks)) {
    if (secret === undefined || secret.length >= SHORTEST_TOKEN) continue;
    const message = `is short enough to be guessed; use ${SHORTEST_TOKEN} characters or more`;
    findings.push({ path: ['webhooks', name, 'secret'], message });
  }
  findings.push(...connectionWarnings(settings));
  for (const [name, service] of Object.entries(settings.services)) {
    findings.push(
      ...tlsWarnings(service).map((finding) => ({ ...finding, path: ['services', name, ...finding.path] })),
    );
    findings.push(
      ...planWarnings(service.rollout).map((finding) => ({
        ...finding,
        path: ['services', name, 'rollout', ...finding.path],
      })),
    );
  }
  return findings;
}

function tlsWarnings({ tls, upstreams }: ServiceSettings): Finding[] {
  const { verify, ca, cert, serverName } = tls;
  const isSaid = !verify || ca !== undefined || cert !== undefined || serverName !== undefined;
  const targets = Object.values(upstreams).flatMap((upstream) => upstream.targets);
  if (isSaid && targets.length > 0 && !targets.some((target) => parseTargetUrl(target).secure))
    return [{ path: ['tls'], atKey: true, message: 'is not used: no target is https://host:port or h2://host:port' }];
  if (verify) return [];
  const mend = 'name the authority that signed them as `ca`, or the targets as `serverName`';
  const message = `any certificate will do, so whoever is in between can read and change what passes; ${mend}`;
  return [{ path: ['tls', 'verify'], message }];
}
