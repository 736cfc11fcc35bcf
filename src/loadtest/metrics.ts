/** What an expectation can be about. `share`: whether it may be given as a percentage, and of what. */
export const METRICS = {
  errors: { unit: 'count', shareOf: 'requests', means: 'requests without a whole answer, timeouts included' },
  non2xx: { unit: 'count', shareOf: 'requests', means: 'whole answers with another status than 2xx' },
  timeouts: { unit: 'count', shareOf: 'requests', means: 'requests without a whole answer after 10 s' },
  unsent: { unit: 'count', shareOf: null, means: 'requests that were due and never sent: no connection was free' },
  lost: { unit: 'count', shareOf: 'sent', means: "requests that the gate's ledger does not account for" },
  rate: { unit: 'perSecond', shareOf: 'targetRate', means: 'whole answers per second' },
  p50: { unit: 'duration', shareOf: null, means: 'latency that half of the answers stay within' },
  p90: { unit: 'duration', shareOf: null, means: 'latency that 90 % of the answers stay within' },
  p95: { unit: 'duration', shareOf: null, means: 'latency that 95 % of the answers stay within' },
  p99: { unit: 'duration', shareOf: null, means: 'latency that 99 % of the answers stay within' },
  'p99.9': { unit: 'duration', shareOf: null, means: 'latency that 99.9 % of the answers stay within' },
  max: { unit: 'duration', shareOf: null, means: 'the longest latency' },
  requests: { unit: 'count', shareOf: null, means: 'requests after the warm-up' },
  promoted: { unit: 'count', shareOf: null, means: '1 when the rollout of the scenario was promoted, else 0' },
  rolled_back: { unit: 'count', shareOf: null, means: '1 when the rollout of the scenario was rolled back, else 0' },
} as const;

export type Metric = keyof typeof METRICS;
export type Unit = (typeof METRICS)[Metric]['unit'];

// Object.keys forgets the type of the keys of a constant.
export const METRIC_NAMES = Object.keys(METRICS) as readonly Metric[];

/** Durations in milliseconds; null where it is not known, such as a latency without an answer. */
export type Measures = Readonly<Record<Metric, number | null>>;

/** What percentages are of. */
export interface Bases {
  readonly requests: number;
  /** Warm-up included. */
  readonly sent: number;
  /** Requests per second; null in a closed loop. */
  readonly targetRate: number | null;
}

/** `12`, `198.4/s`, `3.25 ms`. */
export function formatMeasure(metric: Metric, value: number): string {
  switch (METRICS[metric].unit) {
    case 'count':
      return String(value);
    case 'perSecond':
      return `${Number(value.toFixed(1))}/s`;
    case 'duration':
      return `${Number(value.toFixed(value < 10 ? 2 : 1))} ms`;
  }
}
