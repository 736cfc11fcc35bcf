import type { UpstreamTotals } from '../app/control-plane.ts';

/** Points of a curve: two minutes at one sample each two seconds. */
const KEPT = 60;

/** What an upstream did lately. Points are oldest first and may be fewer than there is room for. */
export interface Traffic {
  /** Requests per second between the last two samples; null before there are two. */
  readonly perSecond: number | null;
  /** Errors among the attempts in the window, 0 to 1; null without any attempt. */
  readonly errorShare: number | null;
  readonly requestsCurve: readonly number[];
  readonly errorsCurve: readonly number[];
}

interface Point {
  readonly atMs: number;
  readonly requests: number;
  readonly trials: number;
  readonly errors: number;
}

/** Rates of requests and errors by upstream, from totals sampled at any interval. */
export class TrafficSamples {
  private points = new Map<string, readonly Point[]>();

  /** Takes one sample; `nowMs` is monotonic. Upstreams that are gone are forgotten. */
  sample(totals: readonly UpstreamTotals[], nowMs: number): void {
    const next = new Map<string, readonly Point[]>();
    for (const total of totals) {
      const key = keyOf(total.service, total.upstream);
      next.set(key, extend(this.points.get(key) ?? [], total, nowMs));
    }
    this.points = next;
  }

  of(service: string, upstream: string): Traffic {
    const points = this.points.get(keyOf(service, upstream)) ?? [];
    const steps = points.slice(1).map((point, i) => difference(points[i] ?? point, point));
    const trials = steps.reduce((sum, step) => sum + step.trials, 0);
    const errors = steps.reduce((sum, step) => sum + step.errors, 0);
    return {
      perSecond: steps.at(-1)?.perSecond ?? null,
      errorShare: trials === 0 ? null : errors / trials,
      requestsCurve: steps.map((step) => step.perSecond),
      errorsCurve: steps.map((step) => (step.trials === 0 ? 0 : step.errors / step.trials)),
    };
  }
}

function keyOf(service: string, upstream: string): string {
  return JSON.stringify([service, upstream]);
}

function extend(
  points: readonly Point[],
  { requests, trials, errors }: UpstreamTotals,
  atMs: number,
): readonly Point[] {
  const last = points.at(-1);
  // Totals that went down belong to an upstream of the same name that came anew.
  const kept = last !== undefined && last.requests > requests ? [] : points;
  return [...kept, { atMs, requests, trials, errors }].slice(-KEPT - 1);
}

function difference(from: Point, to: Point) {
  const seconds = Math.max(0.001, (to.atMs - from.atMs) / 1000);
  return {
    perSecond: (to.requests - from.requests) / seconds,
    trials: to.trials - from.trials,
    errors: to.errors - from.errors,
  };
}
