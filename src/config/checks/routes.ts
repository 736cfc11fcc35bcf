import type { Clean, Finding, Path } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** Two services, or one twice, that match the same host and path. */
export function checkRoutes(settings: Settings, clean: Clean): Finding[] {
  const findings: Finding[] = [];
  const owners = new Map<string, string>();
  for (const [name, { hosts, paths }] of Object.entries(settings.services)) {
    if (!clean('services', name, 'hosts') || !clean('services', name, 'paths')) continue;
    for (const [i, host] of (hosts.length === 0 ? ['any host'] : hosts).entries()) {
      for (const [j, prefix] of paths.entries()) {
        const route = `${host} ${prefix}`;
        const owner = owners.get(route);
        owners.set(route, owner ?? name);
        if (owner === undefined) continue;
        const what =
          owner === name
            ? 'is there twice; remove one'
            : `is matched by services ${owner} and ${name} alike; change the host or path of one`;
        findings.push({
          path: routePath(name, hosts.length, i, paths.length > 1 ? j : null),
          message: `${host} with path ${prefix} ${what}`,
        });
      }
    }
  }
  return [...findings, ...checkPreviewHosts(settings, clean, owners)];
}

/** A preview host belongs to one service, and means the candidate alone. */
function checkPreviewHosts(settings: Settings, clean: Clean, owners: Map<string, string>): Finding[] {
  const findings: Finding[] = [];
  for (const [name, { preview, paths }] of Object.entries(settings.services)) {
    if (preview === null || !clean('services', name, 'preview') || !clean('services', name, 'paths')) continue;
    for (const [i, host] of preview.hosts.entries()) {
      const taken = paths.map((prefix) => `${host} ${prefix}`).find((route) => owners.has(route));
      if (taken !== undefined) {
        const message = `${host} belongs to service ${owners.get(taken)}; give the preview a host of its own`;
        findings.push({ path: ['services', name, 'preview', 'hosts', i], message });
      }
      for (const prefix of paths) owners.set(`${host} ${prefix}`, name);
    }
  }
  return findings;
}

function routePath(service: string, hosts: number, host: number, path: number | null): Path {
  if (path !== null) return ['services', service, 'paths', path];
  return hosts > 0 ? ['services', service, 'hosts', host] : ['services', service];
}
