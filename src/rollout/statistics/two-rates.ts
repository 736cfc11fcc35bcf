import { type Border, logBet, type Share, type Window } from './block.ts';
import { logThreshold } from './one-rate.ts';

/**
 * The sequential test of two rates in the same windows: is the candidate's above `ratio` · stable's + `margin`, asked as
 * often as one likes, whatever stable's rate is and however it changes from window to window.
 *
 * Each window gives e-values (block.ts), multiplied over the windows. There is one product for each of several
 * alternatives, "candidate's odds are so many times what is allowed" and "candidate fails outright", laid around the rate
 * that stable had in the windows before: over all of them, or of late. Their mean under weights fixed in advance is
 * again a product that is expected to stay below 1 while the null holds, and Ville's inequality bounds the chance that
 * it *ever* reaches 1/α by α.
 *
 * The alternatives of outright failure are the fast trip for disasters: they hold {@link DISASTER_SHARE} of the weight,
 * so that it is part of the one error budget and not a second one beside it.
 */
export interface TwoRatesRule extends Border {
  /** 1 − α, 0 to below 1. */
  readonly confidence: number;
}

/** As far as the test has come; plain JSON. Made by {@link beginTwoRates}, changed by {@link advance} alone. */
export interface TwoRatesState {
  /** Of the alternatives and their weights: a state is only ever advanced under the one it began with. */
  readonly version: 1;
  readonly rule: TwoRatesRule;
  /** Windows that were bet on. */
  readonly windows: number;
  /** All that was seen. */
  readonly candidate: Share;
  readonly stable: Share;
  /** Seen on one side only so far: waits for the other. */
  readonly pending: Window;
  /** Stable's, with what lies some hundred requests back forgotten by and by. */
  readonly recent: Share;
  /** ln of the product for each alternative, in a fixed order: against ≤, then against ≥. */
  readonly above: readonly number[];
  readonly below: readonly number[];
}

/** Part of the error budget that the fast trip for disasters may spend. */
const DISASTER_SHARE = 0.2;

/** Steps in log odds above what is allowed, and weights: a small excess takes long to see under any weight. */
const EXCESSES = [
  [0.4, 0.06],
  [0.7, 0.1],
  [1.1, 0.16],
  [1.7, 0.2],
  [2.5, 0.18],
  [3.6, 0.1],
] as const;
/** Shares of requests that fail in a disaster. */
const DISASTERS = [
  [0.3, DISASTER_SHARE / 4],
  [0.98, (3 * DISASTER_SHARE) / 4],
] as const;
/** Steps in log odds below what is allowed. */
const SHORTFALLS = [
  [0.35, 0.3],
  [0.7, 0.3],
  [1.4, 0.2],
  [2.8, 0.2],
] as const;

/** Before stable has answered: half a hit in fifty. */
const PRIOR = { trials: 50, hits: 0.5 } as const;
/** Requests of stable after which half of `recent` is forgotten. */
const HALF_LIFE = 400;
const BASES = 2;

const NOTHING: Share = { trials: 0, hits: 0 };

export function beginTwoRates({ ratio, margin, confidence }: TwoRatesRule): TwoRatesState {
  return {
    version: 1,
    rule: { ratio, margin, confidence },
    windows: 0,
    candidate: NOTHING,
    stable: NOTHING,
    pending: { candidate: NOTHING, stable: NOTHING },
    recent: NOTHING,
    above: new Array<number>(BASES * (EXCESSES.length + DISASTERS.length)).fill(0),
    below: new Array<number>(BASES * SHORTFALLS.length).fill(0),
  };
}

/**
 * Takes in what both sides did since the last call. When a window ends must not depend on its hits, only on time or on
 * numbers of requests. What was seen on one side only waits until the other has been seen, too.
 */
export function advance(state: TwoRatesState, seen: Window): TwoRatesState {
  if (seen.candidate.trials <= 0 && seen.stable.trials <= 0) return state;
  const window = {
    candidate: add(state.pending.candidate, seen.candidate),
    stable: add(state.pending.stable, seen.stable),
  };
  const total = { candidate: add(state.candidate, seen.candidate), stable: add(state.stable, seen.stable) };
  if (window.candidate.trials === 0 || window.stable.trials === 0) return { ...state, ...total, pending: window };
  return {
    ...state,
    ...total,
    windows: state.windows + 1,
    pending: { candidate: NOTHING, stable: NOTHING },
    recent: forget(state.recent, window.stable),
    above: betAbove(state, window),
    below: betBelow(state, window),
  };
}

/** ln of the e-value against "candidate's rate is at most ratio · stable's + margin". */
export function logE({ above }: TwoRatesState): number {
  return logMean(above, [...EXCESSES, ...DISASTERS]);
}

/** ln of the e-value against "candidate's rate is at least ratio · stable's + margin". */
export function logEBelow({ below }: TwoRatesState): number {
  return logMean(below, SHORTFALLS);
}

/** What the disasters alone have earned, their part of the budget in it: at the threshold the fast trip is due. */
function logDisaster({ above }: TwoRatesState): number {
  return logMean(above.slice(BASES * EXCESSES.length), DISASTERS);
}

export interface TwoRatesJudgement {
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly logE: number;
  readonly logEBelow: number;
  readonly logThreshold: number;
  /** The fast trip alone was enough for it. */
  readonly disaster: boolean;
}

/**
 * @param minimum requests of the candidate before which there is neither a `pass` nor a `fail` but that of the fast trip;
 * the test is valid without any
 */
export function judgeTwoRates(state: TwoRatesState, minimum = 0): TwoRatesJudgement {
  const threshold = logThreshold(state.rule.confidence);
  const e = logE(state);
  const eBelow = logEBelow(state);
  const disaster = logDisaster(state) >= threshold;
  const isEnough = state.candidate.trials >= minimum;
  // Each needs the candidate on its own side of the border; were both ever reached, failing is the safe answer.
  const verdict =
    disaster || (isEnough && e >= threshold) ? 'fail' : isEnough && eBelow >= threshold ? 'pass' : 'inconclusive';
  return { verdict, logE: e, logEBelow: eBelow, logThreshold: threshold, disaster };
}

function betAbove(state: TwoRatesState, window: Window): number[] {
  return bet(state, window, state.above, (allowed) => [
    ...EXCESSES.map(([step]) => shifted(allowed, step)),
    ...DISASTERS.map(([rate]) => Math.max(rate, shifted(allowed, 1))),
  ]);
}

function betBelow(state: TwoRatesState, window: Window): number[] {
  return bet(state, window, state.below, (allowed) => SHORTFALLS.map(([step]) => shifted(allowed, -step)));
}

/** Alternatives in the order of `logs`: alternative by alternative, around each of the bases. */
function bet(
  state: TwoRatesState,
  window: Window,
  logs: readonly number[],
  alternatives: (allowed: number) => readonly number[],
): number[] {
  const { rule } = state;
  const bases = [base(state.stable, state.pending.stable), base(state.recent, NOTHING)];
  const rates = bases.map((stable) => alternatives(rule.ratio * stable + rule.margin));
  return logs.map((log, i) => {
    const which = i % BASES;
    const stable = bases[which];
    const candidate = rates[which]?.[Math.floor(i / BASES)];
    // A bound of 100 % allows everything: nothing to bet on.
    if (stable === undefined || candidate === undefined || rule.ratio * stable + rule.margin >= 1) return log;
    return log + logBet(window, { stable, candidate }, rule);
  });
}

/** Stable's rate before this window: what waits belongs to the window. */
function base(seen: Share, waiting: Share): number {
  return (seen.hits - waiting.hits + PRIOR.hits) / (seen.trials - waiting.trials + PRIOR.trials);
}

/** A rate moved by a step in log odds. */
function shifted(rate: number, step: number): number {
  const factor = Math.exp(step);
  return (rate * factor) / (1 + rate * (factor - 1));
}

function add(a: Share, b: Share): Share {
  const trials = a.trials + Math.max(0, b.trials);
  // Counters that are read one after the other may show a hit before its trial.
  return { trials, hits: Math.min(trials, a.hits + Math.max(0, b.hits)) };
}

function forget(recent: Share, seen: Share): Share {
  const kept = Math.exp((-Math.LN2 * seen.trials) / HALF_LIFE);
  return { trials: recent.trials * kept + seen.trials, hits: recent.hits * kept + seen.hits };
}

/** ln Σ weight · e^log, each weight shared among the bases; relative to the largest so that nothing overflows. */
function logMean(logs: readonly number[], weights: readonly (readonly [number, number])[]): number {
  const largest = logs.reduce((most, log) => Math.max(most, log), Number.NEGATIVE_INFINITY);
  const sum = logs.reduce((total, log, i) => {
    const weight = (weights[Math.floor(i / BASES)]?.[1] ?? 0) / BASES;
    return total + weight * Math.exp(log - largest);
  }, 0);
  return largest + Math.log(sum);
}
