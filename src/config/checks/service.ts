import { type Address, formatAddress } from '../address.ts';
import type { PreviewConfig } from '../config.ts';
import { checkOutliers } from '../outliers-schema.ts';
import { checkPlan, DEFAULT_PLAN } from '../plan-schema.ts';
import type { Clean, Finding } from '../problem.ts';
import type { ServiceSettings } from '../schema.ts';
import { suggest } from '../suggest.ts';
import { parseTargetUrl, reachesAdmin } from '../target-url.ts';

/** What a service says of itself that does not go together; paths begin within it. `admin`: null for none. */
export function checkService(service: ServiceSettings, admin: Address | null, clean: Clean): Finding[] {
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
