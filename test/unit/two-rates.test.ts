import { describe, expect, it } from 'vitest';
import type { Window } from '../../src/rollout/statistics/block.ts';
import { quantileBucket, shareBeyond } from '../../src/rollout/statistics/quantile.ts';
import {
  advance,
  beginTwoRates,
  judgeTwoRates,
  logE,
  logEBelow,
  type TwoRatesRule,
  type TwoRatesState,
} from '../../src/rollout/statistics/two-rates.ts';
import { seeded, tosses } from '../support/seeded.ts';

const RULE: TwoRatesRule = { ratio: 1.5, margin: 0, confidence: 0.99 };
const EQUAL: TwoRatesRule = { ratio: 1, margin: 0, confidence: 0.99 };

const windowOf = (candidate: [number, number], stable: [number, number]): Window => ({
  candidate: { trials: candidate[0], hits: candidate[1] },
  stable: { trials: stable[0], hits: stable[1] },
});

function play(rule: TwoRatesRule, windows: readonly Window[]): TwoRatesState {
  return windows.reduce(advance, beginTwoRates(rule));
}

/** Windows of `candidate` and `stable` requests until there is a verdict, or `most` of them. */
function untilVerdict(
  rule: TwoRatesRule,
  most: number,
  next: (i: number) => Window,
): { readonly state: TwoRatesState; readonly verdict: string } {
  let state = beginTwoRates(rule);
  for (let i = 0; i < most; i++) {
    state = advance(state, next(i));
    const { verdict } = judgeTwoRates(state);
    if (verdict !== 'inconclusive') return { state, verdict };
  }
  return { state, verdict: 'inconclusive' };
}

describe('two rates in the same windows', () => {
  it('do not pass errors against a baseline that has none', () => {
    // The shares that a well-known rank-sum judge passed: 50 requests a side each time.
    const shares = [0, 0.048, 0, 0.18, 0.089, 0, 0.098, 0.035, 0, 0];
    const windows = shares.map((share) => windowOf([50, Math.round(50 * share)], [50, 0]));
    const verdicts = windows.map((_, i) => judgeTwoRates(play(EQUAL, windows.slice(0, i + 1))).verdict);
    expect(verdicts).not.toContain('pass');
    expect(verdicts.at(-1)).toBe('fail');
    expect(verdicts.indexOf('fail')).toBe(3);
    // Nor under a rule that allows more.
    expect(judgeTwoRates(play({ ...EQUAL, ratio: 2, margin: 0.01 }, windows)).verdict).toBe('fail');
  });

  it('have the same digits on every machine', () => {
    const state = play(RULE, [windowOf([5, 0], [95, 1]), windowOf([5, 1], [95, 0]), windowOf([5, 1], [95, 1])]);
    expect(logE(state)).toBe(1.9587373068407925);
    expect(logEBelow(state)).toBe(-1.3282620747130813);
  });

  it('begin at an e-value of 1, inconclusive', () => {
    const state = beginTwoRates(RULE);
    expect(logE(state)).toBeCloseTo(0, 14);
    expect(logEBelow(state)).toBeCloseTo(0, 14);
    expect(judgeTwoRates(state)).toMatchObject({ verdict: 'inconclusive', disaster: false });
  });

  it('are not told apart by an outage that both sides share', () => {
    const random = seeded(7);
    // Every tenth minute everything that depends on the same database fails, on both sides alike.
    const outage = (i: number): number => (i % 10 === 9 ? 0.7 : 0.01);
    const { verdict } = untilVerdict(EQUAL, 2000, (i) =>
      windowOf([20, tosses(random, 20, outage(i))], [80, tosses(random, 80, outage(i))]),
    );
    expect(verdict).toBe('inconclusive');
  });

  it('fail a candidate that fails everything after a few requests, by the fast trip', () => {
    const { state, verdict } = untilVerdict(RULE, 10, () => windowOf([1, 1], [19, 0]));
    expect(verdict).toBe('fail');
    expect(judgeTwoRates(state).disaster).toBe(true);
    expect(state.candidate.trials).toBeLessThanOrEqual(3);
  });

  it('pass a candidate that is as good as stable under a rule that leaves room', () => {
    const random = seeded(3);
    const { verdict } = untilVerdict({ ...RULE, ratio: 2 }, 3000, () =>
      windowOf([50, tosses(random, 50, 0.02)], [50, tosses(random, 50, 0.02)]),
    );
    expect(verdict).toBe('pass');
  });

  it('hold back a verdict before the minimum, but not a disaster', () => {
    const slow = play(RULE, Array<Window>(30).fill(windowOf([10, 1], [90, 0])));
    expect(judgeTwoRates(slow).verdict).toBe('fail');
    expect(judgeTwoRates(slow, 301).verdict).toBe(judgeTwoRates(slow).disaster ? 'fail' : 'inconclusive');
    const mild = play(RULE, Array<Window>(60).fill(windowOf([50, 2], [450, 5])));
    expect(judgeTwoRates(mild)).toMatchObject({ verdict: 'fail', disaster: false });
    expect(judgeTwoRates(mild, 3001).verdict).toBe('inconclusive');
    expect(judgeTwoRates(mild, 3000).verdict).toBe('fail');
    const down = play(RULE, [windowOf([4, 4], [96, 0])]);
    expect(judgeTwoRates(down, 1000)).toMatchObject({ verdict: 'fail', disaster: true });
  });

  it('wait for the other side before they count what one side did', () => {
    const alone = play(RULE, [windowOf([3, 3], [0, 0]), windowOf([2, 2], [0, 0])]);
    expect(logE(alone)).toBeCloseTo(0, 14);
    expect(alone.windows).toBe(0);
    const met = advance(alone, windowOf([0, 0], [40, 0]));
    expect(met).toMatchObject({ windows: 1, candidate: { trials: 5, hits: 5 }, stable: { trials: 40, hits: 0 } });
    expect(logE(met)).toBe(logE(play(RULE, [windowOf([5, 5], [40, 0])])));
  });

  it('change nothing when nothing was seen', () => {
    const state = play(RULE, [windowOf([5, 1], [95, 0])]);
    expect(advance(state, windowOf([0, 0], [0, 0]))).toBe(state);
  });

  it('go on after a journey through JSON as if there had been none', () => {
    const windows = Array.from({ length: 20 }, (_, i) => windowOf([i % 3, i % 2 && i % 3 ? 1 : 0], [10 + i, i % 4]));
    const stored = windows.reduce<TwoRatesState>(
      (state, seen) => JSON.parse(JSON.stringify(advance(state, seen))),
      beginTwoRates(RULE),
    );
    expect(stored).toEqual(play(RULE, windows));
  });

  it('have nothing to say where the rule allows everything', () => {
    const state = play({ ratio: 1, margin: 0.99, confidence: 0.99 }, [windowOf([50, 50], [50, 25])]);
    expect(judgeTwoRates(state).verdict).toBe('inconclusive');
    expect(Number.isFinite(logE(state))).toBe(true);
  });

  it('stay finite over a thousand million requests', () => {
    const state = play(RULE, [windowOf([5e8, 1e7], [5e8, 5e6]), windowOf([5e8, 5e8], [5e8, 0])]);
    expect(Number.isFinite(logE(state))).toBe(true);
    expect(judgeTwoRates(state).verdict).toBe('fail');
  });
});

describe('shares at a quantile', () => {
  it('are of what was slower than the bucket with the quantile', () => {
    const stable = [50, 30, 15, 4, 1];
    const bucket = quantileBucket(stable, 0.95);
    expect(bucket).toBe(2);
    expect(shareBeyond(stable, 2)).toEqual({ trials: 100, hits: 5 });
    expect(shareBeyond([0, 0, 10, 10, 0], 2)).toEqual({ trials: 20, hits: 10 });
  });

  it('have no bucket before the first request', () => {
    expect(quantileBucket([0, 0], 0.5)).toBeNull();
  });
});
