import autocannon from 'autocannon';
import { monotonicMs } from '../platform/clock.ts';
import { ANSWER_TIMEOUT_MS, Connection } from './connection.ts';
import { Schedule } from './schedule.ts';
import { Tally } from './tally.ts';

/** autocannon's own end must never come first; this is near the longest timer of Node.js, in seconds. */
const FOR_EVER_S = 2_000_000;
const SAMPLE_MS = 100;

export interface LoadOptions {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** Requests per second; null for a closed loop. */
  readonly rate: number | null;
  readonly connections: number;
  readonly warmupMs: number;
  /** After the warm-up; null until `endAt` says. */
  readonly durationMs: number | null;
}

/** Requests on their way from the moment this is made. */
export class Load {
  readonly warmup = new Tally();
  readonly measured = new Tally();
  /** When the warm-up ends, on the monotonic clock. */
  readonly measuredFromMs: number;
  /** Resolves when every request has been answered or has failed. */
  readonly finished: Promise<void>;
  readonly #schedule: Schedule;
  readonly #connections: Connection[] = [];
  readonly #stop: () => void;
  #endTimer: NodeJS.Timeout | null = null;

  constructor(options: LoadOptions) {
    const startMs = monotonicMs();
    this.measuredFromMs = startMs + options.warmupMs;
    const endMs = options.durationMs === null ? Number.POSITIVE_INFINITY : this.measuredFromMs + options.durationMs;
    const { rate, connections } = options;
    this.#schedule = new Schedule({ rate, connections, startMs, endMs });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const run = autocannon(this.#settings(options), (error) => (error === null ? resolve() : reject(error)));
    this.#stop = () => run.stop();
    this.finished = promise.finally(() => this.#clearTimer());
    // Whoever aborts the load need not wait for it.
    this.finished.catch(() => undefined);
    if (options.durationMs !== null) this.#wakeAt(endMs);
  }

  /** No request that is due later is sent. */
  endAt(ms: number): void {
    this.#schedule.endAt(ms);
    this.#wakeAt(ms);
  }

  /** Cuts what is in flight. What would have been due later is not missing. */
  abort(): void {
    this.#schedule.cutAt(monotonicMs());
    this.#clearTimer();
    this.#stop();
  }

  get endMs(): number {
    return this.#schedule.endMs;
  }

  /** Requests that were due and were not sent, as no connection was free in time. */
  get unsent(): number {
    const total = this.#schedule.total();
    return total === null ? 0 : Math.max(0, total - this.warmup.requests - this.measured.requests);
  }

  #settings(options: LoadOptions): autocannon.Options {
    const { url, method, headers, body, connections } = options;
    return {
      url,
      method,
      headers,
      ...(body === null ? {} : { body }),
      connections,
      duration: FOR_EVER_S,
      timeout: ANSWER_TIMEOUT_MS / 1000,
      sampleInt: SAMPLE_MS,
      skipAggregateResult: true,
      setupClient: (client) => {
        const tallyAt = (dueMs: number) => (dueMs < this.measuredFromMs ? this.warmup : this.measured);
        this.#connections.push(new Connection(client, this.#connections.length, this.#schedule, tallyAt));
      },
    };
  }

  #wakeAt(ms: number): void {
    this.#clearTimer();
    this.#endTimer = setTimeout(
      () => {
        for (const connection of this.#connections) connection.wake();
      },
      Math.max(0, ms - monotonicMs()),
    );
  }

  #clearTimer(): void {
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    this.#endTimer = null;
  }
}
