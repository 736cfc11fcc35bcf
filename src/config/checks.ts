import { type Address, formatAddress, isLoopback, overlaps } from './address.ts';
import type { PreviewConfig } from './config.ts';
import { checkConnections, connectionWarnings } from './connections-schema.ts';
import { checkReferences } from './guards/references.ts';
import { checkOutliers } from './outliers-schema.ts';
import { checkPlan, DEFAULT_PLAN, mergePlan, planWarnings } from './plan-schema.ts';
import type { Finding, Path } from './problem.ts';
import type { ServiceSettings, Settings } from './schema.ts';
import { suggest } from './suggest.ts';
import { parseTargetUrl, reachesAdmin } from './target-url.ts';

const SHORTEST_TOKEN = 16;

/** Whether all at and under a path is as the file has it. */
type Clean = (...path: Path) => boolean;

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
  if (findings.length === 0 && clean('services') && clean('prometheus') && clean('webhooks')) {
    findings.push(...checkPlanReferences(settings));
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

/** Plans name those whom they ask. For settings without other mistakes, which alone can be merged. */
function checkPlanReferences({ services, prometheus, webhooks }: Settings): Finding[] {
  const signed = Object.keys(webhooks).filter((name) => webhooks[name]?.secret !== undefined);
  const known = { prometheus: Object.keys(prometheus), webhooks: Object.keys(webhooks), signed };
  return Object.entries(services).flatMap(([name, { rollout }]) =>
    checkReferences(mergePlan(rollout, DEFAULT_PLAN), known).map((finding) => ({
      ...finding,
      path: ['services', name, 'rollout', ...finding.path],
    })),
  );
}

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

function checkListeners(settings: Settings, clean: Clean): Finding[] {
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

function checkAdmin(settings: Settings, clean: Clean): Finding[] {
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

function adminTcp(settings: Settings, clean: Clean): Address | null {
  const { address } = settings.admin;
  return clean('admin', 'address') && address.kind === 'tcp' ? address : null;
}

/** Two services, or one twice, that match the same host and path. */
function checkRoutes(settings: Settings, clean: Clean): Finding[] {
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

function checkService(service: ServiceSettings, admin: Address | null, clean: Clean): Finding[] {
  const findings: Finding[] = [];
  const names = Object.keys(service.upstreams);
  if (clean('upstreams')) findings.push(...checkWeights(service));
  if (
    clean('upstreams') &&
    clean('stable') &&
    service.stable !== undefined &&
    names.length > 0 &&
    !names.includes(service.stable)
  ) {
    const meant = suggest(service.stable, names);
    const mend = meant === null ? `write one of ${names.join(', ')}` : `did you mean ${meant}?`;
    findings.push({ path: ['stable'], message: `there is no upstream ${service.stable}; ${mend}` });
  }
  for (const [name, upstream] of Object.entries(service.upstreams)) {
    if (!clean('upstreams', name)) continue;
    findings.push(
      ...checkTargets(upstream.targets, admin).map((finding) => ({
        ...finding,
        path: ['upstreams', name, 'targets', ...finding.path],
      })),
    );
    if (upstream.targets.length === 0 && upstream.weight > 0) {
      findings.push({
        path: ['upstreams', name, 'targets'],
        message: `is empty while the weight is ${upstream.weight}; give a target, or weight 0`,
      });
    }
  }
  if (clean('health')) findings.push(...checkHealth(service, clean));
  if (clean('preview') && service.preview !== null && asksForNothing(service.preview)) {
    findings.push({ path: ['preview'], message: 'asks for nothing; give `header`, `cookie` or `hosts`, or none' });
  }
  if (clean('outliers')) {
    findings.push(
      ...checkOutliers(service.outliers).map((finding) => ({ ...finding, path: ['outliers', ...finding.path] })),
    );
  }
  // A strategy that cannot be read says nothing about what belongs to it; stages that cannot be read are not there.
  if (clean('rollout', 'strategy')) {
    findings.push(
      ...checkPlan(service.rollout, DEFAULT_PLAN).map((finding) => ({
        ...finding,
        path: ['rollout', ...finding.path],
      })),
    );
  }
  return findings;
}

function checkHealth({ health, upstreams }: ServiceSettings, clean: Clean): Finding[] {
  if (health === 'none') return [];
  const { path, grpc, status } = health;
  if (grpc === undefined) {
    const message = 'asks for nothing; give `path`, such as /healthz, or `grpc: {}` for the health service of gRPC';
    return path === undefined ? [{ path: ['health'], message }] : [];
  }
  const findings: Finding[] = [];
  if (path !== undefined) {
    findings.push({ path: ['health', 'grpc'], atKey: true, message: 'cannot go with `path`; remove one of them' });
  }
  if (status !== undefined) {
    const message = 'is a matter of `path`: with `grpc` a good answer is SERVING; remove it';
    findings.push({ path: ['health', 'status'], atKey: true, message });
  }
  for (const [name, { targets }] of Object.entries(upstreams)) {
    if (clean('upstreams', name)) findings.push(...targets.flatMap((target, i) => checkGrpcTarget(target, name, i)));
  }
  return findings;
}

function checkGrpcTarget(target: string, upstream: string, i: number): Finding[] {
  if (parseTargetUrl(target).http2) return [];
  const { host, port, secure } = parseTargetUrl(target);
  const mend = `write ${secure ? 'h2' : 'h2c'}://${formatAddress({ host, port })}, or check a \`path\``;
  const message = `${target} is asked by HTTP/1.1, and its health by gRPC, which is HTTP/2; ${mend}`;
  return [{ path: ['upstreams', upstream, 'targets', i], message }];
}

function asksForNothing({ header, cookie, hosts }: PreviewConfig): boolean {
  return header === null && cookie === null && hosts.length === 0;
}

function checkWeights(service: ServiceSettings): Finding[] {
  const upstreams = Object.values(service.upstreams);
  if (upstreams.length === 0) return [{ path: ['upstreams'], message: 'is empty; name at least one upstream' }];
  if (upstreams.some((upstream) => upstream.weight > 0)) return [];
  return [
    {
      path: ['upstreams'],
      atKey: true,
      message: 'the weights add up to 0, so no request could be answered; give one a weight',
    },
  ];
}

/** Targets of one upstream: none twice, and none that is the admin endpoint. Paths begin with the index. */
export function checkTargets(targets: readonly string[], admin: Address | null): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  targets.forEach((target, i) => {
    if (seen.has(target))
      findings.push({
        path: [i],
        message: `${target} is there twice; remove one`,
      });
    seen.add(target);
    if (admin !== null && reachesAdmin(parseTargetUrl(target), admin)) {
      findings.push({ path: [i], message: `${target} is the admin address; requests are never sent there` });
    }
  });
  return findings;
}
