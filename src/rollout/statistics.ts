import type { Judgement, Verdict } from './evidence.ts';
import type { Counts } from './rollout.ts';
import { failThreshold } from './statistics/boundary.ts';
import { logEValue, logEValueBelow, logThreshold } from './statistics/one-rate.ts';

/** A rate is to stay at or below `max`; shown to be otherwise at `confidence`. Both 0 to 1. */
export interface RateRule {
  readonly max: number;
  readonly confidence: number;
}

/** At least `quantile` of the attempts are to take no longer than `maxMs`. */
export interface LatencyRule {
  readonly quantile: number;
  readonly maxMs: number;
  readonly confidence: number;
}

/** A verdict on a rate, with its numbers and a sentence for people. */
export interface Judged extends Judgement {
  readonly verdict: Verdict;
  readonly summary: string;
}

/**
 * What the counts of a candidate say about its error rate: `fail` when the evidence that it exceeds `guard.max` reaches
 * `guard.confidence`, `pass` when the evidence that it is below does, `inconclusive` until then. Valid at every look,
 * however often one looks; see statistics/one-rate.ts for what that rests on.
 */
export function errorRateVerdict({ trials, errors }: Counts, { max, confidence }: RateRule): Judged {
  const judged = judgeRate(trials, errors, { max, confidence });
  const allowed = `the allowed ${percent(max)}`;
  const observed = `${errors} of ${trials} attempts failed (${percent(errors / trials)})`;
  const summary = trials === 0 ? `no attempts yet to hold against ${allowed}` : summarise(observed, allowed, judged);
  return { ...judged, summary };
}

/**
 * What the counts of a candidate say about its latency: the share of attempts slower than `guard.maxMs` is a rate like
 * that of errors, held against 1 - `guard.quantile`. So the quantile need not be estimated, and the verdict is valid at
 * every look in the same way.
 */
export function latencyVerdict({ trials, slow = 0 }: Counts, { quantile, maxMs, confidence }: LatencyRule): Judged {
  // Not 0.010000000000000009 for a quantile of 99 %.
  const max = Number((1 - quantile).toPrecision(12));
  const judged = judgeRate(trials, slow, { max, confidence });
  const allowed = `the allowed ${percent(max)}`;
  const observed = `${slow} of ${trials} attempts took longer than ${maxMs} ms (${percent(slow / trials)})`;
  const summary = trials === 0 ? `no attempts yet to hold against ${maxMs} ms` : summarise(observed, allowed, judged);
  return { ...judged, summary };
}

/**
 * The same boundary as a table, for a {@link Fuse}: entry i is the least number of errors among i + 1 trials that is a
 * `fail`; i + 2 where even i + 1 errors are not.
 *
 * @param size number of entries; default 256
 */
export function fuseLimits(guard: RateRule, size = 256): readonly number[] {
  const threshold = failThreshold(guard.max, guard.confidence);
  const limits: number[] = [];
  // Another success only weakens the evidence, so the limits never fall.
  let least = 0;
  for (let trials = 1; trials <= size; trials++) {
    while (least <= trials && logEValue(trials, least, guard.max) < threshold) least++;
    limits.push(least);
  }
  return limits;
}

function judgeRate(trials: number, hits: number, { max, confidence }: RateRule): Omit<Judged, 'summary'> {
  const threshold = failThreshold(max, confidence);
  const logE = logEValue(trials, hits, max);
  const isBelow = logEValueBelow(trials, hits, max) >= logThreshold(confidence);
  // The two never hold at once: each needs the observed rate on its own side of the bound.
  const verdict: Verdict = logE >= threshold ? 'fail' : isBelow ? 'pass' : 'inconclusive';
  return { verdict, trials, confidence, logE, logThreshold: threshold };
}

function summarise(observed: string, allowed: string, { verdict, confidence }: Omit<Judged, 'summary'>): string {
  switch (verdict) {
    case 'fail':
      return `${observed}: more than ${allowed} with ${percent(confidence)} confidence`;
    case 'pass':
      return `${observed}: less than ${allowed} with ${percent(confidence)} confidence`;
    case 'inconclusive':
      return `${observed}: too few to tell it from ${allowed}`;
  }
}

/** Up to three significant digits, and never rounded up to a certainty that is not there. */
export function percent(share: number): string {
  const exact = share * 100;
  const rounded = Number(exact.toPrecision(3));
  return `${rounded === 100 && exact < 100 ? Number(exact.toPrecision(12)) : rounded}%`;
}
