import { type RunResult, UNPROXIED } from './run.ts';
import type { Metric, Sample } from './sample.ts';
import { ratio, type Spread, spread } from './statistics.ts';

/** A promise about speed, and what became of it in a run. */
export interface Verdict {
  readonly what: string;
  /** At most. */
  readonly budget: number;
  readonly unit: string;
  readonly measured: Spread;
  readonly isKept: boolean;
}

interface Budget {
  readonly what: string;
  readonly budget: number;
  readonly unit: string;
  /** Null when this run did not measure it. */
  readonly measure: (result: RunResult) => Spread | null;
}

/** At the 99th percentile, without a proxy: what generator and targets, which share a core, do to each other. */
const MOST_UNPROXIED_MS = 2;

const BUDGETS: readonly Budget[] = [
  against('CPU per small GET, of nginx’s', 1.15, 'small', 'nginx', 'cpuUs'),
  against('CPU per small GET, of Caddy’s', 1 / 3, 'small', 'caddy', 'cpuUs'),
  against('CPU per small GET, of http-proxy-3’s', 1 / 6, 'small', 'http-proxy-3', 'cpuUs'),
  against('CPU per response of 100 KiB, of nginx’s', 1, '100k', 'nginx', 'cpuUs'),
  tail('p99 at the fixed rate, of nginx’s', 'p99Ms'),
  tail('p99 of a tenth of a second at the fixed rate, of nginx’s', 'calmP99Ms'),
  {
    what: 'CPU per small GET with 1,000 services, of that with one',
    budget: 1.1,
    unit: '×',
    measure: (result) => ratio(values(result, 'services-1000', 'cpuUs'), values(result, 'small', 'cpuUs')),
  },
  own('memory of an idle keep-alive connection', 8, 'KiB', 'idle', ({ connectionBytes = 0 }) => connectionBytes / 1024),
  {
    what: 'start to the first accepted connection',
    budget: 500,
    unit: 'ms',
    measure: ({ startMs }) => spread(startMs.tealgate ?? []),
  },
  own(
    'slowest switch of a run: asked for until every worker serves it',
    50,
    'ms',
    'switches',
    ({ changeMs }) => changeMs,
  ),
  own('requests failed in a run of switches', 0, '', 'switches', ({ errors }) => errors),
];

/** Of the budgets that a run measured. Kept or not by the median; for failures by the worst round. */
export function judge(result: RunResult): Verdict[] {
  return BUDGETS.flatMap(({ what, budget, unit, measure }) => {
    const measured = measure(result);
    if (measured === null) return [];
    const decisive = budget === 0 ? measured.max : measured.median;
    return [{ what, budget, unit, measured, isKept: decisive <= budget }];
  });
}

function against(what: string, budget: number, scenario: string, peer: string, metric: Metric): Budget {
  return {
    what,
    budget,
    unit: '×',
    measure: (result) => ratio(values(result, scenario, metric), values(result, scenario, metric, peer)),
  };
}

function tail(what: string, metric: Metric): Budget {
  return {
    what,
    budget: 1.2,
    unit: '×',
    measure: (result) => ratio(tails(result, metric, 'tealgate'), tails(result, metric, 'nginx')),
  };
}

function own(
  what: string,
  budget: number,
  unit: string,
  scenario: string,
  value: (sample: Sample) => number | undefined,
): Budget {
  return {
    what,
    budget,
    unit,
    measure: (result) => spread(samplesOf(result, scenario, 'tealgate').flatMap((sample) => value(sample) ?? [])),
  };
}

/** A run with failed requests measured something else, such as how fast a refusal is. */
function values(result: RunResult, scenario: string, metric: Metric, peer = 'tealgate'): (number | undefined)[] {
  return samplesOf(result, scenario, peer).map((sample) => ((sample.errors ?? 0) > 0 ? undefined : sample[metric]));
}

/** Rounds in which the tail was long without a proxy too say nothing about one, and are left out. */
function tails(result: RunResult, metric: Metric, peer: string): (number | undefined)[] {
  const unproxied = samplesOf(result, 'latency', UNPROXIED.id);
  return values(result, 'latency', metric, peer).map((value, round) => {
    const { p99Ms: floorMs = 0 } = unproxied[round] ?? {};
    return floorMs <= MOST_UNPROXIED_MS ? value : undefined;
  });
}

function samplesOf(result: RunResult, scenario: string, peer: string): readonly Sample[] {
  return result.scenarios.find(({ id }) => id === scenario)?.samples[peer] ?? [];
}
