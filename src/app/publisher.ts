import type { Config } from '../config/config.ts';
import type { Clock } from '../platform/clock.ts';
import { TRUST_SYSTEM } from '../platform/tls.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { Standing } from '../traffic/outliers.ts';
import type { RoutingSnapshot, ServiceRoute } from '../traffic/snapshot.ts';
import { desiredService, type EffectiveService, effectiveService } from './desired/effective.ts';
import { newestRollout } from './desired/rollouts.ts';
import type { DesiredState } from './desired.ts';
import type { Fuses } from './fuses.ts';
import type { CheckedTarget, HealthChecker } from './health/checker.ts';
import type { Outliers, WatchedUpstream } from './outliers.ts';
import { noteStanding, type Registry } from './registry.ts';
import { buildSnapshot, sameSnapshot } from './snapshot-builder.ts';

/** Turns what is desired and what is observed into the snapshots that workers serve, one version after the other. */
export interface Publisher {
  /** The next snapshot; null when it would be the same as the one before. */
  build(config: Config, desired: DesiredState): RoutingSnapshot | null;
  /** Every worker has the snapshot that was built last: from now on it is the one to be seen. */
  served(): void;
  /** Of the snapshot that is served; 0 before the first. */
  version(): number;
  /** Snapshot version of the last change that someone decided on; what is merely observed, like health, changes none. */
  serviceVersion(service: string): number;
}

export interface PublisherOptions {
  readonly registry: Registry;
  readonly health: HealthChecker;
  readonly outliers: Outliers;
  readonly fuses: Fuses;
  readonly clock: Clock;
}

interface ServiceRecord {
  readonly route: ServiceRoute;
  readonly rollout: Rollout | null;
  readonly decided: string;
  readonly version: number;
}

export function createPublisher({ registry, health, outliers, fuses, clock }: PublisherOptions): Publisher {
  let current: RoutingSnapshot | null = null;
  let records: ReadonlyMap<string, ServiceRecord> = new Map();
  let seen = { version: 0, records };

  const record = (route: ServiceRoute, desired: DesiredState, version: number): ServiceRecord => {
    const before = records.get(route.name);
    const rollout = newestRollout(desiredService(desired, route.name));
    if (before?.route === route && before.rollout === rollout) return before;
    const decided = decidedOf(route, rollout);
    return { route, rollout, decided, version: before?.decided === decided ? before.version : version };
  };

  return {
    build(config, desired) {
      const effective = effectiveServices(config, desired);
      registry.sync(config, effective, clock.monotonicMs());
      registry.forgetEmpty();
      health.update(checkedTargets(config, effective, registry));
      outliers.update(watchedUpstreams(config, effective, registry));
      const standing = (id: number): Standing => {
        const { ejected, failing } = outliers.state(id);
        return { healthy: health.health(id) !== 'unhealthy', ejected, failing };
      };
      const nowMs = clock.monotonicMs();
      noteStandings(registry, standing, nowMs);
      const input = { config, desired, effective, registry, standing, nowMs, fuse: fuses.of };
      const version = (current?.version ?? 0) + 1;
      const next = buildSnapshot(input, version, current);
      const nextRecords = new Map(next.services.map((route) => [route.name, record(route, desired, version)]));
      const decided = [...nextRecords.values()].some((service) => service.version === version);
      if (current !== null && !decided && sameSnapshot(current, next)) return null;
      current = next;
      records = nextRecords;
      return next;
    },
    served() {
      seen = { version: current?.version ?? 0, records };
    },
    version: () => seen.version,
    serviceVersion: (service) => seen.records.get(service)?.version ?? 0,
  };
}

/** What was decided about a service: its route without what is observed or follows by itself, and its rollout's place. */
function decidedOf(route: ServiceRoute, rollout: Rollout | null): string {
  const { fuse: _, upstreams, ...rest } = route;
  const plain = upstreams.map((upstream) => ({ ...upstream, targets: upstream.targets.map(({ url }) => url) }));
  const position = rollout?.position;
  const stage = position !== undefined && 'stage' in position ? position.stage : null;
  return JSON.stringify([rest, plain, rollout?.id, position?.phase, stage]);
}

function effectiveServices(config: Config, desired: DesiredState): Map<string, EffectiveService> {
  const services = Object.values(config.services);
  return new Map(
    services.map((service) => [service.name, effectiveService(service, desiredService(desired, service.name))]),
  );
}

function checkedTargets(
  config: Config,
  effective: ReadonlyMap<string, EffectiveService>,
  registry: Registry,
): CheckedTarget[] {
  const targets: CheckedTarget[] = [];
  for (const [service, { upstreams }] of effective) {
    const { health = null, tls = TRUST_SYSTEM } = config.services[service] ?? {};
    for (const [upstream, { targets: urls }] of Object.entries(upstreams)) {
      const entries = registry.service(service)?.upstreams.get(upstream)?.targets;
      for (const url of urls) {
        const entry = entries?.get(url);
        if (entry !== undefined) targets.push({ id: entry.id, url, tls, service, upstream, health });
      }
    }
  }
  return targets;
}

function noteStandings(registry: Registry, standing: (id: number) => Standing, nowMs: number): void {
  for (const { upstreams } of registry.services()) {
    for (const { targets } of upstreams.values()) {
      for (const target of targets.values()) {
        const { healthy, ejected } = standing(target.id);
        noteStanding(target, !healthy || ejected, nowMs);
      }
    }
  }
}

function watchedUpstreams(
  config: Config,
  effective: ReadonlyMap<string, EffectiveService>,
  registry: Registry,
): WatchedUpstream[] {
  const watched: WatchedUpstream[] = [];
  for (const [service, { upstreams }] of effective) {
    const policy = config.services[service]?.outliers ?? null;
    if (policy === null) continue;
    for (const [upstream, { targets: urls }] of Object.entries(upstreams)) {
      const entries = registry.service(service)?.upstreams.get(upstream)?.targets;
      watched.push({ service, upstream, policy, targets: urls.flatMap((url) => entries?.get(url) ?? []) });
    }
  }
  return watched;
}
