import type { Deadlines } from '../http1/deadlines.ts';
import type { UpstreamLinks } from '../http1/upstream-link.ts';
import { UpstreamPool } from '../http1/upstream-pool.ts';
import { UpstreamTls } from '../http1/upstream-tls.ts';
import { UpstreamSessions } from '../http2/upstream-sessions.ts';
import { sameTls, type TargetTls, TRUST_SYSTEM } from '../platform/tls.ts';
import { FuseState } from '../traffic/fuse-state.ts';
import { SERVICE, SLOT, SLOTS, stripe, TARGET, UPSTREAM } from '../traffic/ledger.ts';
import { RetryBudget } from '../traffic/retry-budget.ts';
import { ServiceMatcher } from '../traffic/service-matcher.ts';
import type { RoutingSnapshot, ServiceRoute, TargetRoute, UpstreamRoute } from '../traffic/snapshot.ts';
import { type Weighted, WeightedPicker } from '../traffic/weighted-picker.ts';
import { type Counters, keepCounters } from './counters.ts';
import type { ReportField } from './exchange/reports.ts';
import { WaitingRoom } from './exchange/waiting-room.ts';
import { Mirror } from './mirror/mirror.ts';
import { hasPlace } from './pick.ts';

/** A target as this worker knows it: lives as long as its id stands in a snapshot or a request is on it. */
export interface Target {
  route: TargetRoute;
  readonly ledger: Float64Array;
  readonly pool: UpstreamLinks;
  /** `route.closing.cutAtMs` in `performance.now()` time of this thread; Infinity when it is not closing. */
  cutAtMs: number;
  /** `route.warm` in `performance.now()` time of this thread; both 0 when it does not warm up. */
  warmSinceMs: number;
  warmUntilMs: number;
}

export interface Upstream {
  readonly route: UpstreamRoute;
  readonly ledger: Float64Array;
  readonly targets: readonly Target[];
  readonly eligible: readonly Target[];
  /** The last moment at which an eligible target warms up, in `performance.now()` time; 0 when none does. */
  warmUntilMs: number;
  /** Most requests of this worker on one target; 0 for no limit. */
  readonly limit: number;
  /** Where requests wait while every target is at the limit; null without a limit. */
  readonly room: WaitingRoom | null;
  /** Of its service's counting rules; null while there are none. */
  readonly slots: Float64Array | null;
  /** Takes requests at all: its admin state is enabled. */
  readonly open: boolean;
}

export interface Service {
  readonly route: ServiceRoute;
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  readonly previewHosts: readonly string[];
  readonly ledger: Float64Array;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly stable: Upstream | null;
  readonly candidate: Upstream | null;
  /** The same object as long as the settings are the same. */
  readonly tls: TargetTls;
  readonly budget: RetryBudget;
  readonly fuse: FuseState | null;
  /** Null while nothing is counted but all attempts. */
  readonly counters: Counters | null;
  /** Null: targets report nothing. */
  readonly reportField: ReportField | null;
  /** Null: nothing is copied. */
  readonly mirror: Mirror | null;
  /** Of the upstreams that may be chosen by weight. Candidates first, so that `at` moves keys only towards them. */
  picker: WeightedPicker<Upstream>;
}

/**
 * A snapshot made ready for this worker: looked up by requests, replaced whole by the next one. What has state of its
 * own (pools, budgets, fuses, places in a weighted sequence) is carried over by id.
 */
export class RoutingTable {
  readonly version: number;
  readonly matcher: ServiceMatcher<Service>;
  readonly services: ReadonlyMap<number, Service>;
  readonly targets: ReadonlyMap<number, Target>;
  readonly rooms: readonly WaitingRoom[];

  constructor(snapshot: RoutingSnapshot, before: RoutingTable | null, options: TableOptions) {
    this.version = snapshot.version;
    const targets = new Map<number, Target>();
    const install = (route: TargetRoute, idleMs: number, tls: TargetTls | null): Target => {
      const target = before?.targets.get(route.id) ?? createTarget(route, idleMs, options);
      installTarget(target, { route, idleMs, tls, clockOffsetMs: options.clockOffsetMs });
      targets.set(route.id, target);
      return target;
    };
    const services = snapshot.services.map((route) =>
      installService(route, before?.services.get(route.id), install, options.worker),
    );
    for (const route of snapshot.retired) install(route, 0, null);
    this.services = new Map(services.map((service) => [service.route.id, service]));
    this.matcher = new ServiceMatcher(services);
    this.rooms = services.flatMap(({ upstreams }) => [...upstreams.values()].flatMap(({ room }) => room ?? []));
    this.targets = targets;
    if (before !== null) for (const [id, target] of before.targets) if (!targets.has(id)) target.pool.closing = true;
  }

  /** Once a second. */
  refillBudgets(): void {
    for (const service of this.services.values()) service.budget.refill();
  }
}

export interface TableOptions {
  readonly worker: number;
  readonly deadlines: Deadlines;
  /** `monotonicMs() - performance.now()` in this thread. */
  readonly clockOffsetMs: number;
}

interface TargetUpdate {
  readonly route: TargetRoute;
  readonly idleMs: number;
  /** Null: as before. */
  readonly tls: TargetTls | null;
  readonly clockOffsetMs: number;
}

function installTarget(target: Target, { route, idleMs, tls, clockOffsetMs }: TargetUpdate): void {
  if (route.eligible && !target.route.eligible) target.ledger[TARGET.streak] = 0; // it begins anew
  target.route = route;
  target.cutAtMs = route.closing === null ? Number.POSITIVE_INFINITY : route.closing.cutAtMs - clockOffsetMs;
  target.warmSinceMs = route.warm === null ? 0 : route.warm.sinceMs - clockOffsetMs;
  target.warmUntilMs = route.warm === null ? 0 : route.warm.untilMs - clockOffsetMs;
  target.pool.idleMs = idleMs;
  target.pool.closing = route.closing !== null;
  if (tls === null || target.pool.tls?.settings === tls) return;
  if (route.url.startsWith('https:')) target.pool.useTls(new UpstreamTls(tls, route.host, 'http/1.1'));
  else if (route.url.startsWith('h2:')) target.pool.useTls(new UpstreamTls(tls, route.host, 'h2'));
}

function createTarget(route: TargetRoute, idleMs: number, options: TableOptions): Target {
  const ledger = stripe(route.ledger, TARGET.size, options.worker);
  const Links = route.url.startsWith('h2') ? UpstreamSessions : UpstreamPool;
  const pool = new Links({
    host: route.host,
    port: route.port,
    idleMs,
    deadlines: options.deadlines,
    onOpenChange: (open) => {
      ledger[TARGET.connections] = open;
    },
  });
  return { route, ledger, pool, cutAtMs: Number.POSITIVE_INFINITY, warmSinceMs: 0, warmUntilMs: 0 };
}

function installService(
  route: ServiceRoute,
  before: Service | undefined,
  install: (route: TargetRoute, idleMs: number, tls: TargetTls) => Target,
  worker: number,
): Service {
  const tls = keepTls(route, before);
  const upstreams = new Map<string, Upstream>();
  for (const upstream of route.upstreams) {
    const targets = upstream.targets.map((target) => install(target, route.timeouts.idleMs, tls));
    const eligible = targets.filter((target) => target.route.eligible);
    const ledger = stripe(upstream.ledger, UPSTREAM.size, worker);
    const installed: Upstream = {
      route: upstream,
      ledger,
      targets,
      eligible,
      warmUntilMs: eligible.reduce((latest, target) => Math.max(latest, target.warmUntilMs), 0),
      limit: route.limits?.inFlight ?? 0,
      room: route.limits === null ? null : installRoom(ledger, before?.upstreams.get(upstream.name)),
      slots: upstream.slots === undefined ? null : stripe(upstream.slots, SLOTS * SLOT.size, worker),
      open: upstream.admin === 'enabled',
    };
    if (installed.room !== null) {
      installed.room.places = route.limits?.queue ?? 0;
      installed.room.isFree = () => hasPlace(installed);
    }
    upstreams.set(upstream.name, installed);
  }
  const service: Service = {
    route,
    hosts: route.hosts,
    paths: route.paths,
    previewHosts: route.preview?.hosts ?? [],
    ledger: stripe(route.ledger, SERVICE.size, worker),
    upstreams,
    stable: upstreams.get(route.stable) ?? null,
    candidate: route.candidate === null ? null : (upstreams.get(route.candidate) ?? null),
    tls,
    budget: before?.budget ?? new RetryBudget(route.retries.budget),
    fuse: keepFuse(route, before),
    reportField: reportFieldOf(route),
    counters: keepCounters(route, before),
    mirror: keepMirror(route, before),
    picker: new WeightedPicker<Upstream>([]),
  };
  service.budget.setShare(route.retries.budget);
  service.picker = createPicker(service, before?.picker);
  return service;
}

/** The same queue while the upstream is the same one: its stripe of the ledger then is, too. */
function installRoom(ledger: Float64Array, before: Upstream | undefined): WaitingRoom {
  const kept = before?.ledger.buffer === ledger.buffer ? before.room : null;
  return (
    kept ??
    new WaitingRoom((waiting) => {
      ledger[UPSTREAM.queued] = waiting;
    })
  );
}

function reportFieldOf({ business }: ServiceRoute): ReportField | null {
  return business === undefined ? null : { name: Buffer.from(business.header, 'latin1'), forward: business.forward };
}

function keepTls({ tls = TRUST_SYSTEM }: ServiceRoute, before: Service | undefined): TargetTls {
  return before !== undefined && sameTls(before.tls, tls) ? before.tls : tls;
}

function keepMirror({ mirror }: ServiceRoute, before: Service | undefined): Mirror | null {
  if (mirror === undefined) return null;
  const kept = before?.mirror ?? new Mirror(mirror);
  kept.route = mirror;
  return kept;
}

function keepFuse(route: ServiceRoute, before: Service | undefined): FuseState | null {
  if (route.fuse === null) return null;
  const kept = before?.fuse;
  return kept !== null && kept !== undefined && kept.fuse.id === route.fuse.id ? kept : new FuseState(route.fuse);
}

/**
 * The upstreams that may be picked by weight. The candidate of a rollout stays in even when no target of it is
 * eligible: a request that falls to it is charged to it, then served by stable. A blown fuse takes it out.
 */
export function createPicker(service: Service, before: WeightedPicker<Upstream> | undefined): WeightedPicker<Upstream> {
  const items: Weighted<Upstream>[] = [];
  for (const upstream of service.upstreams.values()) {
    const isCandidate = upstream === service.candidate;
    const usable = upstream.open && upstream.route.weight > 0 && (isCandidate || upstream.eligible.length > 0);
    if (!usable || (isCandidate && service.fuse?.blown === true)) continue;
    const entry = { item: upstream, weight: upstream.route.weight };
    if (upstream === service.stable) items.push(entry);
    else items.unshift(entry);
  }
  const picker = new WeightedPicker(items);
  if (before?.sameAs(items, (a, b) => a.route.id === b.route.id)) picker.resumeFrom(before);
  return picker;
}
