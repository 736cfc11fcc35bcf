import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import { DEFAULT_PLAN } from '../../src/config/plan-schema.ts';
import { powerPlan } from '../../src/rollout/power.ts';
import { trialsToDetect } from '../../src/rollout/statistics/detection.ts';
import { fuseLimits } from '../../src/rollout/statistics.ts';

const RULE = { max: 0.01, confidence: 0.99 };

/** The chance of having failed after each trial, trial by trial. */
function chances(rate: number, trials: number): number[] {
  const limits = fuseLimits(RULE, trials);
  let alive = [1];
  return limits.map((limit) => {
    alive = Array.from(
      { length: Math.min(alive.length + 1, limit) },
      (_, errors) => (alive[errors] ?? 0) * (1 - rate) + (alive[errors - 1] ?? 0) * rate,
    );
    return 1 - alive.reduce((sum, chance) => sum + chance, 0);
  });
}

describe('trials to detect', () => {
  it.each([0.03, 0.1, 0.45])('a rate of %d are those after which the chance is reached, exactly', (rate) => {
    const all = chances(rate, 1500);
    for (const power of [0.5, 0.8, 0.95]) {
      expect(trialsToDetect(RULE, rate, power, 1e6)).toBe(1 + all.findIndex((chance) => chance >= power));
    }
  });

  it('are none where there are fewer trials than that, or nothing to detect', () => {
    const needed = trialsToDetect(RULE, 0.03, 0.8, 1e6) ?? 0;
    expect(trialsToDetect(RULE, 0.03, 0.8, needed)).toBe(needed);
    expect(trialsToDetect(RULE, 0.03, 0.8, needed - 1)).toBeNull();
    expect(trialsToDetect(RULE, 0.005, 0.8, 1e9)).toBeNull();
  });

  it('are fewer for a worse candidate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), (times) => {
        const [bad, worse] = [times, times + 1].map((n) => trialsToDetect(RULE, n * 0.01, 0.8, 1e6));
        expect(worse).toBeLessThanOrEqual(bad ?? 0);
      }),
      { numRuns: 20 },
    );
  });
});

const guarded = (guards: RolloutPlan['guards'], change: Partial<RolloutPlan> = {}): RolloutPlan => ({
  ...DEFAULT_PLAN,
  guards,
  ...change,
});

describe('a power plan', () => {
  it('says what each stage can see, when, and how long it holds', () => {
    const { stages, warnings } = powerPlan(DEFAULT_PLAN, { requestsPerSecond: 40, stableErrorRate: 0.001 });
    expect(stages.map(({ summary }) => summary)).toEqual([
      'at 5 % of 40 req/s errorRate can see a doubling of 1 % after about 22m, hardly less, and one that fails all after 2 requests (1s); it holds 30m',
      'at 25 % of 40 req/s errorRate can see a doubling of 1 % after about 4m, hardly less, and one that fails all after 2 requests (200ms); it holds 10m',
      'at 50 % of 40 req/s errorRate can see 1.5 times 1 % after about 9m, hardly less, and one that fails all after 2 requests (100ms); it holds 10m',
      'at 100 % of 40 req/s there is no time to see anything: it is not held',
    ]);
    expect(stages[0]?.guards[0]?.sees).toEqual({
      rate: 0.02,
      requests: trialsToDetect(RULE, 0.02, 0.8, 3600),
      afterMs: ((trialsToDetect(RULE, 0.02, 0.8, 3600) ?? 0) / 2) * 1000,
    });
    expect(warnings).toEqual([]);
  });

  it('tells what too little traffic cannot show', () => {
    const quiet = powerPlan(DEFAULT_PLAN, { requestsPerSecond: 0.05, stableErrorRate: null }).stages[0];
    expect(quiet).toMatchObject({ requests: 4, guards: [{ sees: null, outright: { requests: 2 } }] });
    const none = powerPlan(DEFAULT_PLAN, { requestsPerSecond: 0, stableErrorRate: null }).stages[0];
    expect(none?.guards[0]).toMatchObject({ sees: null, outright: null });
    expect(none?.summary).toContain('can see nothing: 0 requests are too few');
  });

  it('knows of no time without knowing the traffic', () => {
    const [stage] = powerPlan(DEFAULT_PLAN, { requestsPerSecond: null, stableErrorRate: null }).stages;
    expect(stage).toMatchObject({ requests: null, guards: [{ sees: null }] });
    expect(stage?.summary).toBe(
      'at 5 % of a traffic not known yet errorRate can see more than 1 %, how soon is not known; it holds 30m',
    );
  });

  it('warns of a bound that stable itself does not keep', () => {
    const { warnings } = powerPlan(DEFAULT_PLAN, { requestsPerSecond: 40, stableErrorRate: 0.02 });
    expect(warnings).toEqual([
      'errorRate allows 1 %, and stable itself fails 2 %: a candidate as good as stable would be rolled back',
    ]);
  });

  it('takes for a latency guard the share that its quantile leaves', () => {
    const latency = { name: 'slow', kind: 'latency', quantile: 0.95, maxMs: 300, confidence: 0.99 } as const;
    const { stages } = powerPlan(guarded([latency]), { requestsPerSecond: 40, stableErrorRate: null });
    expect(stages[0]?.guards[0]).toMatchObject({ guard: 'slow', allowed: 0.05, sees: { rate: 0.075 } });
  });

  it('reckons with what stable fails now where the guard compares with it, and not without knowing that', () => {
    const versus = {
      name: 'worse',
      kind: 'errorRate',
      versus: 'stable',
      ratio: 2,
      margin: 0.001,
      confidence: 0.99,
    } as const;
    const [known] = powerPlan(guarded([versus]), { requestsPerSecond: 400, stableErrorRate: 0.01 }).stages;
    expect(known?.guards[0]).toMatchObject({ allowed: 0.021, sees: { rate: 0.0315 } });
    expect(known?.guards[0]?.outright?.requests).toBeLessThan(10);
    const [unknown] = powerPlan(guarded([versus]), { requestsPerSecond: 400, stableErrorRate: null }).stages;
    expect(unknown?.guards[0]).toMatchObject({
      allowed: null,
      summary: 'what worse sees cannot be reckoned beforehand',
    });
    expect(powerPlan(guarded([versus]), { requestsPerSecond: 400, stableErrorRate: 0.1 }).warnings).toEqual([]);
  });

  it('does not reckon with guards that ask elsewhere', () => {
    const metric = { name: 'errors', kind: 'webhook', webhook: 'qa', intervalMs: 1000, failures: 1 } as const;
    const [stage] = powerPlan(guarded([metric]), { requestsPerSecond: 40, stableErrorRate: 0.01 }).stages;
    expect(stage?.guards).toMatchObject([{ guard: 'errors', allowed: null, sees: null, outright: null }]);
  });

  it('goes by the guards that are in force in the stage', () => {
    const stages = [{ weight: 50, holdMs: 600_000, guards: [{ name: 'errorRate', kind: 'none' as const }] }];
    const { stages: power } = powerPlan(guarded(DEFAULT_PLAN.guards, { stages }), {
      requestsPerSecond: 40,
      stableErrorRate: null,
    });
    expect(power[0]?.guards).toEqual([]);
    expect(power[0]?.summary).toBe('at 50 % of 40 req/s nothing is guarded; it holds 10m');
  });
});
