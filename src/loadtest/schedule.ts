/** After the end, what is due and was not sent is given up: behind a system too slow for the rate it would never end. */
const GRACE_MS = 1_000;

export interface ScheduleOptions {
  /** Requests per second over all connections; null for a closed loop. */
  readonly rate: number | null;
  readonly connections: number;
  /** On the monotonic clock, as all times here. */
  readonly startMs: number;
  /** Infinity until it is known. */
  readonly endMs: number;
}

/**
 * When each request of a load is due. A rate is a metronome: request k is due k/rate seconds after the start, whatever
 * became of those before it, and the connections take them in turn.
 */
export class Schedule {
  readonly options: Omit<ScheduleOptions, 'endMs'>;
  #endMs: number;
  /** What is due later and unsent is not missing. */
  #missingMs = Number.POSITIVE_INFINITY;

  constructor(options: ScheduleOptions) {
    this.options = options;
    this.#endMs = options.endMs;
  }

  get endMs(): number {
    return this.#endMs;
  }

  /** Only ever earlier: after the end, connections are gone that would have to send. */
  endAt(ms: number): void {
    this.#endMs = Math.min(this.#endMs, ms);
  }

  /** Nothing is sent any more: what was due within the last second is neither late nor missing. */
  cutAt(ms: number): void {
    this.#missingMs = ms - GRACE_MS;
  }

  /** When the `n`-th request (from 0) of this connection (from 0) is due; null when there is none any more. */
  due(connection: number, n: number, nowMs: number): number | null {
    const { rate, connections, startMs } = this.options;
    const dueMs = rate === null ? nowMs : startMs + ((n * connections + connection) * 1000) / rate;
    return dueMs < this.#endMs && nowMs <= this.#endMs + GRACE_MS ? dueMs : null;
  }

  /** Requests that were to be sent from start to end; null in a closed loop. */
  total(): number | null {
    const { rate, startMs } = this.options;
    const endMs = Math.min(this.#endMs, this.#missingMs);
    return rate === null ? null : Math.max(0, Math.ceil(((endMs - startMs) * rate) / 1000));
  }
}
