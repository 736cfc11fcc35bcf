import { equalsIgnoreCase } from '../http1/bytes.ts';
import { F } from '../http1/fields.ts';
import type { Head } from '../http1/head.ts';
import { bucket } from '../traffic/bucket.ts';
import { TARGET } from '../traffic/ledger.ts';
import { drawByWeight, warmthAt } from '../traffic/warmth.ts';
import type { PinJar } from './pins.ts';
import type { Service, Target, Upstream } from './routing-table.ts';

/** The upstream for a request without a pin: by the client's bucket, or by weight. Null: nothing may take it. */
export function pickUnpinned(service: Service, head: Head, clientAddress: string): Upstream | null {
  const { pins } = service.route;
  switch (pins.by) {
    case 'ip':
      return service.picker.at(bucket(clientAddress, service.route.salt));
    case 'header':
      return pickByHeader(service, head, pins.header);
    default:
      return service.picker.next();
  }
}

/** The upstream that a pin cookie of the request names, if it may take the request. */
export function pickPinned(service: Service, head: Head, jar: PinJar, nowMs: number): Upstream | null {
  const { pins } = service.route;
  if (pins.by !== 'cookie' || head.cookies === 0) return null;
  for (let i = head.indexOf(F.cookie); i >= 0; i = head.indexOf(F.cookie, i + 1)) {
    const upstream = jar.upstreamOf(service, pins, head.value(i), nowMs);
    if (upstream !== null && mayTakePinned(service, upstream)) return upstream;
  }
  return null;
}

/** Whether a request that was given this upstream a moment ago, and has waited since, may still go there. */
export function stillTakes(service: Service, upstream: Upstream): boolean {
  return upstream.open && mayTakePinned(service, upstream);
}

/** A candidate without eligible targets is still picked, to be charged (see createPicker). */
function mayTakePinned(service: Service, upstream: Upstream): boolean {
  if (upstream !== service.candidate) return upstream.eligible.length > 0;
  return service.fuse?.blown !== true;
}

/** Requests without the header are spread by weight. */
function pickByHeader(service: Service, head: Head, name: string): Upstream | null {
  const wanted = Buffer.from(name, 'latin1');
  for (let i = 0; i < head.count; i++) {
    if (equalsIgnoreCase(head.buf, head.nameStart(i), head.nameEnd(i), wanted)) {
      return service.picker.at(bucket(head.buf.utf8Slice(head.valueStart(i), head.valueEnd(i)), service.route.salt));
    }
  }
  return service.picker.next();
}

/** xorshift32: evenly spread, no system call, and good enough to choose between two targets. */
let randomState = (Date.now() ^ (process.pid << 16)) | 1;
function random32(): number {
  randomState ^= randomState << 13;
  randomState ^= randomState >>> 17;
  randomState ^= randomState << 5;
  return randomState >>> 0;
}

function randomBelow(n: number): number {
  return random32() % n;
}

/**
 * The less busy of two eligible targets taken at random; with `tried`, one that is not among them; if that one is at the
 * upstream's limit, the least busy of all. Null when there is none: selection ends after as many tries as there are
 * targets.
 */
export function pickTarget(upstream: Upstream, tried: readonly Target[]): Target | null {
  const candidates =
    tried.length === 0 ? upstream.eligible : upstream.eligible.filter((target) => !tried.includes(target));
  const picked = pickFrom(upstream, candidates);
  if (upstream.limit === 0 || picked === null || inFlightOf(picked) < upstream.limit) return picked;
  return leastBusy(candidates, upstream.limit);
}

/** There are targets that have not been tried, and all of them are at their limit. */
export function isBusy({ eligible, limit }: Upstream, tried: readonly Target[]): boolean {
  return limit > 0 && eligible.some((target) => !tried.includes(target));
}

/** A target of the upstream can take one more request. */
export function hasPlace({ eligible, limit }: Upstream): boolean {
  return eligible.some((target) => inFlightOf(target) < limit);
}

function leastBusy(candidates: readonly Target[], limit: number): Target | null {
  let found: Target | null = null;
  let least = limit;
  for (const target of candidates) {
    const inFlight = inFlightOf(target);
    if (inFlight >= least) continue;
    found = target;
    least = inFlight;
  }
  return found;
}

function pickFrom(upstream: Upstream, candidates: readonly Target[]): Target | null {
  const count = candidates.length;
  if (count <= 1) return candidates[0] ?? null;
  if (upstream.warmUntilMs !== 0) {
    const nowMs = performance.now();
    if (nowMs < upstream.warmUntilMs) return pickWhileWarming(candidates, nowMs);
    upstream.warmUntilMs = 0;
  }
  const first = randomBelow(count);
  const second = (first + 1 + randomBelow(count - 1)) % count;
  return lessBusy(candidates[first] as Target, candidates[second] as Target);
}

/**
 * A target that warms up gets exactly its share, which the less busy of two would not give: it is less busy because it
 * gets less. The others share the rest as ever.
 */
function pickWhileWarming(candidates: readonly Target[], nowMs: number): Target {
  const weightOf = (i: number): number => {
    const target = candidates[i] as Target;
    return warmthAt(target.warmSinceMs, target.warmUntilMs, nowMs);
  };
  const drawn = candidates[drawByWeight(candidates.length, weightOf, random32() / 2 ** 32)] as Target;
  if (nowMs < drawn.warmUntilMs) return drawn;
  const from = randomBelow(candidates.length);
  for (let i = 0; i < candidates.length; i++) {
    const other = candidates[(from + i) % candidates.length] as Target;
    if (other !== drawn && nowMs >= other.warmUntilMs) return lessBusy(drawn, other);
  }
  return drawn;
}

function lessBusy(a: Target, b: Target): Target {
  return inFlightOf(a) <= inFlightOf(b) ? a : b;
}

/** In this worker. */
function inFlightOf(target: Target): number {
  return target.ledger[TARGET.inFlight] as number;
}

/** The stable upstream, if it may take a request. */
export function usableStable({ stable }: Service): Upstream | null {
  return stable?.open && stable.eligible.length > 0 ? stable : null;
}
