import { fineQuantileMs } from '../traffic/latency.ts';
import { FINE_CELLS, UPSTREAM } from '../traffic/ledger.ts';
import type { Registry, UpstreamEntry } from './registry.ts';

/** Quantiles of request durations, in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

const SAMPLE_MS = 10_000;
/** A minute, and the sample that it begins with. */
const KEPT = 7;

interface Sample {
  readonly counts: Uint32Array;
  readonly total: number;
}

const NOTHING: Sample = { counts: new Uint32Array(FINE_CELLS), total: 0 };

/** How long requests took in the last minute, by upstream: what they took since the start hides what they take now. */
export class RecentLatency {
  readonly #registry: Registry;
  /** Oldest first. */
  readonly #samples = new WeakMap<UpstreamEntry, readonly Sample[]>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Samples until the signal ends. */
  start(signal: AbortSignal): void {
    const timer = setInterval(() => this.sample(), SAMPLE_MS);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  sample(): void {
    for (const { upstreams } of this.#registry.services()) {
      for (const upstream of upstreams.values()) {
        const earlier = this.#samples.get(upstream) ?? [];
        const last = earlier.at(-1) ?? NOTHING;
        const sample = read(upstream);
        // Most upstreams of a large gate are idle, and share what they have.
        const kept = sample.total === last.total ? last : sample;
        this.#samples.set(upstream, [...earlier, kept].slice(-KEPT));
      }
    }
  }

  /** Up to this moment; null without a request. */
  of(upstream: UpstreamEntry): Latency | null {
    const samples = this.#samples.get(upstream) ?? [];
    const first = samples.length < KEPT ? NOTHING : (samples[0] ?? NOTHING);
    const now = read(upstream);
    if (now.total <= first.total) return null;
    const counts = now.counts.map((count, i) => Math.max(0, count - (first.counts[i] ?? 0)));
    return { p50: fineQuantileMs(counts, 0, 0.5), p99: fineQuantileMs(counts, 0, 0.99) };
  }
}

/** All workers together. */
function read({ ledger }: UpstreamEntry): Sample {
  const cells = new Float64Array(ledger);
  const counts = new Uint32Array(FINE_CELLS);
  let total = 0;
  for (let stripe = UPSTREAM.fine; stripe < cells.length; stripe += UPSTREAM.size) {
    for (let i = 0; i < FINE_CELLS; i++) {
      const count = cells[stripe + i] ?? 0;
      counts[i] = (counts[i] ?? 0) + count;
      total += count;
    }
  }
  return { counts, total };
}
