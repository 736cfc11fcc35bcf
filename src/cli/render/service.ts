import type { ServiceView, TargetView, UpstreamView } from '../../app/control-plane.ts';
import { printable } from '../../config/problem.ts';
import { ENDED, type Rollout } from '../../rollout/rollout.ts';
import { bar, type Cell, type Paint, table } from '../style.ts';
import { latency, percent, shortDuration } from './numbers.ts';
import { evidenceLines, holdLine, phaseFormat, rolloutFields, rolloutLine } from './rollout.ts';

const BAR_CELLS = 20;

/** What each upstream did since the reading before, by name; known only while watching. */
export type Rates = Readonly<Record<string, Rate>>;

export interface Rate {
  readonly requestsPerS: number;
  /** Of its attempts, 0 to 1; null when there was none. */
  readonly errorShare: number | null;
}

/** A service as a table with bars, for a terminal. */
export function serviceTable(service: ServiceView, paint: Paint, rates: Rates | null): string[] {
  const upstreams = Object.values(service.upstreams);
  const total = totalWeight(upstreams);
  const header = [
    '',
    'UPSTREAM',
    'ROLE',
    '',
    'SHARE',
    ...(rates === null ? [] : ['REQ/S', 'ERR NOW']),
    ...NUMBERS,
    'TARGETS',
  ];
  const rows = [
    header.map((text): Cell => ({ text, format: 'dim', ...(RIGHT.has(text) ? { align: 'right' as const } : {}) })),
    ...upstreams.map((upstream) => upstreamRow(upstream, total, rates)),
  ];
  return [
    `${paint('bold', service.name)}  ${paint('dim', describeMatch(service))}`,
    ...table(rows, paint),
    ...upstreams.flatMap((upstream) => drainLines(upstream, paint)),
    ...upstreams.flatMap((upstream) => sickTargets(upstream, paint)),
    ...upstreams.flatMap((upstream) => warmLines(upstream, paint)),
    ...(service.rollout === null ? [] : rolloutSummary(service.rollout, paint)),
    ...overrideLines(service, paint),
  ];
}

/** A service as lines of fields, for a pipe: one per upstream, and one for the rollout if there is one. */
export function servicePlain(service: ServiceView): string[] {
  const upstreams = Object.values(service.upstreams);
  const total = totalWeight(upstreams);
  const lines = upstreams.map((upstream) => {
    const { admin, inFlight, upgrades, pins, requests, errors } = upstream;
    return (
      `service=${service.name} upstream=${upstream.name} role=${upstream.role} weight=${upstream.weight} ` +
      `share=${share(upstream, total).toFixed(4)} admin=${admin} in_flight=${inFlight} upgrades=${upgrades} ` +
      `pins=${pins} requests=${requests} errors=${errors} p50_ms=${upstream.latencyMs.p50.toFixed(1)} ` +
      `p99_ms=${upstream.latencyMs.p99.toFixed(1)}${recentFields(upstream)} targets=${usable(upstream)}/${upstream.targets.length}` +
      (upstream.warm === undefined ? '' : ` warm_ms=${Math.round(upstream.warm.leftMs)}`)
    );
  });
  return service.rollout === null ? lines : [...lines, `service=${service.name} ${rolloutFields(service.rollout)}`];
}

/** `blue 95 %, green 5 %`. */
export function weightsText(service: ServiceView): string {
  const upstreams = Object.values(service.upstreams);
  const total = totalWeight(upstreams);
  return upstreams.map((upstream) => `${upstream.name} ${percent(share(upstream, total))}`).join(', ');
}

const NUMBERS = ['IN FLIGHT', 'REQUESTS', 'ERRORS', 'P50 NOW', 'P99 NOW'];
const RIGHT = new Set(['SHARE', 'REQ/S', 'ERR NOW', ...NUMBERS]);

function upstreamRow(upstream: UpstreamView, total: number, rates: Rates | null): Cell[] {
  const part = share(upstream, total);
  const right = (text: string): Cell => ({ text, align: 'right' });
  const good = usable(upstream) === upstream.targets.length;
  const recent = recentOf(upstream);
  return [
    { text: upstream.role === 'candidate' ? '▶' : ' ', format: 'cyan' },
    { text: upstream.name, format: 'bold' },
    { text: roleText(upstream) },
    { text: bar(part, BAR_CELLS), format: upstream.role === 'candidate' ? 'green' : 'blue' },
    right(percent(part)),
    ...(rates === null ? [] : rateCells(rates[upstream.name])),
    right(String(upstream.inFlight + upstream.upgrades)),
    right(String(upstream.requests)),
    { text: errorShare(upstream), align: 'right', ...(upstream.errors > 0 ? { format: 'red' as const } : {}) },
    right(recent === null ? '-' : latency(recent.p50)),
    right(recent === null ? '-' : latency(recent.p99)),
    { text: `${usable(upstream)} of ${upstream.targets.length} usable`, format: good ? 'green' : 'red' },
  ];
}

/** Empty for one that has a share of the traffic and is neither stable nor a candidate: idle it is not. */
function roleText({ admin, role, weight }: UpstreamView): string {
  if (admin === 'draining') return admin;
  return role === 'idle' && weight > 0 ? '' : role;
}

/** Nothing without a request in the last minute. */
function recentFields(upstream: UpstreamView): string {
  const recent = recentOf(upstream);
  return recent === null ? '' : ` recent_p50_ms=${recent.p50.toFixed(1)} recent_p99_ms=${recent.p99.toFixed(1)}`;
}

/** A gate of an earlier version says nothing of it. */
function recentOf(upstream: Partial<UpstreamView>): UpstreamView['recentLatencyMs'] {
  return upstream.recentLatencyMs ?? null;
}

function describeMatch(service: ServiceView): string {
  const hosts = service.hosts.length === 0 ? 'any host' : service.hosts.join(', ');
  return `${hosts}  ${service.paths.join(', ')}  version ${service.version}`;
}

function drainLines(upstream: UpstreamView, paint: Paint): string[] {
  const { drain, inFlight, upgrades, pins } = upstream;
  if (drain === null) return [];
  if (drain.drained) return [paint('dim', `  ${upstream.name} is drained`)];
  return [paint('yellow', `  ${upstream.name} drains: ${inFlight} in flight, ${upgrades} upgraded, ${pins} pins left`)];
}

function sickTargets(upstream: UpstreamView, paint: Paint): string[] {
  return upstream.targets
    .filter((target) => !isUsable(target))
    .map((target) => paint('yellow', `  ${upstream.name} ${target.url} ${targetState(target)}`));
}

function targetState(target: TargetView): string {
  const facts: string[] = [target.health];
  if (target.admin !== 'enabled') facts.push(target.admin);
  if (target.ejection.ejected) facts.push('ejected');
  const probe = target.probes[0];
  return probe === undefined || probe.ok ? facts.join(', ') : `${facts.join(', ')}: ${printable(probe.detail)}`;
}

/** Where the rollout is; while it runs, with what is left of its stage and what speaks against the candidate. */
function rolloutSummary(rollout: Rollout, paint: Paint): string[] {
  const group = rollout.group === undefined ? '' : `group ${rollout.group.name} `;
  const line = `  rollout ${group}${paint(phaseFormat(rollout.position.phase), rolloutLine(rollout))}`;
  if (ENDED.has(rollout.position.phase)) return [line];
  const hold = holdLine(rollout);
  return [line, ...(hold === null ? [] : [hold]), ...evidenceLines(rollout, paint)];
}

function rateCells(rate: Rate | undefined): Cell[] {
  const { requestsPerS = 0, errorShare = null } = rate ?? {};
  const failing = errorShare !== null && errorShare > 0;
  return [
    { text: String(Math.round(requestsPerS)), align: 'right' },
    {
      text: errorShare === null ? '-' : percent(errorShare),
      align: 'right',
      ...(failing ? { format: 'red' as const } : {}),
    },
  ];
}

function warmLines({ name, warm }: UpstreamView, paint: Paint): string[] {
  if (warm === undefined) return [];
  return [
    paint(
      'yellow',
      `  ${name} is kept warm for ${shortDuration(warm.leftMs)} more: \`tealgate undo\` goes back at once`,
    ),
  ];
}

function overrideLines(service: ServiceView, paint: Paint): string[] {
  if (service.overrides.length === 0) return [];
  return [paint('dim', `  changed at run time, holds against the file: ${service.overrides.join(', ')}`)];
}

function totalWeight(upstreams: readonly UpstreamView[]): number {
  return upstreams.reduce((sum, upstream) => sum + upstream.weight, 0);
}

function share(upstream: UpstreamView, total: number): number {
  return total === 0 ? 0 : upstream.weight / total;
}

function errorShare(upstream: UpstreamView): string {
  return upstream.trials === 0 ? '-' : percent(upstream.errors / upstream.trials);
}

function usable(upstream: UpstreamView): number {
  return upstream.targets.filter(isUsable).length;
}

function isUsable(target: TargetView): boolean {
  return (
    (target.health === 'healthy' || target.health === 'trusted') &&
    target.admin === 'enabled' &&
    !target.ejection.ejected
  );
}
