import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Guard } from '../../src/config/guards/guard.ts';
import { powerPlan } from '../../src/rollout/power.ts';
import { type Alternative, type Border, logBet } from '../../src/rollout/statistics/block.ts';
import { advance, beginTwoRates, judgeTwoRates } from '../../src/rollout/statistics/two-rates.ts';
import { seeded, tosses } from '../support/seeded.ts';

const rate = fc.double({ min: 0.001, max: 0.999, noNaN: true });
const border = fc.record({
  ratio: fc.constantFrom(0, 0.5, 1, 1.5, 3),
  margin: fc.constantFrom(0, 0.001, 0.05),
});
const sizes = fc.record({ candidate: fc.integer({ min: 1, max: 6 }), stable: fc.integer({ min: 1, max: 8 }) });
const alternative = fc.record({ stable: rate, candidate: rate });

/** The chances of 0, 1, … hits among requests with chances of their own: they need not be alike. */
function distribution(rates: readonly number[]): number[] {
  return rates.reduce<number[]>(
    (before, p) =>
      Array.from({ length: before.length + 1 }, (_, i) => (before[i] ?? 0) * (1 - p) + (before[i - 1] ?? 0) * p),
    [1],
  );
}

/** The mean of the bet over everything that may come out, computed outright. */
function expectation(candidate: readonly number[], stable: readonly number[], bet: Alternative, rule: Border): number {
  const [onCandidate, onStable] = [distribution(candidate), distribution(stable)];
  let mean = 0;
  onCandidate.forEach((chanceC, hitsC) => {
    onStable.forEach((chanceS, hitsS) => {
      const window = {
        candidate: { trials: candidate.length, hits: hitsC },
        stable: { trials: stable.length, hits: hitsS },
      };
      mean += chanceC * chanceS * Math.exp(logBet(window, bet, rule));
    });
  });
  return mean;
}

/** Rates around a mean, half of them as far above it as the others are below. */
function spread(mean: number, count: number, share: number): number[] {
  const reach = share * Math.min(mean, 1 - mean);
  return Array.from({ length: count }, (_, i) => {
    if (count % 2 === 1 && i === count - 1) return mean;
    return i % 2 === 0 ? mean + reach : mean - reach;
  });
}

describe('a bet on a window', () => {
  it('is not expected to win wherever the null holds, be the requests alike or not', () => {
    fc.assert(
      fc.property(border, sizes, alternative, rate, rate, rate, (rule, size, bet, stable, share, unlikeness) => {
        const allowed = Math.min(1, rule.ratio * stable + rule.margin);
        const distance = bet.candidate - rule.ratio * bet.stable - rule.margin;
        // On the border itself rounding would decide which of the two is bet against.
        fc.pre(Math.abs(distance) > 1e-6);
        const isAbove = distance > 0;
        // Where everything is allowed, no candidate has a rate of at least that.
        fc.pre(isAbove || allowed < 1);
        // Against ≤ the truth is at or below what is allowed, against ≥ at or above.
        const candidate = isAbove ? allowed * share : allowed + (1 - allowed) * share;
        const mean = expectation(
          spread(candidate, size.candidate, unlikeness),
          spread(stable, size.stable, unlikeness),
          bet,
          rule,
        );
        expect(mean).toBeLessThanOrEqual(1 + 1e-9);
      }),
      { numRuns: 2000 },
    );
  });

  it('is fair on the border and wins under its alternative', () => {
    fc.assert(
      fc.property(border, sizes, alternative, (rule, size, bet) => {
        fc.pre(Math.abs(bet.candidate - rule.ratio * bet.stable - rule.margin) > 0.01);
        const { candidate, stable } = bet;
        const wins = expectation(spread(candidate, size.candidate, 0), spread(stable, size.stable, 0), bet, rule);
        expect(wins).toBeGreaterThanOrEqual(1 - 1e-9);
      }),
    );
  });
});

describe('the test of two rates', () => {
  /** Rollouts of 200 windows at the very border of what is allowed, with a rate that wanders. */
  function falseAlarms(rule: { ratio: number; margin: number }, rollouts: number): number {
    const random = seeded(20);
    let alarms = 0;
    for (let i = 0; i < rollouts; i++) {
      let state = beginTwoRates({ ...rule, confidence: 0.9 });
      for (let w = 0; w < 100; w++) {
        const stable = 0.02 + 0.3 * random() * (w % 7 === 0 ? 1 : 0.1);
        const candidate = Math.min(1, rule.ratio * stable + rule.margin);
        state = advance(state, {
          candidate: { trials: 5, hits: tosses(random, 5, candidate) },
          stable: { trials: 20, hits: tosses(random, 20, stable) },
        });
        if (judgeTwoRates(state).verdict === 'fail') {
          alarms++;
          break;
        }
      }
    }
    return alarms / rollouts;
  }

  it.each([
    { ratio: 1, margin: 0 },
    { ratio: 2, margin: 0.01 },
  ])('cries wolf in fewer than one in ten rollouts at 90 %, at the very border %j', (rule) => {
    expect(falseAlarms(rule, 400)).toBeLessThan(0.1);
  });
});

describe('what a comparison can see, as a plan says it', () => {
  /** At most this many requests of the candidate, in seconds with 4 of them beside 36 of stable. */
  const caught = (rates: { stable: number; candidate: number }, rule: Border, most: number, random: () => number) => {
    let state = beginTwoRates({ ...rule, confidence: 0.99 });
    while (state.candidate.trials < most) {
      state = advance(state, {
        candidate: { trials: 4, hits: tosses(random, 4, rates.candidate) },
        stable: { trials: 36, hits: tosses(random, 36, rates.stable) },
      });
      if (judgeTwoRates(state).verdict === 'fail') return true;
    }
    return false;
  };

  it.each([
    [{ ratio: 1.5, margin: 0.001 }, 0.01, 720_000],
    [{ ratio: 1.5, margin: 0.001 }, 0.01, 90_000],
    [{ ratio: 2, margin: 0 }, 0.02, 120_000],
    [{ ratio: 1, margin: 0.01 }, 0.02, 240_000],
  ])('of %o beside a stable side that fails %d is seen in about four of five rollouts', (rule, stable, holdMs) => {
    const guard: Guard = { name: 'worse', kind: 'errorRate', versus: 'stable', confidence: 0.99, ...rule };
    const plan = { strategy: 'canary', smoke: [], stages: [{ weight: 10, holdMs }], guards: [guard] } as const;
    const sight = powerPlan(plan, { requestsPerSecond: 40, stableErrorRate: stable }).stages[0]?.guards[0]?.sees;
    if (sight === null || sight === undefined) throw new Error('nothing is seen');
    const random = seeded(1);
    const rollouts = 200;
    let seen = 0;
    for (let i = 0; i < rollouts; i++) {
      if (caught({ stable, candidate: sight.rate }, rule, sight.requests, random)) seen++;
    }
    // Two standard errors of a share of 0.8.
    expect(seen / rollouts).toBeGreaterThan(0.8 - 2 * Math.sqrt(0.16 / rollouts));
    expect(seen / rollouts).toBeLessThan(0.95);
  });
});
