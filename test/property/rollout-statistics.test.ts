import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crossingChance, failThreshold } from '../../src/rollout/statistics/boundary.ts';
import { logEValue, logEValueBelow, logEValueOf, logThreshold } from '../../src/rollout/statistics/one-rate.ts';
import { errorRateVerdict, fuseLimits } from '../../src/rollout/statistics.ts';

const max = fc.double({ min: 0.0005, max: 0.5, noNaN: true });
const confidence = fc.constantFrom(0.9, 0.95, 0.99, 0.999);
const guard = fc.record({ max, confidence });
const counts = fc
  .tuple(fc.integer({ min: 0, max: 1_000_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([trials, share]) => ({ trials, errors: Math.floor(trials * share * share) }));

/**
 * The exact chance that the test has ever failed within `horizon` trials at true rate `rate`, looking after every one,
 * and the mean number of trials it took: the distribution of the number of errors is carried from trial to trial, and
 * what crosses the boundary leaves it.
 */
function crossing(rate: number, limits: readonly number[]): { readonly chance: number; readonly meanTrials: number } {
  let alive = [1];
  let meanTrials = 0;
  let left = 1;
  for (const limit of limits) {
    meanTrials += left;
    const next = new Array<number>(Math.min(alive.length + 1, limit)).fill(0);
    for (let errors = 0; errors < next.length; errors++) {
      next[errors] = (alive[errors] ?? 0) * (1 - rate) + (alive[errors - 1] ?? 0) * rate;
    }
    alive = next;
    left = alive.reduce((sum, chance) => sum + chance, 0);
  }
  return { chance: 1 - left, meanTrials };
}

describe('false alarms', () => {
  it.each([
    [0.01, 0.99, 20_000],
    [0.01, 0.9, 20_000],
    [0.05, 0.95, 8_000],
    [0.2, 0.99, 3_000],
    [0.001, 0.99, 100_000],
  ])('at a true rate of exactly %d stay within 1 - %d over %d looks', (rate, confidence, looks) => {
    const { chance } = crossing(rate, fuseLimits({ max: rate, confidence }, looks));
    expect(chance).toBeLessThanOrEqual(1 - confidence);
    // And the test is not merely timid: nearly all of the budget is spent.
    expect(chance).toBeGreaterThan(0.85 * (1 - confidence));
  });

  it('are computed for ever, and as they are found trial by trial', () => {
    const threshold = failThreshold(0.01, 0.99);
    const { chance } = crossing(0.01, fuseLimits({ max: 0.01, confidence: 0.99 }, 10_000));
    const ever = crossingChance(logEValueOf(0.01), 0.01, threshold);
    expect(ever).toBeGreaterThanOrEqual(chance);
    expect(ever - chance).toBeLessThan(0.0003);
    expect(ever).toBeLessThanOrEqual(0.01);
  });

  it('need less evidence than Ville asks for, where errors are rare', () => {
    fc.assert(
      fc.property(guard, (rule) => {
        const threshold = failThreshold(rule.max, rule.confidence);
        expect(threshold).toBeGreaterThan(0);
        expect(threshold).toBeLessThanOrEqual(logThreshold(rule.confidence));
        expect(crossingChance(logEValueOf(rule.max), rule.max, threshold)).toBeLessThanOrEqual(1 - rule.confidence);
      }),
      { numRuns: 40 },
    );
  });

  it('at half the allowed rate are far rarer', () => {
    expect(crossing(0.005, fuseLimits({ max: 0.01, confidence: 0.99 }, 20_000)).chance).toBeLessThan(0.005);
  });
});

describe('detection', () => {
  const kullbackLeibler = (p: number, q: number): number =>
    p * Math.log(p / q) + (p < 1 ? (1 - p) * Math.log((1 - p) / (1 - q)) : 0);

  const times = [3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 300, 500, 900];
  const cells = [0.05, 0.01, 0.005, 0.001].flatMap((allowed) =>
    times.filter((n) => n * allowed <= 1).map((n) => [n * allowed, allowed] as const),
  );

  it.each(cells)('of a rate of %d where %d is allowed is near the best possible', (rate, allowed) => {
    const wald = logThreshold(0.99) / kullbackLeibler(rate, allowed);
    const limits = fuseLimits({ max: allowed, confidence: 0.99 }, Math.ceil(10 * wald) + 10);
    const { chance, meanTrials } = crossing(rate, limits);
    expect(chance).toBeGreaterThan(0.999);
    expect(meanTrials).toBeLessThan(1.31 * wald + 2);
  });

  it('of a rate that a test knows beforehand takes 19.5 trials with the threshold of Ville, and 14.1 with the least', () => {
    const [allowed, rate, trials] = [0.001, 0.1, 2000] as const;
    const [onError, onSuccess] = [Math.log(rate / allowed), Math.log((1 - rate) / (1 - allowed))];
    const limitsOf = (threshold: number): number[] =>
      Array.from({ length: trials }, (_, i) =>
        Math.max(1, Math.ceil((threshold - (i + 1) * onSuccess) / (onError - onSuccess))),
      );
    expect(crossing(rate, limitsOf(Math.log(100))).meanTrials).toBeCloseTo(19.5, 1);
    let [least, most] = [0, Math.log(100)];
    for (let i = 0; i < 30; i++) {
      const middle = (least + most) / 2;
      if (crossing(allowed, limitsOf(middle)).chance <= 0.01) most = middle;
      else least = middle;
    }
    expect(crossing(rate, limitsOf(most)).meanTrials).toBeCloseTo(14.1, 1);
  });

  it('of what is only twice the allowed rate comes too', () => {
    expect(crossing(0.02, fuseLimits({ max: 0.01, confidence: 0.99 }, 15_000)).chance).toBeGreaterThan(0.9999);
  });
});

describe('the verdict', () => {
  it('moves one way with errors', () => {
    fc.assert(
      fc.property(counts, max, ({ trials, errors }, bound) => {
        fc.pre(errors < trials);
        expect(logEValue(trials, errors + 1, bound)).toBeGreaterThan(logEValue(trials, errors, bound));
        expect(logEValueBelow(trials, errors + 1, bound)).toBeLessThan(logEValueBelow(trials, errors, bound));
      }),
    );
  });

  it('never says more than the observed rate allows', () => {
    fc.assert(
      fc.property(counts, guard, (observed, rule) => {
        const { verdict } = errorRateVerdict(observed, rule);
        if (verdict === 'fail') expect(observed.errors).toBeGreaterThan(observed.trials * rule.max);
        if (verdict === 'pass') expect(observed.errors).toBeLessThan(observed.trials * rule.max);
      }),
    );
  });

  it('is the same after a journey through JSON', () => {
    fc.assert(
      fc.property(counts, guard, (observed, rule) => {
        const evidence = errorRateVerdict(observed, rule);
        expect(JSON.parse(JSON.stringify(evidence))).toEqual(evidence);
      }),
    );
  });
});

describe('the limits of a fuse', () => {
  it('are the verdict exactly', () => {
    fc.assert(
      fc.property(guard, fc.integer({ min: 1, max: 300 }), (rule, size) => {
        const limits = fuseLimits(rule, size);
        expect(limits).toHaveLength(size);
        limits.forEach((limit, i) => {
          const trials = i + 1;
          expect(limit).toBeLessThanOrEqual(trials + 1);
          if (limit <= trials) expect(errorRateVerdict({ trials, errors: limit }, rule).verdict).toBe('fail');
          expect(errorRateVerdict({ trials, errors: limit - 1 }, rule).verdict).not.toBe('fail');
        });
      }),
      { numRuns: 30 },
    );
  });
});
