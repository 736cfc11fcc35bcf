import { describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import type { CollateralGuard } from '../../src/config/guards/guard.ts';
import { operate, stopAtOnce } from '../../src/rollout/operate.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import { type Counts, candidateWeight, type Rollout } from '../../src/rollout/rollout.ts';
import { extensionLeftMs } from '../../src/rollout/stage-end.ts';
import { deadlineLeftMs } from '../../src/rollout/waiting.ts';
import { ERROR_RATE, LATENCY } from '../support/guards.ts';
import { AT, call, given, NONE, pending, smokePassed, start, tick } from '../support/rollout-events.ts';

const PLAN: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: [
    { weight: 20, holdMs: 1000 },
    { weight: 50, holdMs: 2000 },
  ],
  guards: [ERROR_RATE],
};

/** Enough to be sure that the error rate is below 1 %. */
const PROOF: Counts = { trials: 2000, errors: 0 };
const SLOW: Counts = { trials: 50, errors: 0, slow: 50 };

const rollout = (plan: Partial<RolloutPlan>): Rollout => pending({ ...PLAN, ...plan });

function begun(plan: Partial<RolloutPlan>): Rollout {
  return given([start, smokePassed], rollout(plan));
}

const weights = (blue: number, green: number) => ({ kind: 'weights', weights: { blue, green } });

describe('a stage whose guard is inconclusive at its end', () => {
  it('is left all the same by default', () => {
    expect(given([tick(1000)], begun({})).position).toEqual({ phase: 'progressing', stage: 1, heldMs: 0 });
  });

  it('is extended up to its limit, and then left', () => {
    const extended = given([tick(1000)], begun({ extendMs: 500 }));
    expect(extended.position).toEqual({ phase: 'progressing', stage: 0, heldMs: 1000, extendedFromMs: 1000 });
    expect(extensionLeftMs(extended)).toBe(500);
    expect(given([tick(499)], extended).position).toMatchObject({ stage: 0 });
    expect(given([tick(499), tick(1)], extended).position).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('is left as soon as the verdict is a pass', () => {
    const extended = given([tick(1000)], begun({ extendMs: 500_000 }));
    expect(given([tick(1, PROOF)], extended).position).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('goes by its own limit rather than that of the plan', () => {
    const stages = [{ weight: 20, holdMs: 0, extendMs: 50 }, ...PLAN.stages.slice(1)];
    const extended = given([tick(0)], begun({ extendMs: 10_000, stages }));
    expect(extensionLeftMs(extended)).toBe(50);
    expect(given([tick(50)], extended).position).toMatchObject({ stage: 1 });
  });

  it('is rolled back when the verdict is a fail', () => {
    const extended = given([tick(1000)], begun({ extendMs: 500 }));
    expect(given([tick(1, { trials: 5, errors: 5 })], extended).position).toMatchObject({ phase: 'rolled_back' });
  });

  it('waits for the requests that it needs before it is extended', () => {
    const stages = [{ weight: 20, holdMs: 1000, minRequests: 10 }, ...PLAN.stages.slice(1)];
    const waiting = given([tick(5000, { trials: 9, errors: 0 })], begun({ extendMs: 500, stages }));
    expect(waiting.position).not.toHaveProperty('extendedFromMs');
    expect(given([tick(100, { trials: 1, errors: 0 })], waiting).position).toMatchObject({ extendedFromMs: 5100 });
  });

  it('does not go on by itself when it was paused while it waited for the verdict', () => {
    const waiting = given([tick(1000)], begun({ onInconclusive: 'pause' }));
    expect(waiting.position).toMatchObject({ phase: 'paused', reason: 'inconclusive' });
    const held = given([call('pause'), tick(1, PROOF)], waiting);
    expect(held.position).toMatchObject({ phase: 'paused', reason: 'operator', stage: 0 });
    expect(given([call('resume'), tick(1)], held).position).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('takes no notice of a guard that only observes', () => {
    const guards = [{ ...ERROR_RATE, dryRun: true }] as const;
    expect(given([tick(1000)], begun({ guards, onInconclusive: 'pause' })).position).toMatchObject({ stage: 1 });
  });

  describe('pauses with `onInconclusive: pause`', () => {
    const paused = given([tick(1000), tick(500)], begun({ onInconclusive: 'pause', extendMs: 500 }));

    it('after its extension, with its weights', () => {
      expect(paused.position).toEqual({
        phase: 'paused',
        stage: 0,
        heldMs: 1500,
        extendedFromMs: 1000,
        reason: 'inconclusive',
        sinceAt: AT,
      });
      expect(candidateWeight(paused)).toBe(20);
      expect(given([tick(60_000)], paused).position).toEqual(paused.position);
    });

    it('and goes on by itself when the verdict is a pass', () => {
      const step = transition(paused, tick(50, PROOF), AT);
      expect(step.rollout.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 0 });
      expect(step.rollout.transitions.at(-1)).toMatchObject({ reason: 'conclusive', actor: 'tealgate' });
      expect(step.changes).toContainEqual(weights(50, 50));
    });

    it('and goes on to the next stage when somebody resumes, or is promoted', () => {
      expect(given([call('resume')], paused).position).toEqual({ phase: 'progressing', stage: 1, heldMs: 0 });
      expect(given([call('promote')], paused).position).toMatchObject({ phase: 'promoting' });
    });

    it('and is asked again by the gate of the next stage', () => {
      const stages = PLAN.stages.map((stage, i) => (i === 1 ? { ...stage, gate: 'manual' as const } : stage));
      const before = given([tick(1000)], begun({ onInconclusive: 'pause', stages }));
      expect(before.position).toMatchObject({ phase: 'paused', reason: 'inconclusive' });
      const atGate = given([call('resume')], before);
      expect(atGate.position).toMatchObject({ phase: 'paused', stage: 0, reason: 'gate' });
      expect(given([tick(50, PROOF)], atGate).position).toMatchObject({ phase: 'paused', reason: 'gate' });
      expect(given([call('resume')], atGate).position).toMatchObject({ phase: 'progressing', stage: 1 });
    });

    it('but an operator’s pause is not ended by a verdict', () => {
      const held = given([call('pause'), tick(50, PROOF)], begun({ onInconclusive: 'pause' }));
      expect(held.position).toMatchObject({ phase: 'paused', reason: 'operator' });
    });
  });
});

describe('a stage whose candidate got no request during its hold', () => {
  it('is left by default', () => {
    expect(given([tick(1000)], begun({})).position).toMatchObject({ stage: 1 });
  });

  it('is held until one comes', () => {
    const held = given([tick(1000), tick(90_000)], begun({ onNoTraffic: 'hold' }));
    expect(held.position).toMatchObject({ phase: 'progressing', stage: 0, heldMs: 91_000 });
    const next = given([tick(10, { trials: 1, errors: 0 })], held);
    expect(next.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 0, trialsBefore: 1 });
    expect(given([tick(2000)], next).position).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('is rolled back', () => {
    const step = transition(begun({ onNoTraffic: 'rollback' }), tick(1000), AT);
    expect(step.rollout.position).toMatchObject({ phase: 'rolled_back', reason: 'no_traffic' });
    expect(step.changes).toContainEqual(weights(100, 0));
  });

  it('is not asked for one where it has no hold', () => {
    const stages = [{ weight: 20, holdMs: 0 }, ...PLAN.stages.slice(1)];
    expect(given([tick(0)], begun({ onNoTraffic: 'rollback', stages })).position).toMatchObject({ stage: 1 });
  });
});

describe('a deadline', () => {
  const deadlineMs = 5000;

  it('ends a pause', () => {
    const paused = given([call('pause'), tick(4000)], begun({ deadlineMs }));
    expect(deadlineLeftMs(paused)).toBe(1000);
    const step = transition(paused, tick(1000), AT);
    expect(step.rollout.position).toMatchObject({ phase: 'aborted', reason: 'deadline' });
    expect(step.rollout.transitions.at(-1)).toMatchObject({ actor: 'tealgate' });
    expect(step.changes).toContainEqual({ kind: 'drain', upstream: 'green' });
  });

  it('begins anew with each pause', () => {
    const again = given([call('pause'), tick(4000), call('resume'), call('pause'), tick(4000)], begun({ deadlineMs }));
    expect(again.position).toMatchObject({ phase: 'paused', waitedMs: 4000 });
  });

  it('rolls back or promotes where the plan wants it', () => {
    const at = (onDeadline: 'rollback' | 'promote') =>
      given([call('pause'), tick(5000)], begun({ deadlineMs, onDeadline })).position;
    expect(at('rollback')).toMatchObject({ phase: 'rolled_back', reason: 'deadline' });
    expect(at('promote')).toMatchObject({ phase: 'promoting' });
  });

  it('ends the wait for requests, counted from the end of the hold', () => {
    const stages = [{ weight: 20, holdMs: 1000, minRequests: 10 }, ...PLAN.stages.slice(1)];
    const waiting = given([tick(1000), tick(4999)], begun({ deadlineMs, stages }));
    expect(deadlineLeftMs(waiting)).toBe(1);
    expect(deadlineLeftMs(begun({ deadlineMs, stages }))).toBeNull();
    expect(given([tick(1)], waiting).position).toMatchObject({ phase: 'aborted', reason: 'deadline' });
  });

  it('ends the smoke requests, and never with a promotion', () => {
    const checking = (onDeadline?: 'rollback' | 'promote') =>
      given([start, tick(5000)], rollout({ deadlineMs, ...(onDeadline === undefined ? {} : { onDeadline }) })).position;
    expect(checking()).toMatchObject({ phase: 'aborted', reason: 'deadline' });
    expect(checking('promote')).toMatchObject({ phase: 'failed', reason: 'deadline' });
    expect(checking('rollback')).toMatchObject({ phase: 'failed', reason: 'deadline' });
  });

  it('leaves a drain to itself', () => {
    const draining = given([call('promote'), { type: 'switched' }, tick(4000)], begun({ deadlineMs }));
    expect(deadlineLeftMs(draining)).toBe(1000);
    const step = transition(draining, tick(1000), AT);
    expect(step.rollout.position).toMatchObject({ phase: 'promoted', reason: 'deadline' });
    expect(step.changes).toEqual([]);
  });

  it('is not counted where there is none', () => {
    const paused = given([call('pause')], begun({}));
    expect(given([tick(100_000)], paused).position).toEqual(paused.position);
    expect(deadlineLeftMs(paused)).toBeNull();
  });
});

describe('a gate before the first stage', () => {
  const stages = [{ weight: 100, holdMs: 1000, gate: 'manual' as const }];
  const waiting = begun({ strategy: 'blue-green', stages });

  it('waits after the smoke requests, and moves no weight', () => {
    const step = transition(given([start], rollout({ stages })), smokePassed, AT);
    expect(step.rollout.position).toEqual({
      phase: 'paused',
      stage: 0,
      heldMs: 0,
      reason: 'gate',
      sinceAt: AT,
      unbegun: true,
    });
    expect(step.changes).toEqual([]);
    expect(step.events).toMatchObject([{ type: 'rollout.paused', data: { reason: 'gate', stage: 0, weight: 0 } }]);
    expect(candidateWeight(step.rollout)).toBe(0);
  });

  it('lets the first stage begin when somebody resumes', () => {
    const step = transition(waiting, call('resume'), AT);
    expect(step.rollout.position).toEqual({ phase: 'progressing', stage: 0, heldMs: 0 });
    expect(step.changes).toContainEqual(weights(0, 100));
    expect(given([tick(1000)], step.rollout).position).toMatchObject({ phase: 'promoting' });
  });

  it('holds nothing against a candidate that has done nothing yet', () => {
    const guard: CollateralGuard = { name: 'c', kind: 'collateral', ratio: 1, margin: 0, confidence: 0.99 };
    const checking = given([start], rollout({ stages, guards: [guard] }));
    const baseline = { all: { trials: 1000, errors: 1 }, slots: [] };
    const gated = given([{ type: 'smoke_passed', results: [], baseline }], checking);
    const failing: RolloutEvent = {
      type: 'tick',
      elapsedMs: 50,
      candidate: NONE,
      stable: { trials: 500, errors: 400 },
    };
    const over = given([failing], gated);
    expect(over).toMatchObject({ position: { phase: 'paused' }, counts: { stable: { trials: 500, errors: 400 } } });
    const first = given([call('resume')], over);
    expect(given([tick(50, { trials: 1, errors: 0 })], first).guards).toMatchObject([{ trials: 0 }]);
    expect(given([failing], first).position).toMatchObject({ phase: 'rolled_back', reason: 'collateral' });
  });

  it('takes back at once what has not begun, whatever the ramp', () => {
    const ramped = begun({ stages, rampMs: 1000 });
    expect(given([call('abort')], ramped).position).toMatchObject({ phase: 'aborted' });
  });
});

describe('an old side that is kept warm', () => {
  it('is left as it is when the candidate is promoted, and the rollout has ended', () => {
    const step = transition(given([call('promote')], begun({ keepWarmMs: 60_000 })), { type: 'switched' }, AT);
    expect(step.rollout.position).toMatchObject({ phase: 'promoted', reason: 'switched' });
    expect(step.changes).toEqual([{ kind: 'warm', upstream: 'blue', keepMs: 60_000 }]);
    expect(step.effects).toEqual([]);
  });
});

describe('a ramp', () => {
  const rampMs = 1000;

  it('returns the weight in ten equal steps, the first at once, and then drains the candidate', () => {
    const step = transition(begun({ rampMs }), call('abort'), AT);
    expect(step.rollout.position).toMatchObject({ phase: 'returning', weight: 18, fromWeight: 20, end: 'aborted' });
    expect(step.changes).toContainEqual(weights(82, 18));
    const seen: number[] = [];
    let state = step.rollout;
    while (state.position.phase === 'returning') {
      const next = transition(state, tick(100), AT);
      if (next.rollout.position.phase === 'returning') seen.push(candidateWeight(next.rollout));
      else expect(next.changes).toContainEqual({ kind: 'drain', upstream: 'green' });
      state = next.rollout;
    }
    expect(seen).toEqual([16, 14, 12, 10, 8, 6, 4, 2, 0]);
    expect(state.position).toMatchObject({ phase: 'aborted', reason: 'operator' });
    expect(state.transitions.at(-1)).toMatchObject({ from: 'returning', actor: 'ci' });
  });

  it('is how a slow candidate is rolled back', () => {
    const slow = given([tick(10, SLOW)], begun({ rampMs, guards: [LATENCY] }));
    expect(slow.position).toMatchObject({ phase: 'returning', end: 'rolled_back', reason: 'latency' });
    expect(given([tick(10, SLOW), tick(1000)], slow).position).toMatchObject({
      phase: 'rolled_back',
      reason: 'latency',
    });
  });

  it('is not for a candidate that fails requests, which gets none more', () => {
    const failing = tick(10, { trials: 5, errors: 5 });
    expect(given([failing], begun({ rampMs })).position).toMatchObject({ phase: 'rolled_back', reason: 'error_rate' });
    const returning = given([call('abort')], begun({ rampMs }));
    expect(given([failing], returning).position).toMatchObject({ phase: 'rolled_back', reason: 'error_rate' });
  });

  it('is gone through once, however often it is asked for', () => {
    const returning = given([call('abort'), tick(300)], begun({ rampMs }));
    expect(operate(returning, 'abort', 'ci', AT).rollout).toBe(returning);
    for (const action of ['promote', 'pause', 'resume'] as const) {
      expect(() => operate(returning, action, 'ci', AT)).toThrow('traffic returns to stable');
    }
  });

  it('is left out where a newer rollout needs the room', () => {
    expect(stopAtOnce(begun({ rampMs }), 'ci', AT).rollout.position).toMatchObject({ phase: 'aborted' });
    const returning = given([call('abort')], begun({ rampMs }));
    expect(stopAtOnce(returning, 'ci', AT).rollout.position).toMatchObject({ phase: 'aborted' });
  });
});
