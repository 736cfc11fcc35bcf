import { quantile } from '../statistics.ts';

/** Long enough for hundreds of requests, short enough that a pause of the machine spoils few of them. */
const STRETCH_MS = 100;

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /**
   * The 99th percentile of the requests that fell due in a tenth of a second, in the median of all tenths: what the tail is while
   * the machine itself does not pause. A pause of 5 ms a second is in the 99th percentile of all requests, whoever serves them.
   */
  readonly calmP99Ms: number;
}

/** Latencies of requests by when they fell due, in ms, up to `capacity` of them. */
export class Latencies {
  readonly #dueMs: Float64Array;
  readonly #latencyMs: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#dueMs = new Float64Array(capacity);
    this.#latencyMs = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  note(dueMs: number, latencyMs: number): void {
    this.#dueMs[this.#count] = dueMs;
    this.#latencyMs[this.#count] = latencyMs;
    this.#count++;
  }

  summary(): LatencySummary {
    const all = this.#latencyMs.slice(0, this.#count).sort();
    const tails = this.#stretches().map((stretch) => quantile(Float64Array.from(stretch).sort(), 0.99));
    return {
      p50Ms: quantile(all, 0.5),
      p99Ms: quantile(all, 0.99),
      p999Ms: quantile(all, 0.999),
      calmP99Ms: quantile(Float64Array.from(tails).sort(), 0.5),
    };
  }

  #stretches(): number[][] {
    const stretches = new Map<number, number[]>();
    for (let i = 0; i < this.#count; i++) {
      const key = Math.floor((this.#dueMs[i] ?? 0) / STRETCH_MS);
      const stretch = stretches.get(key);
      if (stretch === undefined) stretches.set(key, [this.#latencyMs[i] ?? 0]);
      else stretch.push(this.#latencyMs[i] ?? 0);
    }
    return [...stretches.values()];
  }
}
