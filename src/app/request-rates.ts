import { readCell, SERVICE, UPSTREAM } from '../traffic/ledger.ts';
import type { Core } from './core.ts';

/** What came to a service of late. */
export interface RequestRate {
  /** null until two samples were taken. */
  readonly requestsPerSecond: number | null;
  /** Of stable's attempts, those that failed; null without any. */
  readonly stableErrorRate: number | null;
}

const SAMPLE_MS = 5_000;
/** A minute, and the sample that it begins with. */
const KEPT = 13;

interface Sample {
  readonly atMs: number;
  readonly stable: string;
  readonly accepted: number;
  readonly trials: number;
  readonly errors: number;
}

/** Requests a second of each service over the last minute, from the ledger. */
export class RequestRates {
  readonly #core: Core;
  readonly #samples = new Map<string, readonly Sample[]>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Samples until the signal ends. */
  start(signal: AbortSignal): void {
    const timer = setInterval(() => this.sample(), SAMPLE_MS);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    this.sample();
  }

  sample(): void {
    const { services } = this.#core.current().config;
    for (const name of this.#samples.keys()) if (!Object.hasOwn(services, name)) this.#samples.delete(name);
    for (const name of Object.keys(services)) {
      const sample = this.#read(name);
      if (sample !== null) this.#samples.set(name, [...this.#since(sample, name), sample].slice(-KEPT));
    }
  }

  /** Up to this moment. */
  of(service: string): RequestRate {
    const now = this.#read(service);
    const first = now === null ? undefined : this.#since(now, service)[0];
    if (now === null || first === undefined || now.atMs - first.atMs < 1000) {
      return { requestsPerSecond: null, stableErrorRate: null };
    }
    const trials = now.trials - first.trials;
    return {
      requestsPerSecond: ((now.accepted - first.accepted) * 1000) / (now.atMs - first.atMs),
      stableErrorRate: trials > 0 ? Math.min(1, (now.errors - first.errors) / trials) : null,
    };
  }

  /** Samples of the same counters: those of a removed service, or of another stable side, began anew. */
  #since(now: Sample, service: string): readonly Sample[] {
    const earlier = this.#samples.get(service) ?? [];
    return earlier.filter((sample) => sample.stable === now.stable && sample.accepted <= now.accepted);
  }

  #read(service: string): Sample | null {
    const { registry, clock } = this.#core.parts;
    const entry = registry.service(service);
    const { stable } = this.#core.service(service).effective;
    const upstream = entry?.upstreams.get(stable);
    if (entry === undefined || upstream === undefined) return null;
    return {
      atMs: clock.monotonicMs(),
      stable,
      accepted: readCell(entry.ledger, SERVICE.size, SERVICE.accepted),
      errors: readCell(upstream.ledger, UPSTREAM.size, UPSTREAM.errors),
      trials: readCell(upstream.ledger, UPSTREAM.size, UPSTREAM.trials),
    };
  }
}
