import type { ErrorRateGuard } from '../config/config.ts';
import { logEValue, logEValueBelow, logThreshold } from './e-value.ts';
import type { Counts, GuardEvidence, Verdict } from './rollout.ts';

/**
 * What the counts of a candidate say about its error rate: `fail` when the evidence that it exceeds `guard.max` reaches
 * `guard.confidence`, `pass` when the evidence that it is below does, `inconclusive` until then. Valid at every look,
 * however often one looks; see e-value.ts for what that rests on.
 */
export function errorRateVerdict(counts: Counts, guard: ErrorRateGuard): GuardEvidence {
  const { trials, errors } = counts;
  const threshold = logThreshold(guard.confidence);
  const logE = logEValue(trials, errors, guard.max);
  // The two never hold at once: each needs the observed rate on its own side of the bound.
  const verdict = logE >= threshold ? 'fail' : isBelow(counts, guard, threshold) ? 'pass' : 'inconclusive';
  return {
    guard: 'errorRate',
    verdict,
    trials,
    errors,
    max: guard.max,
    confidence: guard.confidence,
    logE,
    logThreshold: threshold,
    summary: summarise(counts, guard, verdict),
  };
}

/**
 * The same boundary as a table, for a {@link Fuse}: entry i is the least number of errors among i + 1 trials that is a
 * `fail`; i + 2 where even i + 1 errors are not.
 *
 * @param size number of entries; default 256
 */
export function fuseLimits(guard: ErrorRateGuard, size = 256): readonly number[] {
  const threshold = logThreshold(guard.confidence);
  const limits: number[] = [];
  // Another success only weakens the evidence, so the limits never fall.
  let least = 0;
  for (let trials = 1; trials <= size; trials++) {
    while (least <= trials && logEValue(trials, least, guard.max) < threshold) least++;
    limits.push(least);
  }
  return limits;
}

function isBelow({ trials, errors }: Counts, guard: ErrorRateGuard, threshold: number): boolean {
  return logEValueBelow(trials, errors, guard.max) >= threshold;
}

function summarise({ trials, errors }: Counts, guard: ErrorRateGuard, verdict: Verdict): string {
  const allowed = `the allowed ${percent(guard.max)}`;
  if (trials === 0) return `no attempts yet to hold against ${allowed}`;
  const observed = `${errors} of ${trials} attempts failed (${percent(errors / trials)})`;
  switch (verdict) {
    case 'fail':
      return `${observed}: more than ${allowed} with ${percent(guard.confidence)} confidence`;
    case 'pass':
      return `${observed}: less than ${allowed} with ${percent(guard.confidence)} confidence`;
    case 'inconclusive':
      return `${observed}: too few to tell it from ${allowed}`;
  }
}

/** Up to three significant digits, and never rounded up to a certainty that is not there. */
function percent(share: number): string {
  const exact = share * 100;
  const rounded = Number(exact.toPrecision(3));
  return `${rounded === 100 && exact < 100 ? Number(exact.toPrecision(12)) : rounded}%`;
}
