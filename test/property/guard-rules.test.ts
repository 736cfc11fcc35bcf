import { describe, expect, it } from 'vitest';
import type { Guard } from '../../src/config/guards/guard.ts';
import type { GuardEvidence } from '../../src/rollout/evidence.ts';
import { business } from '../../src/rollout/guards/business.ts';
import { collateral } from '../../src/rollout/guards/collateral.ts';
import { errorRateVersus } from '../../src/rollout/guards/error-rate-versus.ts';
import type { GuardInput, GuardRule } from '../../src/rollout/guards/kind.ts';
import { latencyVersus } from '../../src/rollout/guards/latency-versus.ts';
import type { Counts } from '../../src/rollout/rollout.ts';
import { seeded, tosses } from '../support/seeded.ts';

const ROLLOUTS = 300;
const STRETCHES = 150;

describe('guards at the very border of what is allowed', () => {
  const random = seeded(20261125);
  const hits = (trials: number, rate: number): number => tosses(random, trials, rate);
  const errors = (trials: number, rate: number): Counts => ({ trials, errors: hits(trials, rate) });

  /** In how many of the rollouts the guard fails at any time; `stretch`: what is seen in the n-th. */
  function failures<G extends Guard, S, E extends GuardEvidence>(
    rule: GuardRule<G, S, E>,
    guard: G,
    stretch: (n: number) => Partial<GuardInput>,
  ): number {
    const nothing: GuardInput = { candidate: { trials: 0, errors: 0 }, stable: { trials: 0, errors: 0 }, closes: true };
    let failed = 0;
    for (let rollout = 0; rollout < ROLLOUTS; rollout++) {
      let state = rule.begin(guard);
      for (let n = 0; n < STRETCHES; n++) {
        state = rule.advance(state, guard, { ...nothing, ...stretch(n) });
        if (rule.judge(guard, state).verdict !== 'fail') continue;
        failed++;
        break;
      }
    }
    return failed;
  }

  // At confidence 99 % 3 of 300 are expected at most; 9 or more come in one of 250 tries at that.
  const MOST = 8;

  it('compare error rates while a dependency fails and recovers, and seldom go wrong', () => {
    const guard = {
      name: 'worse',
      kind: 'errorRate',
      versus: 'stable',
      ratio: 1.5,
      margin: 0.001,
      confidence: 0.99,
    } as const;
    const rate = (n: number): number => (n % 20 < 10 ? 0.02 : 0.2);
    const failed = failures(errorRateVersus, guard, (n) => ({
      candidate: errors(10, 1.5 * rate(n) + 0.001),
      stable: errors(90, rate(n)),
    }));
    expect(failed).toBeLessThanOrEqual(MOST);
  });

  it('compare latencies of equal sides, and seldom go wrong', () => {
    const guard = {
      name: 'slower',
      kind: 'latency',
      versus: 'stable',
      quantile: 0.9,
      ratio: 1,
      margin: 0,
      confidence: 0.99,
    } as const;
    const latencies = (trials: number): Counts => {
      const buckets: Record<string, number> = {};
      for (let n = 0; n < trials; n++) {
        const bucket = String(80 + Math.floor(20 * random() ** 3));
        buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      }
      return { trials, errors: 0, buckets };
    };
    const failed = failures(latencyVersus, guard, () => ({ candidate: latencies(10), stable: latencies(90) }));
    expect(failed).toBeLessThanOrEqual(MOST);
  });

  it('compare what happens in the business, and seldom go wrong', () => {
    const guard = { name: 'orders', kind: 'business', event: 'order', minRatio: 0.9, confidence: 0.99 } as const;
    const events = (trials: number, rate: number): Counts => ({ trials, errors: 0, events: hits(trials, rate) });
    const failed = failures(business, guard, () => ({ candidate: events(20, 0.045), stable: events(80, 0.05) }));
    expect(failed).toBeLessThanOrEqual(MOST);
  });

  it('compare stable with itself before, and seldom go wrong', () => {
    const guard = { name: 'shared', kind: 'collateral', ratio: 1, margin: 0, confidence: 0.99 } as const;
    let baseline = errors(1000, 0.01);
    const failed = failures(collateral, guard, (n) => {
      if (n === 0) baseline = errors(1000, 0.01);
      return { baseline, stable: errors(90, 0.01) };
    });
    expect(failed).toBeLessThanOrEqual(MOST);
  });
});
