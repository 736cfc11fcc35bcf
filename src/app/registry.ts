import type { Config, ServiceConfig } from '../config/config.ts';
import { createBlock, readCell, SERVICE, SLOT, SLOTS, TARGET, UPSTREAM } from '../traffic/ledger.ts';
import type { EffectiveService } from './desired/effective.ts';
import { serviceInFlight } from './views/ledger-view.ts';

/**
 * Who is who: ids and ledger blocks of services, upstreams and targets. An id stays as long as the name or URL does and
 * is never used again. What left the configuration is kept until nothing is in flight on it any more, and keeps its id
 * if it comes back before that.
 */
export interface Registry {
  /** Follows the configuration; `nowMs` is monotonic. */
  sync(config: Config, effective: ReadonlyMap<string, EffectiveService>, nowMs: number): void;
  service(name: string): ServiceEntry | undefined;
  services(): Iterable<ServiceEntry>;
  /** Forgets what was removed and is empty by now; true if there was any. */
  forgetEmpty(): boolean;
  /** The block for guards that count by rules of their own; made when it is first asked for. */
  slotsOf(upstream: UpstreamEntry): SharedArrayBuffer;
  /** Whether anything removed is still kept. */
  hasRemoved(): boolean;
}

export interface ServiceEntry {
  readonly id: number;
  readonly name: string;
  readonly ledger: SharedArrayBuffer;
  readonly upstreams: Map<string, UpstreamEntry>;
  drainTimeoutMs: number;
  /** Monotonic; null while configured. So in the entries below. */
  removedSinceMs: number | null;
}

export interface UpstreamEntry {
  readonly id: number;
  readonly name: string;
  readonly ledger: SharedArrayBuffer;
  readonly targets: Map<string, TargetEntry>;
  /** Counts of guards that count by rules of their own; null until there is one. */
  slots: SharedArrayBuffer | null;
  /** What applications reported to the admin API since the process began, by event. */
  readonly reported: Map<string, Reported>;
  /** Since this process first saw it drain; null while enabled. */
  drainingSinceMs: number | null;
  removedSinceMs: number | null;
}

/** `count` events in `of` occasions that no request stands for. */
export interface Reported {
  readonly count: number;
  readonly of: number;
}

export interface TargetEntry {
  readonly id: number;
  readonly url: string;
  readonly ledger: SharedArrayBuffer;
  /** Unhealthy or ejected when that was last looked at. */
  out: boolean;
  /** Since when it is out no more; null while it is, and for one that never was. */
  backSinceMs: number | null;
  removedSinceMs: number | null;
}

/** Whether a target is out, unhealthy or ejected: when it comes back, its slow start begins. */
export function noteStanding(target: TargetEntry, out: boolean, nowMs: number): void {
  if (out) target.backSinceMs = null;
  else if (target.out) target.backSinceMs = nowMs;
  target.out = out;
}

export function createRegistry(workers: number): Registry {
  const services = new Map<string, ServiceEntry>();
  let lastId = 0;
  const identity = (size: number) => ({ id: ++lastId, ledger: createBlock(size, workers) });

  const newTarget = (url: string): TargetEntry => ({
    ...identity(TARGET.size),
    url,
    out: false,
    backSinceMs: null,
    removedSinceMs: null,
  });

  const syncTargets = (upstream: UpstreamEntry, urls: readonly string[], nowMs: number): void => {
    for (const url of urls) {
      const entry = upstream.targets.get(url) ?? newTarget(url);
      entry.removedSinceMs = null;
      upstream.targets.set(url, entry);
    }
    markRemoved(upstream.targets, new Set(urls), nowMs);
  };

  const syncUpstreams = (service: ServiceEntry, effective: EffectiveService, nowMs: number): void => {
    for (const [name, { admin, targets }] of Object.entries(effective.upstreams)) {
      const entry = service.upstreams.get(name) ?? newUpstream(name);
      entry.removedSinceMs = null;
      entry.drainingSinceMs = admin === 'draining' ? (entry.drainingSinceMs ?? nowMs) : null;
      service.upstreams.set(name, entry);
      syncTargets(entry, targets, nowMs);
    }
    markRemoved(service.upstreams, new Set(Object.keys(effective.upstreams)), nowMs);
    for (const upstream of service.upstreams.values()) {
      if (upstream.removedSinceMs !== null) markRemoved(upstream.targets, new Set(), nowMs);
    }
  };

  const newUpstream = (name: string): UpstreamEntry => ({
    ...identity(UPSTREAM.size),
    name,
    targets: new Map(),
    slots: null,
    reported: new Map(),
    drainingSinceMs: null,
    removedSinceMs: null,
  });

  const newService = (config: ServiceConfig): ServiceEntry => ({
    ...identity(SERVICE.size),
    name: config.name,
    upstreams: new Map(),
    drainTimeoutMs: config.drain.timeoutMs,
    removedSinceMs: null,
  });

  return {
    sync(config, effective, nowMs) {
      for (const [name, service] of Object.entries(config.services)) {
        const entry = services.get(name) ?? newService(service);
        entry.removedSinceMs = null;
        entry.drainTimeoutMs = service.drain.timeoutMs;
        services.set(name, entry);
        syncUpstreams(entry, effective.get(name) ?? NOTHING, nowMs);
      }
      markRemoved(services, new Set(Object.keys(config.services)), nowMs);
      for (const service of services.values()) {
        if (service.removedSinceMs !== null) syncUpstreams(service, NOTHING, nowMs);
      }
    },
    service: (name) => services.get(name),
    services: () => services.values(),
    forgetEmpty: () => forgetServices(services),
    slotsOf(upstream) {
      upstream.slots ??= createBlock(SLOTS * SLOT.size, workers);
      return upstream.slots;
    },
    hasRemoved: () => someRemoved(services),
  };
}

const NOTHING: EffectiveService = { stable: '', upstreams: {} };

/** No request and no upgraded connection on it. */
function targetIsEmpty({ ledger }: TargetEntry): boolean {
  return readCell(ledger, TARGET.size, TARGET.inFlight) === 0 && readCell(ledger, TARGET.size, TARGET.upgrades) === 0;
}

/** No request and no upgraded connection on it. */
export function upstreamIsEmpty({ ledger }: UpstreamEntry): boolean {
  return (
    readCell(ledger, UPSTREAM.size, UPSTREAM.inFlight) === 0 && readCell(ledger, UPSTREAM.size, UPSTREAM.upgrades) === 0
  );
}

function markRemoved(entries: Map<string, { removedSinceMs: number | null }>, kept: Set<string>, nowMs: number): void {
  for (const [key, entry] of entries) {
    if (!kept.has(key)) entry.removedSinceMs ??= nowMs;
  }
}

function forgetServices(services: Map<string, ServiceEntry>): boolean {
  let forgot = false;
  for (const [name, service] of services) {
    forgot = forgetUpstreams(service) || forgot;
    if (service.removedSinceMs === null || service.upstreams.size > 0 || serviceInFlight(service.ledger) > 0) continue;
    forgot = services.delete(name);
  }
  return forgot;
}

function forgetUpstreams(service: ServiceEntry): boolean {
  let forgot = false;
  for (const [name, upstream] of service.upstreams) {
    for (const [url, target] of upstream.targets) {
      if (target.removedSinceMs !== null && targetIsEmpty(target)) forgot = upstream.targets.delete(url);
    }
    if (upstream.removedSinceMs === null || upstream.targets.size > 0 || !upstreamIsEmpty(upstream)) continue;
    forgot = service.upstreams.delete(name);
  }
  return forgot;
}

function someRemoved(services: Map<string, ServiceEntry>): boolean {
  for (const service of services.values()) {
    if (service.removedSinceMs !== null) return true;
    for (const upstream of service.upstreams.values()) {
      if (upstream.removedSinceMs !== null) return true;
      for (const target of upstream.targets.values()) if (target.removedSinceMs !== null) return true;
    }
  }
  return false;
}
