import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

export type Failure = 'refused' | 'dropped' | 'timeouts';

/** Latencies in milliseconds, corrected for coordinated omission where there is a rate. */
export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly 'p99.9': number;
  readonly max: number;
}

/** What became of a part of the load's requests. */
export class Tally {
  requests = 0;
  /** Those of them that had a connection to leave by. */
  sent = 0;
  answered = 0;
  /** No connection could be made. */
  refused = 0;
  /** The connection ended before the whole answer. */
  dropped = 0;
  timeouts = 0;
  /** On the monotonic clock; 0 without an answer. */
  lastAnswerMs = 0;
  readonly statuses = new Map<number, number>();
  /** By what `x-tealgate-upstream` said. */
  readonly byUpstream = new Map<string, number>();
  /** Microseconds, three significant digits. */
  readonly #latencies: RecordableHistogram = createHistogram({ figures: 3 });

  answer(status: number, latencyMs: number, upstream: string | null): void {
    this.answered++;
    this.sent++;
    add(this.statuses, status);
    if (upstream !== null) add(this.byUpstream, upstream);
    this.#latencies.record(Math.max(1, Math.round(latencyMs * 1000)));
  }

  /** `sent`: whether there was a connection that it left by. */
  fail(kind: Failure, sent: boolean): void {
    this[kind]++;
    if (sent) this.sent++;
  }

  get errors(): number {
    return this.refused + this.dropped + this.timeouts;
  }

  get non2xx(): number {
    let others = 0;
    for (const [status, n] of this.statuses) if (status < 200 || status > 299) others += n;
    return others;
  }

  /** null without an answer. */
  latencies(): Latencies | null {
    if (this.answered === 0) return null;
    const at = (percentile: number) => this.#latencies.percentile(percentile) / 1000;
    return { p50: at(50), p90: at(90), p95: at(95), p99: at(99), 'p99.9': at(99.9), max: this.#latencies.max / 1000 };
  }
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
