import { adminTcp, checkAdmin } from './checks/admin.ts';
import { checkListeners } from './checks/listeners.ts';
import { checkRoutes } from './checks/routes.ts';
import { checkService } from './checks/service.ts';
import { checkConnections } from './connections-schema.ts';
import { checkReferences } from './guards/references.ts';
import { DEFAULT_PLAN, mergePlan } from './plan-schema.ts';
import type { Clean, Finding, Path } from './problem.ts';
import type { Settings } from './schema.ts';
import { suggest } from './suggest.ts';

/** What no single value shows: names that resolve, addresses and routes that clash, weights that add up. */
export function checkSettings(settings: Settings, clean: Clean): Finding[] {
  const findings: Finding[] = [];
  findings.push(...checkListeners(settings, clean), ...checkAdmin(settings, clean));
  if (clean('services') && Object.keys(settings.services).length === 0) {
    findings.push({ path: ['services'], message: 'is empty; name at least one service' });
  }
  findings.push(...checkRoutes(settings, clean));
  const admin = adminTcp(settings, clean);
  if (clean('webhooks') && clean('notifications') && clean('prometheus') && clean('services')) {
    const services = Object.keys(settings.services);
    const externalUrl = settings.admin.externalUrl !== undefined || !clean('admin');
    findings.push(...checkConnections(settings, { services, admin, externalUrl }));
  }
  for (const [name, service] of Object.entries(settings.services)) {
    const here = ['services', name];
    const cleanHere: Clean = (...path) => clean(...here, ...path);
    findings.push(
      ...checkService(service, admin, cleanHere).map((finding) => ({ ...finding, path: [...here, ...finding.path] })),
    );
  }
  findings.push(...checkGroups(settings, clean));
  if (clean('prometheus') && clean('webhooks')) {
    const isRight = (service: string) =>
      clean('services', service, 'rollout') && !findings.some(({ path }) => isOfPlan(path, service));
    findings.push(...checkPlanReferences(settings, isRight));
  }
  return findings;
}

/** Groups of services that are not there, or twice. */
function checkGroups({ groups, services }: Settings, clean: Clean): Finding[] {
  const names = Object.keys(services);
  return Object.entries(groups).flatMap(([group, members]) =>
    members.services.flatMap((service, i): Finding[] => {
      const path: Path = ['groups', group, 'services', i];
      if (!clean(...path) || !clean('services')) return [];
      if (members.services.indexOf(service) < i) return [{ path, message: `${service} is there twice; remove one` }];
      if (names.includes(service)) return [];
      const meant = suggest(service, names);
      const mend = meant === null ? `write one of ${names.join(', ')}` : `did you mean ${meant}?`;
      return [{ path, message: `there is no service ${service}; ${mend}` }];
    }),
  );
}

function isOfPlan([section, name, key]: Path, service: string): boolean {
  return section === 'services' && name === service && key === 'rollout';
}

/** Plans name those whom they ask. For plans without other mistakes, which alone can be merged. */
function checkPlanReferences(
  { services, prometheus, webhooks }: Settings,
  isRight: (service: string) => boolean,
): Finding[] {
  const signed = Object.keys(webhooks).filter((name) => webhooks[name]?.secret !== undefined);
  const known = { prometheus: Object.keys(prometheus), webhooks: Object.keys(webhooks), signed };
  const right = Object.entries(services).filter(([name]) => isRight(name));
  return right.flatMap(([name, { rollout }]) =>
    checkReferences(mergePlan(rollout, DEFAULT_PLAN), known).map((finding) => ({
      ...finding,
      path: ['services', name, 'rollout', ...finding.path],
    })),
  );
}
