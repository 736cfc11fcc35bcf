import type { Config, ServiceConfig } from '../config/config.ts';
import { parseTargetUrl } from '../config/target-url.ts';
import { TRUST_SYSTEM } from '../platform/tls.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type {
  Fuse,
  PinPolicy,
  RoutingSnapshot,
  ServiceRoute,
  TargetRoute,
  UpstreamRoute,
} from '../traffic/snapshot.ts';
import { desiredService, type EffectiveService, type EffectiveUpstream } from './desired/effective.ts';
import { runningRollout } from './desired/rollouts.ts';
import type { DesiredState } from './desired.ts';
import type { Registry, ServiceEntry, TargetEntry, UpstreamEntry } from './registry.ts';

/** What a snapshot is made of. `registry` has been synced with `config` and `effective`. */
export interface SnapshotInput {
  readonly config: Config;
  readonly desired: DesiredState;
  readonly effective: ReadonlyMap<string, EffectiveService>;
  readonly registry: Registry;
  /** Whether health and outlier detection let a target take requests. */
  readonly eligible: (targetId: number) => boolean;
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
  // Once the candidate is promoted and the old side drains, there is nothing left to judge.
  const judged = rollout !== null && rollout.position.phase !== 'draining';
  return {
    id: entry.id,
    name: config.name,
    hosts: config.hosts,
    paths: config.paths,
    upstreams: Object.entries(effective?.upstreams ?? {}).flatMap(([name, upstream]) => {
      const known = entry.upstreams.get(name);
      return known === undefined ? [] : [upstreamRoute(input, entry, known, upstream)];
    }),
    stable: effective?.stable ?? config.stable,
    candidate: judged ? rollout.to : null,
    salt: rollout === null ? config.name : `${config.name}/${rollout.id}`,
    pins: pinPolicy(config, input.desired),
    timeouts: config.timeouts,
    retries: config.retries,
    // What all services share is not sent with each: the workers would take it for settings of its own.
    ...(config.tls === TRUST_SYSTEM ? {} : { tls: config.tls }),
    expose: config.expose,
    fuse: judged ? input.fuse(rollout) : null,
    ledger: entry.ledger,
  };
}

function upstreamRoute(
  input: SnapshotInput,
  service: ServiceEntry,
  entry: UpstreamEntry,
  effective: EffectiveUpstream,
): UpstreamRoute {
  return {
    id: entry.id,
    name: entry.name,
    weight: effective.weight,
    admin: effective.admin,
    pinEpoch: effective.pinEpoch,
    targets: effective.targets.flatMap((url) => {
      const target = entry.targets.get(url);
      if (target === undefined) return [];
      const eligible = effective.admin === 'enabled' && input.eligible(target.id);
      return [targetRoute(service, entry, target, eligible)];
    }),
    ledger: entry.ledger,
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
  return { id: target.id, url: target.url, host, port, eligible, closing, ledger: target.ledger };
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
