import type { Config, PreviewConfig, ServiceConfig } from '../config/config.ts';
import { DEFAULT_MIRROR } from '../config/mirror-schema.ts';
import { parseTargetUrl } from '../config/target-url.ts';
import { TRUST_SYSTEM } from '../platform/tls.ts';
import { mirrorShare, type Rollout } from '../rollout/rollout.ts';
import { eligibleTargets, type Standing } from '../traffic/outliers.ts';
import type {
  Fuse,
  MirrorRoute,
  PinPolicy,
  PreviewRoute,
  RoutingSnapshot,
  ServiceRoute,
  TargetRoute,
  UpstreamRoute,
} from '../traffic/snapshot.ts';
import { rulesInForce } from './counting.ts';
import { desiredService, type EffectiveService, type EffectiveUpstream } from './desired/effective.ts';
import { judgedRollout, runningRollout } from './desired/rollouts.ts';
import type { DesiredState } from './desired.ts';
import type { Registry, ServiceEntry, TargetEntry, UpstreamEntry } from './registry.ts';

/** What a snapshot is made of. `registry` has been synced with `config` and `effective`. */
export interface SnapshotInput {
  readonly config: Config;
  readonly desired: DesiredState;
  readonly effective: ReadonlyMap<string, EffectiveService>;
  readonly registry: Registry;
  /** What health checks and outlier detection hold of a target. */
  readonly standing: (targetId: number) => Standing;
  /** Monotonic. */
  readonly nowMs: number;
  /** The brake of a service's candidate while its rollout is under way. */
  readonly fuse: (rollout: Rollout) => Fuse | null;
}

/** Builds the next snapshot. Services that did not change are the same objects as in `previous`. */
export function buildSnapshot(
  input: SnapshotInput,
  version: number,
  previous: RoutingSnapshot | null,
): RoutingSnapshot {
  const before = new Map(previous?.services.map((route) => [route.id, route]));
  const services = Object.values(input.config.services).flatMap((config) => {
    const entry = input.registry.service(config.name);
    if (entry === undefined) return [];
    const route = serviceRoute(input, config, entry);
    const earlier = before.get(route.id);
    return [earlier !== undefined && sameRoute(earlier, route) ? earlier : route];
  });
  return { version, services, retired: retiredTargets(input.registry) };
}

/** Whether a worker that has `a` would do the same with `b`. */
export function sameSnapshot(a: RoutingSnapshot, b: RoutingSnapshot): boolean {
  if (a.services.length !== b.services.length || !sameRoute(a.retired, b.retired)) return false;
  return a.services.every((route, i) => route === b.services[i]);
}

const printed = new WeakMap<object, string>();

// Routes are plain data and their keys always in the same order; ids stand for the ledger blocks, which print as {}.
function sameRoute(a: object, b: object): boolean {
  return print(a) === print(b);
}

/** Kept, since a route that stays is compared with every snapshot to come. */
function print(route: object): string {
  const known = printed.get(route) ?? JSON.stringify(route);
  printed.set(route, known);
  return known;
}

function serviceRoute(input: SnapshotInput, config: ServiceConfig, entry: ServiceEntry): ServiceRoute {
  const effective = input.effective.get(config.name);
  const rollout = runningRollout(desiredService(input.desired, config.name));
  const judged = judgedRollout(desiredService(input.desired, config.name));
  const mirror = rollout === null ? null : mirrorRoute(rollout);
  const counting = rulesInForce(config, judged);
  return {
    id: entry.id,
    name: config.name,
    hosts: config.hosts,
    paths: config.paths,
    upstreams: Object.entries(effective?.upstreams ?? {}).flatMap(([name, upstream]) => {
      const known = entry.upstreams.get(name);
      return known === undefined
        ? []
        : [upstreamRoute(input, { config, service: entry, entry: known, counts: counting.length > 0 }, upstream)];
    }),
    stable: effective?.stable ?? config.stable,
    candidate: judged?.to ?? null,
    salt: rollout === null ? config.name : `${config.name}/${rollout.id}`,
    pins: pinPolicy(config, input.desired),
    timeouts: config.timeouts,
    retries: config.retries,
    limits: limitsOf(config, input.config.workers),
    streakLimit: config.outliers?.consecutive ?? 0,
    // What all services share is not sent with each: the workers would take it for settings of its own.
    ...(config.tls === TRUST_SYSTEM ? {} : { tls: config.tls }),
    expose: config.expose,
    ...(mirror === null ? {} : { mirror }),
    ...(config.preview === null ? {} : { preview: previewRoute(config.preview, effective, rollout) }),
    fuse: judged === null ? null : input.fuse(judged),
    ...(counting.length === 0 ? {} : { counting }),
    ...(config.business === null ? {} : { business: config.business }),
    ledger: entry.ledger,
  };
}

/** The candidate of the rollout under way; without one, the one upstream beside stable, if it is just one. */
function previewRoute(
  preview: PreviewConfig,
  effective: EffectiveService | undefined,
  rollout: Rollout | null,
): PreviewRoute {
  const others = Object.keys(effective?.upstreams ?? {}).filter((name) => name !== effective?.stable);
  const only = others.length === 1 ? (others[0] ?? null) : null;
  const candidate = rollout !== null && rollout.to !== effective?.stable ? rollout.to : only;
  return { candidate, ...preview };
}

/** While the rollout is in a stage that copies. */
function mirrorRoute(rollout: Rollout): MirrorRoute | null {
  const share = mirrorShare(rollout);
  return share === null ? null : { ...(rollout.plan.mirror ?? DEFAULT_MIRROR), to: rollout.to, share };
}

/** One worker's part: rounded up, so that each has one. */
function limitsOf({ limits }: ServiceConfig, workers: number): ServiceRoute['limits'] {
  const { inFlightPerTarget, queue, queueTimeoutMs } = limits;
  if (inFlightPerTarget === null) return null;
  return { inFlight: Math.ceil(inFlightPerTarget / workers), queue: Math.ceil(queue / workers), queueTimeoutMs };
}

interface UpstreamParts {
  readonly config: ServiceConfig;
  readonly service: ServiceEntry;
  readonly entry: UpstreamEntry;
  /** Guards count by rules of their own. */
  readonly counts: boolean;
}

function upstreamRoute(
  input: SnapshotInput,
  { config, service, entry, counts }: UpstreamParts,
  effective: EffectiveUpstream,
): UpstreamRoute {
  const targets = effective.targets.flatMap((url) => entry.targets.get(url) ?? []);
  const standings = targets.map(({ id }) => input.standing(id));
  const eligible = eligibleTargets(standings, config.outliers?.panic ?? 0);
  const isOpen = effective.admin === 'enabled';
  return {
    id: entry.id,
    name: entry.name,
    weight: effective.weight,
    admin: effective.admin,
    pinEpoch: effective.pinEpoch,
    targets: targets.map((target, i) => ({
      ...targetRoute(service, entry, target, isOpen && eligible[i] === true),
      warm: warmOf(target, config.slowStartMs, input.nowMs),
    })),
    ledger: entry.ledger,
    ...(counts ? { slots: input.registry.slotsOf(entry) } : {}),
  };
}

function targetRoute(
  service: ServiceEntry,
  upstream: UpstreamEntry,
  target: TargetEntry,
  eligible: boolean,
): TargetRoute {
  const closing = closingOf(service, upstream, target);
  const { host, port } = parseTargetUrl(target.url);
  return { id: target.id, url: target.url, host, port, eligible, warm: null, closing, ledger: target.ledger };
}

function warmOf({ backSinceMs }: TargetEntry, slowStartMs: number, nowMs: number): TargetRoute['warm'] {
  if (backSinceMs === null || nowMs >= backSinceMs + slowStartMs) return null;
  return { sinceMs: backSinceMs, untilMs: backSinceMs + slowStartMs };
}

/** A target that was already draining when it was removed keeps its deadline. */
function closingOf(service: ServiceEntry, upstream: UpstreamEntry, target: TargetEntry): TargetRoute['closing'] {
  const sinceMs = Math.min(upstream.drainingSinceMs ?? Infinity, target.removedSinceMs ?? Infinity);
  return sinceMs === Infinity ? null : { sinceMs, cutAtMs: sinceMs + service.drainTimeoutMs };
}

function retiredTargets(registry: Registry): TargetRoute[] {
  const retired: TargetRoute[] = [];
  for (const service of registry.services()) {
    for (const upstream of service.upstreams.values()) {
      for (const target of upstream.targets.values()) {
        if (target.removedSinceMs !== null) retired.push(targetRoute(service, upstream, target, false));
      }
    }
  }
  return retired;
}

function pinPolicy({ pins }: ServiceConfig, { pinKeys }: DesiredState): PinPolicy {
  return pins.by === 'cookie' ? { by: 'cookie', name: pins.name, maxAgeS: pins.maxAgeS, keys: pinKeys } : pins;
}
