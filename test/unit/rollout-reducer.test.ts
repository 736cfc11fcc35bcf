import { describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import { TealgateError } from '../../src/platform/errors.ts';
import { createRollout } from '../../src/rollout/create.ts';
import { EDGES } from '../../src/rollout/edges.ts';
import { operate, undoTarget } from '../../src/rollout/operate.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import { PHASES, type Phase, type Rollout, type SmokeResult } from '../../src/rollout/rollout.ts';
import { ERROR_RATE, LATENCY } from '../support/guards.ts';
import { AT, call, given, NONE, pending, smokePassed, start, tick } from '../support/rollout-events.ts';

const PLAN: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: [
    { weight: 5, holdMs: 1000 },
    { weight: 50, holdMs: 2000 },
    { weight: 100, holdMs: 0 },
  ],
  guards: [ERROR_RATE],
};

const rollout = (plan: RolloutPlan = PLAN): Rollout => pending(plan);
const FAILING = tick(50, { trials: 5, errors: 5 });

const IN: Readonly<Record<Phase, Rollout>> = {
  pending: rollout(),
  checking: given([start], rollout()),
  progressing: given([start, smokePassed], rollout()),
  paused: given([start, smokePassed, tick(400), call('pause')], rollout()),
  returning: given([start, smokePassed, call('abort')], rollout({ ...PLAN, rampMs: 1000 })),
  promoting: given([start, smokePassed, call('promote')], rollout()),
  draining: given([start, smokePassed, call('promote'), { type: 'switched' }], rollout()),
  promoted: given([start, smokePassed, call('promote'), { type: 'switched' }, { type: 'drained' }], rollout()),
  aborted: given([start, call('abort')], rollout()),
  rolled_back: given([start, smokePassed, FAILING], rollout()),
  failed: given([start, { type: 'smoke_failed', results: [] }], rollout()),
};

describe('a guard that only observes', () => {
  const observing = { ...ERROR_RATE, dryRun: true } as const;

  it('tells its verdict and moves nothing', () => {
    const step = transition(given([start, smokePassed], rollout({ ...PLAN, guards: [observing] })), FAILING, AT);
    expect(step.rollout.position).toMatchObject({ phase: 'progressing', stage: 0 });
    expect(step.rollout.guards).toMatchObject([{ guard: 'errorRate', verdict: 'fail', dryRun: true }]);
    expect(step.events).toMatchObject([
      { type: 'rollout.verdict', data: { evidence: { verdict: 'fail', dryRun: true } } },
    ]);
    expect(step.changes).toEqual([]);
  });

  it('leaves the others their say', () => {
    const both = rollout({ ...PLAN, guards: [observing, LATENCY] });
    const seen = tick(50, { trials: 9, errors: 9, slow: 9 });
    expect(given([start, smokePassed, seen], both).position).toMatchObject({ phase: 'rolled_back', reason: 'latency' });
  });
});

describe('a gate before a stage', () => {
  const gated = rollout({
    ...PLAN,
    stages: [
      { weight: 5, holdMs: 1000 },
      { weight: 50, holdMs: 1000, gate: 'manual' },
      { weight: 100, holdMs: 0 },
    ],
  });
  const before = given([start, smokePassed], gated);
  const waiting = given([tick(1000)], before);

  it('pauses the rollout in the stage before, and moves no weight', () => {
    const step = transition(before, tick(1000), AT);
    expect(step.rollout.position).toEqual({ phase: 'paused', stage: 0, heldMs: 1000, reason: 'gate', sinceAt: AT });
    expect(step.changes).toEqual([]);
    expect(step.events).toMatchObject([{ type: 'rollout.paused', data: { reason: 'gate', stage: 0 } }]);
    expect(given([tick(5000)], waiting).position).toEqual(step.rollout.position);
  });

  it('lets the stage begin when somebody resumes, once', () => {
    const step = transition(waiting, call('resume'), AT);
    expect(step.rollout.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 0 });
    expect(step.changes).toContainEqual({ kind: 'weights', weights: { blue: 50, green: 50 } });
    expect(step.rollout.transitions.at(-1)).toMatchObject({ reason: 'operator', actor: 'ci', stage: 1 });
    expect(transition(step.rollout, call('resume'), AT).rollout).toBe(step.rollout);
  });

  it('is no refuge from the guards', () => {
    expect(given([FAILING], waiting).position).toMatchObject({ phase: 'rolled_back', reason: 'error_rate' });
  });

  it('comes once: a pause by hand in the stage behind it goes on in that stage', () => {
    const again = given([call('resume'), tick(300), call('pause'), call('resume')], waiting);
    expect(again.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 300 });
  });
});

describe('a stage that needs requests', () => {
  const needy = rollout({
    ...PLAN,
    stages: [
      { weight: 5, holdMs: 1000, minRequests: 10 },
      { weight: 50, holdMs: 1000, minRequests: 4 },
      { weight: 100, holdMs: 0 },
    ],
  });
  const seen = (trials: number) => ({ trials, errors: 0, slow: 0 });

  it('goes on past its hold until it has them', () => {
    const waiting = given([start, smokePassed, tick(5000, seen(9))], needy);
    expect(waiting.position).toMatchObject({ phase: 'progressing', stage: 0, heldMs: 5000 });
    expect(given([tick(0, seen(1))], waiting).position).toMatchObject({ phase: 'progressing', stage: 1, heldMs: 0 });
  });

  it('is held for its time though it has them', () => {
    expect(given([start, smokePassed, tick(999, seen(500))], needy).position).toMatchObject({ stage: 0 });
  });

  it('counts those of its own only, also over a pause', () => {
    const second = given([start, smokePassed, tick(1000, seen(50))], needy);
    const resumed = given([tick(400, seen(2)), call('pause'), tick(0, seen(1)), call('resume')], second);
    expect(resumed.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 400, trialsBefore: 50 });
    expect(given([tick(5000)], resumed).position).toMatchObject({ stage: 1 });
    expect(given([tick(5000, seen(1))], resumed).position).toMatchObject({ stage: 2 });
  });
});

describe('a latency guard', () => {
  const guarded = rollout({ ...PLAN, guards: [LATENCY] });

  it('rolls back a candidate that is slow without failing, and says so', () => {
    const step = transition(given([start, smokePassed], guarded), tick(50, { trials: 5, errors: 0, slow: 5 }), AT);
    expect(step.rollout.position).toEqual({ phase: 'rolled_back', stage: 0, reason: 'latency', endedAt: AT });
    expect(step.rollout.guards).toMatchObject([{ guard: 'latency', verdict: 'fail', trials: 5, slow: 5 }]);
    expect(step.rollout.guards[0]?.summary).toBe(
      '5 of 5 attempts took longer than 500 ms (100%): more than the allowed 1% with 99% confidence',
    );
  });

  it('lets a candidate go on whose requests fail fast: that is the other guard\u2019s affair', () => {
    const seen = tick(50, { trials: 5000, errors: 5000, slow: 0 });
    const { rollout: next } = transition(given([start, smokePassed], guarded), seen, AT);
    expect(next.position).toMatchObject({ phase: 'progressing' });
    expect(next.guards).toMatchObject([{ guard: 'latency', verdict: 'pass', slow: 0 }]);
  });

  it('names the guard that failed where there are two', () => {
    const both = rollout({ ...PLAN, guards: [ERROR_RATE, LATENCY] });
    const step = transition(given([start, smokePassed], both), tick(50, { trials: 9, errors: 0, slow: 9 }), AT);
    expect(step.rollout.position).toMatchObject({ phase: 'rolled_back', reason: 'latency' });
    expect(step.rollout.guards.map(({ guard, verdict }) => [guard, verdict])).toEqual([
      ['errorRate', 'inconclusive'],
      ['latency', 'fail'],
    ]);
  });

  it('goes on from counts that a version without it stored', () => {
    const before = given([start, smokePassed, tick(50, { trials: 3, errors: 0 })], guarded);
    const stored = { ...before, counts: { candidate: { trials: 3, errors: 0 }, stable: { trials: 9, errors: 0 } } };
    const next = transition(stored, tick(50, { trials: 1, errors: 0, slow: 1 }), AT).rollout;
    expect(next.counts.candidate).toMatchObject({ trials: 4, errors: 0, slow: 1 });
  });
});

describe('a rollout that goes well', () => {
  it('moves no traffic before its smoke check has passed', () => {
    const step = transition(rollout(), start, AT);
    expect(step.rollout.position).toEqual({ phase: 'checking' });
    expect(step.changes).toEqual([{ kind: 'weights', weights: { blue: 100, green: 0 } }]);
    expect(step.effects).toEqual([{ kind: 'smoke' }]);
  });

  it('enters its first stage with the candidate enabled and weights that sum to 100', () => {
    const step = transition(IN.checking, smokePassed, AT);
    expect(step.rollout.position).toEqual({ phase: 'progressing', stage: 0, heldMs: 0 });
    expect(step.changes).toEqual([
      { kind: 'enable', upstream: 'green' },
      { kind: 'weights', weights: { blue: 95, green: 5 } },
    ]);
    expect(step.events).toMatchObject([{ type: 'rollout.stage', data: { stage: 0, stages: 3, weight: 5 } }]);
  });

  it('holds each stage for its time, counted in what has elapsed', () => {
    let state = IN.progressing;
    state = given([tick(999)], state);
    expect(state.position).toEqual({ phase: 'progressing', stage: 0, heldMs: 999 });
    const step = transition(state, tick(1), AT);
    expect(step.rollout.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 0 });
    expect(step.changes).toContainEqual({ kind: 'weights', weights: { blue: 50, green: 50 } });
  });

  it('enters every stage, also when a look comes late or a stage has no hold', () => {
    const late = given([tick(1_000_000)], IN.progressing);
    expect(late.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 0 });
    const last = given([tick(2000)], late);
    expect(last.position).toEqual({ phase: 'progressing', stage: 2, heldMs: 0 });
    expect(given([tick(0)], last).position).toEqual({ phase: 'promoting', stage: 2 });
  });

  it('makes the candidate stable, drains the old side only once every worker has switched, and ends when it is empty', () => {
    const promoting = transition(IN.progressing, call('promote'), AT);
    expect(promoting.changes).toEqual([
      { kind: 'enable', upstream: 'green' },
      { kind: 'weights', weights: { blue: 0, green: 100 } },
      { kind: 'stable', upstream: 'green' },
    ]);
    const draining = transition(promoting.rollout, { type: 'switched' }, AT);
    expect(draining.changes).toEqual([{ kind: 'drain', upstream: 'blue' }]);
    expect(draining.effects).toEqual([{ kind: 'await_drain', upstream: 'blue' }]);
    const promoted = transition(draining.rollout, { type: 'drained' }, AT);
    expect(promoted.rollout.position).toEqual({ phase: 'promoted', stage: 0, reason: 'drained', endedAt: AT });
    expect(promoted.changes).toEqual([]);
    expect(promoted.effects).toEqual([]);
  });

  it('goes straight to promoting without stages', () => {
    expect(given([start, smokePassed], rollout({ ...PLAN, stages: [] })).position.phase).toBe('promoting');
  });
});

describe('a candidate that fails', () => {
  it('is rolled back in one transition, with the evidence', () => {
    const step = transition(IN.progressing, FAILING, AT);
    expect(step.rollout.position).toEqual({ phase: 'rolled_back', stage: 0, reason: 'error_rate', endedAt: AT });
    expect(step.changes).toEqual([
      { kind: 'weights', weights: { blue: 100, green: 0 } },
      { kind: 'enable', upstream: 'blue' },
      { kind: 'drain', upstream: 'green' },
    ]);
    expect(step.rollout.transitions.at(-1)).toMatchObject({
      from: 'progressing',
      to: 'rolled_back',
      actor: 'tealgate',
      evidence: [{ guard: 'errorRate', verdict: 'fail', trials: 5, errors: 5 }],
    });
    expect(step.events.map((event) => event.type)).toEqual(['rollout.verdict', 'rollout.rolled_back']);
  });

  it('is judged over all its stages together, and before the hold that would have ended', () => {
    const attempts = { trials: 100, errors: 5 };
    const second = given([tick(1000, attempts)], IN.progressing);
    expect(second.position).toMatchObject({ phase: 'progressing', stage: 1 });
    const step = transition(second, tick(2000, attempts), AT);
    expect(step.rollout.position.phase).toBe('rolled_back');
    expect(step.rollout.counts.candidate).toMatchObject({ trials: 200, errors: 10 });
  });

  it('is rolled back while paused too', () => {
    expect(given([FAILING], IN.paused).position.phase).toBe('rolled_back');
  });

  it('is not taken back once it is the stable side', () => {
    expect(transition(IN.promoting, FAILING, AT).rollout).toBe(IN.promoting);
    expect(transition(IN.draining, FAILING, AT).rollout).toBe(IN.draining);
  });

  it('in its smoke check never gets traffic', () => {
    const result: SmokeResult = {
      target: 'http://127.0.0.1:4001',
      method: 'GET',
      path: '/healthz',
      ok: false,
      status: 500,
      durationMs: 3,
      detail: 'status 500 and not 200',
    };
    const step = transition(IN.checking, { type: 'smoke_failed', results: [result] }, AT);
    expect(step.rollout).toMatchObject({ position: { phase: 'failed', reason: 'smoke' }, smoke: [result] });
    expect(step.changes).toEqual([]);
    expect(step.events).toMatchObject([{ type: 'rollout.failed', data: { smoke: [result] } }]);
  });

  it('is not blamed for errors of stable, nor without a guard', () => {
    const ofStable = tick(50, { trials: 5, errors: 0 }, { trials: 500, errors: 500 });
    expect(given([ofStable], IN.progressing).position.phase).toBe('progressing');
    const unguarded = given([start, smokePassed, FAILING], rollout({ ...PLAN, guards: [] }));
    expect(unguarded.position.phase).toBe('progressing');
    expect(unguarded.counts.candidate).toMatchObject({ trials: 5, errors: 5 });
  });

  it('is not rolled back for want of requests', () => {
    expect(given([tick(500), tick(499)], IN.progressing).guards).toMatchObject([{ verdict: 'inconclusive' }]);
  });
});

describe('an operator', () => {
  it('pauses the hold but not the weights, and resumes it where it was', () => {
    const paused = transition(given([tick(400)], IN.progressing), call('pause'), AT);
    expect(paused.changes).toEqual([]);
    const later = given([tick(60_000)], paused.rollout);
    expect(later.position).toMatchObject({ phase: 'paused', stage: 0, heldMs: 400 });
    expect(given([call('resume')], later).position).toEqual({ phase: 'progressing', stage: 0, heldMs: 400 });
  });

  it('aborts with everything back on stable and the candidate draining', () => {
    const step = transition(IN.paused, call('abort'), AT);
    expect(step.rollout.position).toMatchObject({ phase: 'aborted', reason: 'operator' });
    expect(step.changes).toEqual(transition(IN.progressing, FAILING, AT).changes);
  });

  it('retries with a new rollout of the same plan, its counts at zero', () => {
    const { rollout: again, events, changes } = operate(IN.rolled_back, 'retry', 'ann', AT);
    expect(again.id).not.toBe(IN.rolled_back.id);
    expect(again).toMatchObject({
      from: 'blue',
      to: 'green',
      plan: PLAN,
      actor: 'ann',
      position: { phase: 'pending' },
    });
    expect(again.counts.candidate).toMatchObject(NONE);
    expect(events).toMatchObject([{ type: 'rollout.created' }]);
    expect(changes).toEqual([]);
  });

  it('retries under an id that no other service has taken in the same moment', () => {
    const elsewhere = operate(IN.rolled_back, 'retry', 'ann', AT).rollout.id;
    expect(operate(IN.failed, 'retry', 'ann', AT, [elsewhere]).rollout.id).not.toBe(elsewhere);
  });

  const OUTCOMES: Record<string, Readonly<Record<Phase, Phase | 'same' | 'conflict'>>> = {
    promote: outcomes('conflict conflict promoting promoting conflict same same same conflict conflict conflict'),
    abort: outcomes('aborted aborted aborted aborted same conflict conflict conflict same same same'),
    pause: outcomes('conflict conflict paused same conflict conflict conflict conflict conflict conflict conflict'),
    resume: outcomes(
      'conflict conflict same progressing conflict conflict conflict conflict conflict conflict conflict',
    ),
    retry: outcomes('same same same same same same same conflict pending pending pending'),
  };

  describe.each(['promote', 'abort', 'pause', 'resume', 'retry'] as const)('that calls %s', (action) => {
    it.each(PHASES)('on a rollout that is %s', (phase) => {
      const expected = OUTCOMES[action]?.[phase];
      const before = IN[phase];
      if (expected === 'conflict') {
        expect(() => operate(before, action, 'ci', AT)).toThrow(TealgateError);
        return;
      }
      const update = operate(before, action, 'ci', AT);
      if (expected !== 'same') {
        expect(update.rollout.position.phase).toBe(expected);
        const again = operate(update.rollout, action, 'ci', AT);
        expect(again.rollout).toBe(update.rollout);
        expect(again).toMatchObject({ changes: [], events: [] });
        return;
      }
      expect(update.rollout).toBe(before);
      expect(update).toMatchObject({ changes: [], events: [] });
    });
  });

  it('is told the phase and what is possible in it', () => {
    expect(() => operate(IN.checking, 'pause', 'ci', AT)).toThrow(
      'cannot pause the rollout of shop while it is checking; possible now: abort',
    );
    expect(() => operate(IN.rolled_back, 'promote', 'ci', AT)).toThrow('while it is rolled back; possible now: retry');
    expect(() => operate(IN.promoted, 'abort', 'ci', AT)).toThrow('use undo to go back');
  });

  it('undoes to what was stable before the last promoted rollout', () => {
    expect(undoTarget([])).toBeNull();
    expect(undoTarget([IN.rolled_back, IN.aborted])).toBeNull();
    expect(undoTarget([IN.rolled_back, IN.promoted, { ...IN.promoted, from: 'grey' }])).toBe('blue');
  });
});

function outcomes(words: string): Readonly<Record<Phase, Phase | 'same' | 'conflict'>> {
  const list = words.split(' ');
  // Eleven words in the order of PHASES, read off a table.
  return Object.fromEntries(PHASES.map((phase, i) => [phase, list[i]])) as Record<Phase, Phase | 'same' | 'conflict'>;
}

describe('facts that come twice or too late', () => {
  const FACTS: readonly RolloutEvent[] = [
    start,
    smokePassed,
    { type: 'smoke_failed', results: [] },
    FAILING,
    { type: 'switched' },
    { type: 'drained' },
    { type: 'interrupted' },
  ];

  it.each(PHASES)('move a rollout that is %s along documented edges or not at all', (phase) => {
    for (const fact of FACTS) {
      const step = transition(IN[phase], fact, AT);
      const to = step.rollout.position.phase;
      if (step.rollout === IN[phase]) expect(step.changes).toEqual([]);
      else expect(EDGES[phase]).toContain(to);
    }
  });

  it('leave a trail of every transition', () => {
    expect(IN.promoted.transitions.map(({ from, to, reason }) => `${from} > ${to}: ${reason}`)).toEqual([
      'pending > checking: started',
      'checking > progressing: smoke_passed',
      'progressing > promoting: operator',
      'promoting > draining: switched',
      'draining > promoted: drained',
    ]);
  });
});

describe('creating a rollout', () => {
  it('refuses the upstream that is stable already', () => {
    const same = { service: 'shop', from: 'blue', to: 'blue', plan: PLAN, actor: 'ci', at: AT, taken: [] };
    expect(() => createRollout(same)).toThrow('blue is already the stable upstream of shop');
  });

  it('gives ids that differ within a millisecond', () => {
    const taken: string[] = [];
    for (let i = 0; i < 50; i++) {
      taken.push(createRollout({ ...rollout(), plan: PLAN, at: AT, taken }).id);
    }
    expect(new Set(taken).size).toBe(50);
    expect(taken[0]).toMatch(/^r[0-9a-z]+$/);
  });
});
