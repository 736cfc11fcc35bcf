import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import { createRollout } from '../../src/rollout/create.ts';
import type { RolloutEvent } from '../../src/rollout/reducer.ts';
import { candidateWeight, type Rollout } from '../../src/rollout/rollout.ts';
import { leading, operateTogether, transitionTogether } from '../../src/rollout/together.ts';
import { ERROR_RATE, LATENCY } from '../support/guards.ts';
import { AT, NONE, start, tick } from '../support/rollout-events.ts';

const PLAN: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: [
    { weight: 20, holdMs: 1000 },
    { weight: 50, holdMs: 1000 },
  ],
  guards: [ERROR_RATE],
};

const group = { name: 'release', id: 'g1', services: ['shop', 'cart'] };
const smoke = (ok: boolean): RolloutEvent => ({ type: ok ? 'smoke_passed' : 'smoke_failed', results: [] });
const FAILING = tick(10, { trials: 5, errors: 5 });

function pending(service: string, plan: Partial<RolloutPlan>): Rollout {
  const side = { service, from: 'blue', to: 'green' };
  return createRollout({ ...side, plan: { ...PLAN, ...plan }, actor: 'ci', at: AT, taken: [], group });
}

type Pair = readonly Rollout[];

function told(pair: Pair, ...events: readonly (RolloutEvent | null)[]): Pair {
  const members = pair.map((rollout, i) => ({ rollout, event: events[i] ?? null }));
  return transitionTogether(members, AT).map(({ rollout }) => rollout);
}

function begun(shop: Partial<RolloutPlan> = {}, cart: Partial<RolloutPlan> = shop): Pair {
  return told(told([pending('shop', shop), pending('cart', cart)], start, start), smoke(true), smoke(true));
}

const places = (pair: Pair) =>
  pair.map(({ position }) => `${position.phase} ${'stage' in position ? position.stage : '-'}`);
const reasons = (pair: Pair) => pair.map(({ position }) => ('reason' in position ? position.reason : null));

describe('services that are released together', () => {
  it('begin their first stage when the smoke requests of all have passed', () => {
    const checking = told([pending('shop', {}), pending('cart', {})], start, start);
    const waiting = told(checking, smoke(true), null);
    expect(places(waiting)).toEqual(['checking -', 'checking -']);
    expect(places(told(waiting, smoke(true), smoke(true)))).toEqual(['progressing 0', 'progressing 0']);
    const failed = told(waiting, smoke(true), smoke(false));
    expect(places(failed)).toEqual(['aborted 0', 'failed 0']);
    expect(reasons(failed)).toEqual(['group', 'smoke']);
    expect(leading(failed)?.service).toBe('cart');
  });

  it('leave a stage when all of them are ready, and count meanwhile', () => {
    const slower = { stages: PLAN.stages.map((stage) => ({ ...stage, holdMs: 3000 })) };
    const waiting = told(begun({}, slower), tick(1000, { trials: 7, errors: 0 }), tick(1000));
    expect(places(waiting)).toEqual(['progressing 0', 'progressing 0']);
    expect(waiting[0]).toMatchObject({ position: { heldMs: 1000 }, counts: { candidate: { trials: 7 } } });
    const next = told(waiting, tick(2000), tick(2000));
    expect(places(next)).toEqual(['progressing 1', 'progressing 1']);
    expect(places(told(next, tick(3000), tick(3000)))).toEqual(['promoting 1', 'promoting 1']);
  });

  it('are all rolled back, in one step, when a guard of one of them fails', () => {
    const failed = told(begun(), tick(10, { trials: 3, errors: 0 }), FAILING);
    expect(places(failed)).toEqual(['rolled_back 0', 'rolled_back 0']);
    expect(reasons(failed)).toEqual(['group', 'error_rate']);
    expect(failed.map(candidateWeight)).toEqual([0, 0]);
    expect(failed[0]?.counts.candidate.trials).toBe(3);
    expect(leading(failed)?.service).toBe('cart');
  });

  it('are rolled back even where one was about to leave the stage', () => {
    expect(places(told(begun(), tick(1000), FAILING))).toEqual(['rolled_back 0', 'rolled_back 0']);
  });

  it('return by their own ramps when the one that failed does', () => {
    const slow = tick(10, { trials: 50, errors: 0, slow: 50 });
    const returning = told(begun({ rampMs: 1000, guards: [LATENCY] }), slow, tick(10));
    expect(places(returning)).toEqual(['returning 0', 'returning 0']);
    const ended = told(returning, tick(1000), tick(500));
    expect(places(ended)).toEqual(['rolled_back 0', 'returning 0']);
    expect(places(told(ended, null, tick(500)))).toEqual(['rolled_back 0', 'rolled_back 0']);
  });

  it('wait together at the gate of one of them, and go on together', () => {
    const gated = { stages: PLAN.stages.map((stage, i) => (i === 1 ? { ...stage, gate: 'manual' as const } : stage)) };
    const early = told(begun(gated, {}), tick(1000), tick(999));
    expect(places(early)).toEqual(['progressing 0', 'progressing 0']);
    const paused = told(early, tick(1), tick(1));
    expect(places(paused)).toEqual(['paused 0', 'paused 0']);
    expect(reasons(paused)).toEqual(['gate', 'gate']);
    const resumed = operateTogether(paused, 'resume', 'ci', AT).map(({ rollout }) => rollout);
    expect(places(resumed)).toEqual(['progressing 1', 'progressing 1']);
  });

  it('wait together before the first stage', () => {
    const gated = { stages: PLAN.stages.map((stage, i) => (i === 0 ? { ...stage, gate: 'manual' as const } : stage)) };
    const paused = begun(gated, {});
    expect(places(paused)).toEqual(['paused 0', 'paused 0']);
    expect(paused.map(candidateWeight)).toEqual([0, 0]);
    const resumed = operateTogether(paused, 'resume', 'ci', AT).map(({ rollout }) => rollout);
    expect(places(resumed)).toEqual(['progressing 0', 'progressing 0']);
  });

  it('are held together at the gate of one of them, and led back to it', () => {
    const gated = { stages: PLAN.stages.map((stage, i) => (i === 0 ? { ...stage, gate: 'manual' as const } : stage)) };
    const operated = (rollouts: Pair, action: 'pause' | 'resume') =>
      operateTogether(rollouts, action, 'ci', AT).map(({ rollout }) => rollout);
    const held = operated(begun(gated, {}), 'pause');
    expect(reasons(held)).toEqual(['operator', 'operator']);
    const back = operated(held, 'resume');
    expect(reasons(back)).toEqual(['gate', 'gate']);
    expect(back.map(candidateWeight)).toEqual([0, 0]);
    expect(places(operated(back, 'resume'))).toEqual(['progressing 0', 'progressing 0']);
  });

  it('know what stable did before, also those that wait before the first stage for another', () => {
    const gated = { stages: PLAN.stages.map((stage, i) => (i === 0 ? { ...stage, gate: 'manual' as const } : stage)) };
    const checking = told([pending('shop', gated), pending('cart', {})], start, start);
    const baseline = { all: { trials: 500, errors: 1 }, slots: [] };
    const passed: RolloutEvent = { type: 'smoke_passed', results: [], baseline };
    const paused = told(checking, passed, passed);
    expect(places(paused)).toEqual(['paused 0', 'paused 0']);
    expect(paused.map((rollout) => rollout.baseline)).toEqual([baseline, baseline]);
  });

  it('wait together for the verdict of one of them, and go on by themselves when it comes', () => {
    const paused = told(begun({ onInconclusive: 'pause' }, { guards: [] }), tick(1000), tick(1000));
    expect(reasons(paused)).toEqual(['inconclusive', 'inconclusive']);
    expect(places(told(paused, tick(50), tick(50)))).toEqual(['paused 0', 'paused 0']);
    const decided = told(paused, tick(50, { trials: 2000, errors: 0 }), tick(50));
    expect(places(decided)).toEqual(['progressing 1', 'progressing 1']);
  });

  it('wait together at a gate behind the stage that somebody lets them leave without a verdict', () => {
    const gated = { stages: PLAN.stages.map((stage, i) => (i === 1 ? { ...stage, gate: 'manual' as const } : stage)) };
    const onInconclusive = 'pause';
    const paused = told(begun({ ...gated, onInconclusive }, { onInconclusive }), tick(1000), tick(1000));
    expect(reasons(paused)).toEqual(['inconclusive', 'inconclusive']);
    const resumed = operateTogether(paused, 'resume', 'ci', AT).map(({ rollout }) => rollout);
    expect(places(resumed)).toEqual(['paused 0', 'paused 0']);
    expect(reasons(resumed)).toEqual(['gate', 'gate']);
    const again = operateTogether(resumed, 'resume', 'ci', AT).map(({ rollout }) => rollout);
    expect(places(again)).toEqual(['progressing 1', 'progressing 1']);
  });

  it('are all promoted when the deadline of one of them promotes and the others are ready', () => {
    const gated = { stages: PLAN.stages.map((stage, i) => (i === 1 ? { ...stage, gate: 'manual' as const } : stage)) };
    const limited = { ...gated, deadlineMs: 500, onDeadline: 'promote' as const };
    const paused = told(begun(limited, {}), tick(1000), tick(1000));
    expect(reasons(paused)).toEqual(['gate', 'gate']);
    expect(places(told(paused, tick(499), tick(499)))).toEqual(['paused 0', 'paused 0']);
    const promoting = told(paused, tick(500), tick(500));
    expect(places(promoting)).toEqual(['promoting 0', 'promoting 0']);
    expect(promoting.map(({ transitions }) => transitions.at(-1)?.reason)).toEqual(['deadline', 'group']);
  });

  it('drain their old sides each at its own pace', () => {
    const promoting = operateTogether(begun(), 'promote', 'ci', AT).map(({ rollout }) => rollout);
    const draining = told(promoting, { type: 'switched' }, { type: 'switched' });
    expect(places(told(draining, { type: 'drained' }, null))).toEqual(['promoted 0', 'draining 0']);
  });

  it('are operated all or none', () => {
    const [shop, cart] = begun();
    const ended = told([pending('shop', {})], start);
    expect(() =>
      operateTogether(
        [shop, ...ended].flatMap((r) => r ?? []),
        'pause',
        'ci',
        AT,
      ),
    ).toThrow('cannot pause');
    const aborted = operateTogether(
      [shop, cart].flatMap((r) => r ?? []),
      'abort',
      'ci',
      AT,
    );
    expect(aborted.map(({ rollout }) => rollout.position.phase)).toEqual(['aborted', 'aborted']);
  });

  it('are in the same stage, or have all been taken back, whatever happens', () => {
    const counts = fc.constantFrom(
      NONE,
      { trials: 10, errors: 0 },
      { trials: 600, errors: 0 },
      { trials: 9, errors: 9 },
    );
    const event = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.tuple(fc.constantFrom(0, 500, 1000, 5000), counts).map(([ms, seen]) => tick(ms, seen)),
      },
      { weight: 2, arbitrary: fc.constant(null) },
    );
    const policies = fc.record(
      {
        onInconclusive: fc.constant('pause' as const),
        extendMs: fc.constant(700),
        onNoTraffic: fc.constantFrom('hold' as const, 'rollback' as const),
        deadlineMs: fc.constant(4000),
        onDeadline: fc.constantFrom('rollback' as const, 'promote' as const),
        rampMs: fc.constant(2000),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(policies, policies, fc.array(fc.tuple(event, event), { maxLength: 40 }), (shop, cart, acts) => {
        let pair = begun(shop, cart);
        for (const [first, second] of acts) {
          pair = told(pair, first, second);
          const undecided = pair.map(({ position }) => position.phase === 'progressing' || position.phase === 'paused');
          expect(new Set(undecided).size).toBe(1);
          if (undecided[0]) expect(new Set(places(pair)).size).toBe(1);
          const promoted = pair.map(({ position }) => /promot|drain/.test(position.phase));
          expect(new Set(promoted).size).toBe(1);
        }
      }),
      { numRuns: 400, seed: 20261125 },
    );
  });
});
