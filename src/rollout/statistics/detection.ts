import { failThreshold, lastTrials, survivors, total } from './boundary.ts';
import { logEValueOf } from './one-rate.ts';

/** Errors after which nothing more is expected of the test. */
const MOST_ERRORS = 600;

export interface DetectionRule {
  /** The allowed rate, above 0 and below 1. */
  readonly max: number;
  readonly confidence: number;
}

/**
 * How many trials the test of one rate needs until it has failed a candidate of this true rate with the given chance,
 * computed exactly; null where that is more than `most`.
 *
 * @param power 0 to 1, such as 0.8 for four times in five
 */
export function trialsToDetect(rule: DetectionRule, rate: number, power: number, most: number): number | null {
  let alive: readonly number[] = [1];
  let trials = 0;
  for (const [i, end] of boundary(rule).entries()) {
    if (end <= trials) continue;
    const run = (n: number): number[] => survivors(alive, { trials: n, rate: Math.min(rate, 1 - 1e-9), limit: i + 1 });
    const next = run(end - trials);
    if (1 - total(next) >= power)
      return within(trials + firstOf(end - trials, (n) => 1 - total(run(n)) >= power), most);
    if (end >= most) return null;
    alive = next;
    trials = end;
  }
  return null;
}

const remembered = new Map<string, readonly number[]>();
const REMEMBERED = 100;

function boundary({ max, confidence }: DetectionRule): readonly number[] {
  const key = `${max}/${confidence}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  if (remembered.size >= REMEMBERED) remembered.clear();
  const last = lastTrials(logEValueOf(max), failThreshold(max, confidence), MOST_ERRORS);
  remembered.set(key, last);
  return last;
}

function within(trials: number, most: number): number | null {
  return trials <= most ? trials : null;
}

/** The least number up to `known`, for which it holds. */
function firstOf(known: number, holds: (n: number) => boolean): number {
  let low = 0;
  let high = known;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}
