import { describe, expect, it } from 'vitest';
import type {
  BusinessGuard,
  CollateralGuard,
  Guard,
  RelativeErrorRateGuard,
  RelativeLatencyGuard,
} from '../../src/config/guards/guard.ts';
import type { GuardEvidence } from '../../src/rollout/evidence.ts';
import { business } from '../../src/rollout/guards/business.ts';
import { collateral } from '../../src/rollout/guards/collateral.ts';
import { errorRateVersus } from '../../src/rollout/guards/error-rate-versus.ts';
import type { GuardInput, GuardRule } from '../../src/rollout/guards/kind.ts';
import { latencyVersus } from '../../src/rollout/guards/latency-versus.ts';
import type { Counts } from '../../src/rollout/rollout.ts';
import { reportsEvent } from '../../src/traffic/business.ts';
import { latencyBucket } from '../../src/traffic/latency.ts';

const NONE: Counts = { trials: 0, errors: 0 };

/** What a rule says after these looks. */
function judged<G extends Guard, S, E extends GuardEvidence>(
  rule: GuardRule<G, S, E>,
  guard: G,
  looks: readonly Partial<GuardInput>[],
): E {
  const state = looks.reduce(
    (before, look) => rule.advance(before, guard, { candidate: NONE, stable: NONE, closes: true, ...look }),
    rule.begin(guard),
  );
  return rule.judge(guard, JSON.parse(JSON.stringify(state)));
}

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);
const of = (trials: number, errors: number): Counts => ({ trials, errors });

describe('the error rate against stable', () => {
  const guard: RelativeErrorRateGuard = {
    name: 'worse',
    kind: 'errorRate',
    versus: 'stable',
    ratio: 1.5,
    margin: 0.001,
    confidence: 0.99,
  };

  it('fails a candidate with errors that stable does not have', () => {
    const evidence = judged(errorRateVersus, guard, times(20, { candidate: of(50, 3), stable: of(450, 0) }));
    expect(evidence).toMatchObject({ verdict: 'fail', candidate: { hits: 60 }, stable: { trials: 9000, hits: 0 } });
    expect(evidence.summary).toMatch(
      /^60 of 1000 attempts \(6%\) failed on the candidate, 0 of 9000 .* more than 1.5 times/,
    );
  });

  it('says nothing against a candidate that fails as stable does, however much', () => {
    const looks = [0, 0.5, 1, 0.1].flatMap((share) =>
      times(20, { candidate: of(50, 50 * share), stable: of(450, 450 * share) }),
    );
    expect(judged(errorRateVersus, guard, looks).verdict).not.toBe('fail');
  });

  it('passes a candidate that is no worse, after enough of it', () => {
    const evidence = judged(errorRateVersus, guard, times(60, { candidate: of(100, 1), stable: of(100, 2) }));
    expect(evidence.verdict).toBe('pass');
  });

  it('bets where a stretch ends, and on nothing before', () => {
    const looks = times(50, { candidate: of(20, 20), stable: of(180, 0), closes: false });
    expect(judged(errorRateVersus, guard, looks)).toMatchObject({ verdict: 'inconclusive', logE: 0 });
    expect(judged(errorRateVersus, guard, [...looks, {}]).verdict).toBe('fail');
  });

  it('does not take a change of the split for a difference between the sides', () => {
    // Both sides fail outright in the second half only, in which the candidate has ten times the traffic.
    const first = { candidate: of(10, 0), stable: of(90, 0), closes: false };
    const second = { candidate: of(90, 90), stable: of(10, 10), closes: false };
    let state = errorRateVersus.advance(errorRateVersus.begin(guard), guard, first);
    state = errorRateVersus.turn?.(state, guard) ?? state;
    state = errorRateVersus.advance(state, guard, { ...second, closes: true });
    expect(errorRateVersus.judge(guard, state).verdict).not.toBe('fail');
  });
});

describe('latency against stable', () => {
  const guard: RelativeLatencyGuard = {
    name: 'slower',
    kind: 'latency',
    versus: 'stable',
    quantile: 0.9,
    ratio: 2,
    margin: 0,
    confidence: 0.99,
  };
  const timed = (...ms: readonly number[]): Counts => {
    const buckets: Record<string, number> = {};
    for (const each of ms) {
      const bucket = latencyBucket(each * 1000);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    return { trials: ms.length, errors: 0, buckets };
  };
  const usual = timed(...times(90, 5), ...times(10, 40));

  it('fails a candidate that is slow where stable is fast', () => {
    const looks = times(10, { candidate: timed(...times(5, 5), ...times(5, 80)), stable: usual });
    const evidence = judged(latencyVersus, guard, looks);
    expect(evidence).toMatchObject({ verdict: 'fail', quantile: 0.9 });
    expect(evidence.boundMs).toBeGreaterThan(4);
    expect(evidence.boundMs).toBeLessThan(6);
  });

  it('lets both be slow at the same time', () => {
    const slow = timed(...times(100, 500));
    const looks = [...times(5, { candidate: usual, stable: usual }), ...times(20, { candidate: slow, stable: slow })];
    expect(judged(latencyVersus, guard, looks).verdict).not.toBe('fail');
  });

  it('compares nothing until it knows how fast stable is', () => {
    const evidence = judged(latencyVersus, guard, [{ candidate: timed(...times(50, 900)), stable: timed(5) }]);
    expect(evidence).toMatchObject({ verdict: 'inconclusive', boundMs: null, trials: 0 });
  });
});

describe('collateral damage', () => {
  const guard: CollateralGuard = { name: 'shared', kind: 'collateral', ratio: 2, margin: 0.005, confidence: 0.99 };

  it('fails when stable has more errors than before, and not when it has as many', () => {
    const baseline = of(10_000, 20);
    expect(judged(collateral, guard, [{ baseline, stable: of(1000, 60) }]).verdict).toBe('fail');
    const same = judged(collateral, guard, [{ baseline, stable: of(20_000, 40) }]);
    expect(same).toMatchObject({ verdict: 'pass', before: { trials: 10_000, hits: 20 } });
  });

  it('allows for how little was seen before', () => {
    const few = judged(collateral, guard, [{ baseline: of(20, 0), stable: of(100, 10) }]);
    const many = judged(collateral, guard, [{ baseline: of(20_000, 0), stable: of(100, 10) }]);
    expect(few.verdict).toBe('inconclusive');
    expect(few.allowed).toBeGreaterThan(0.2);
    expect(many.verdict).toBe('fail');
    expect(many.allowed).toBeLessThan(0.01);
  });

  it('comes to no verdict when nothing is known of the time before', () => {
    expect(judged(collateral, guard, [{ stable: of(100, 100) }])).toMatchObject({
      verdict: 'inconclusive',
      before: null,
    });
  });

  it('says nothing of the candidate\u2019s own errors', () => {
    const looks = [{ baseline: of(5000, 0), candidate: of(900, 900), stable: of(3000, 0) }];
    expect(judged(collateral, guard, looks).verdict).not.toBe('fail');
  });
});

describe('what happens in the business', () => {
  const guard: BusinessGuard = { name: 'orders', kind: 'business', event: 'order', minRatio: 0.9, confidence: 0.99 };
  const sold = (trials: number, events: number): Counts => ({ trials, errors: 0, events });

  it('fails a candidate that brings in less, and passes one that does not', () => {
    const less = judged(business, guard, times(40, { candidate: sold(50, 1), stable: sold(450, 45) }));
    expect(less).toMatchObject({ verdict: 'fail', candidate: { trials: 2000, hits: 40 } });
    expect(less.summary).toMatch(/^order was reported by 40 of 2000 .* less than 90% of stable/);
    expect(judged(business, guard, times(200, { candidate: sold(100, 12), stable: sold(100, 10) })).verdict).toBe(
      'pass',
    );
  });

  it('counts events that are reported later than their requests', () => {
    const looks = [
      { candidate: sold(100, 0), stable: sold(100, 0) },
      { candidate: sold(0, 30), stable: sold(0, 30) },
    ];
    const more = [{ candidate: sold(100, 0), stable: sold(100, 0) }];
    expect(judged(business, guard, [...looks, ...more])).toMatchObject({
      candidate: { hits: 30 },
      stable: { hits: 30 },
    });
  });

  it.each([
    ['order', true],
    ['view, order=2', true],
    [' order = 1 ', true],
    ['order=0', false],
    ['order=no', false],
    ['orders', false],
    ['order=-1,view', false],
    ['', false],
  ])('reads the report %j', (report, expected) => {
    expect(reportsEvent(report, 'order')).toBe(expected);
  });
});
