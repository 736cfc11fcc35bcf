/**
 * What the e-value of one-rate.ts must reach, computed rather than bounded.
 *
 * Ville's inequality asks for ln(1/α), and is exact only for evidence that grows in steps too small to overshoot. An error
 * where 0.1 % is allowed is worth several nats, so the evidence jumps far beyond what it had to reach, and the true chance
 * of a false alarm is a half or a third of α. Even the test that knows the candidate's rate beforehand (Wald's SPRT) then
 * needs up to 1.4 times its own bound and 2 requests more.
 *
 * For one rate against a fixed bound the chance of *ever* reaching a threshold can be computed: the least number of errors
 * that crosses is constant over long runs of trials, so the distribution of the errors at the allowed rate is carried from
 * run to run, and what crosses leaves it. What is left at the end can still cross later, with a chance of at most
 * E/threshold (Ville, from there on), which is added. The threshold is the least at which the sum is within α.
 *
 * It holds for every lower rate and every dependence on the past that one-rate.ts allows for: with chances of an error
 * that are never above the bound, errors never come earlier than in a sequence that has them at the bound (coupling), and
 * the boundary is one that fewer errors only ever reach later.
 */
import { logEValueOf, logThreshold } from './one-rate.ts';

/** Runs of trials that are computed; each is about one error long. What is left then can hardly cross any more. */
const RUNS = 120;
/** The threshold is a multiple of this part of ln(1/α). */
const GRID = 1024;
/** Above this bound errors are no longer rare and overshoot is small: Ville's threshold it is. */
const LARGEST = 0.5;
/** Chances below this change no digit that matters. */
const NEGLIGIBLE = 1e-18;

const remembered = new Map<string, number>();
/** More rules than any gate has at a time. */
const REMEMBERED = 1000;

/**
 * What `logEValue(…, max)` must reach for a false alarm to have a chance of at most 1 − `confidence`, over unlimited
 * looks. Between 0 and ln(1/(1 − confidence)); takes some 10 ms the first time for each rule.
 */
export function failThreshold(max: number, confidence: number): number {
  const most = logThreshold(confidence);
  if (!(max > 0 && max <= LARGEST) || !(most > 0)) return most;
  const key = `${max}/${confidence}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  if (remembered.size >= REMEMBERED) remembered.clear();
  const threshold = leastThreshold(max, most);
  remembered.set(key, threshold);
  return threshold;
}

/** For the k-th entry, counted from 0: the last trial at which k + 1 errors reach `threshold`; 0 if they never do. */
export function lastTrials(logE: LogE, threshold: number, size: number): readonly number[] {
  const last: number[] = [];
  for (let errors = 1; errors <= size; errors++) {
    const before = Math.max(last.at(-1) ?? 0, errors);
    if (logE(before, errors) >= threshold) last.push(searchUp(before, (trials) => logE(trials, errors) >= threshold));
    else last.push(before > errors ? before : 0);
  }
  return last;
}

type LogE = (trials: number, errors: number) => number;

function leastThreshold(max: number, most: number): number {
  const alpha = Math.exp(-most);
  const logE = logEValueOf(max);
  let [tooLow, enough] = [0, GRID];
  while (enough - tooLow > 1) {
    const middle = (tooLow + enough) >> 1;
    if (crossingChance(logE, max, (most * middle) / GRID) <= alpha) enough = middle;
    else tooLow = middle;
  }
  return (most * enough) / GRID;
}

/** At least the chance that the evidence ever reaches `threshold` while errors come at `rate`. */
export function crossingChance(logE: LogE, rate: number, threshold: number): number {
  let alive: readonly number[] = [1];
  let trials = 0;
  lastTrials(logE, threshold, RUNS).forEach((end, i) => {
    if (end <= trials) return;
    alive = survivors(alive, { trials: end - trials, rate, limit: i + 1 });
    trials = end;
  });
  const later = alive.reduce(
    (sum, chance, errors) => sum + chance * Math.min(1, Math.exp(logE(trials, errors) - threshold)),
    0,
  );
  return 1 - total(alive) + later;
}

export interface Run {
  readonly trials: number;
  readonly rate: number;
  /** Errors that cross in this run. */
  readonly limit: number;
}

/** The chances of 0, 1, … errors after a run, of those that have not crossed. */
export function survivors(alive: readonly number[], { trials, rate, limit }: Run): number[] {
  const next = new Array<number>(Math.min(limit, alive.length + trials)).fill(0);
  const chances = binomial(trials, rate, limit);
  alive.forEach((chance, before) => {
    if (chance < NEGLIGIBLE) return;
    for (let more = 0; more < chances.length && before + more < next.length; more++) {
      next[before + more] = (next[before + more] ?? 0) + chance * (chances[more] ?? 0);
    }
  });
  return next;
}

/** The chances of 0, 1, … hits, at most `size` of them. */
function binomial(trials: number, rate: number, size: number): number[] {
  const chances: number[] = [];
  let chance = Math.exp(trials * Math.log1p(-rate));
  for (let hits = 0; hits < size && hits <= trials; hits++) {
    chances.push(chance);
    chance *= ((trials - hits) / (hits + 1)) * (rate / (1 - rate));
  }
  return chances;
}

/** The last number from `known` upwards for which it holds. It holds for `known`, and for nothing above where it ends. */
function searchUp(known: number, holds: (trials: number) => boolean): number {
  let low = known;
  let step = 1;
  while (holds(low + step)) {
    low += step;
    step *= 2;
  }
  let high = low + step;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

export function total(chances: readonly number[]): number {
  return chances.reduce((sum, chance) => sum + chance, 0);
}
