import { describe, expect, it } from 'vitest';
import { validateDesired } from '../../src/app/desired/validate.ts';
import type { RolloutPlan } from '../../src/config/config.ts';
import type { GuardEvidence } from '../../src/rollout/evidence.ts';
import { aggregate } from '../../src/rollout/guards/verdict.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import type { Counts, Rollout } from '../../src/rollout/rollout.ts';
import { ERROR_RATE, LATENCY } from '../support/guards.ts';
import { AT, given, pending, smokePassed, start, tick } from '../support/rollout-events.ts';

const PLAN: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: [
    { weight: 5, holdMs: 1000 },
    { weight: 50, holdMs: 1000 },
    { weight: 100, holdMs: 1000 },
  ],
  guards: [ERROR_RATE],
};

const seen = (trials: number, errors: number): Counts => ({ trials, errors, slow: 0 });

function begun(plan: RolloutPlan, events: readonly RolloutEvent[] = []): Rollout {
  return given([start, smokePassed, ...events], pending(plan));
}

const trialsOf = ({ guards }: Rollout) =>
  Object.fromEntries(guards.map((evidence) => [evidence.guard, 'trials' in evidence ? evidence.trials : null]));

describe('several guards of one kind', () => {
  it('each have their say under their own names', () => {
    const strict = { ...ERROR_RATE, name: 'strict', max: 0.001 };
    const rollout = begun({ ...PLAN, guards: [{ ...ERROR_RATE, max: 0.2 }, strict] }, [tick(10, seen(300, 6))]);
    expect(rollout.position).toMatchObject({ phase: 'rolled_back', reason: 'error_rate' });
    expect(rollout.transitions.at(-1)?.evidence).toMatchObject([
      { guard: 'errorRate', kind: 'errorRate', verdict: 'pass' },
      { guard: 'strict', kind: 'errorRate', verdict: 'fail', max: 0.001 },
    ]);
  });
});

describe('a guard of one stage', () => {
  const stages = PLAN.stages.map((stage, i) => (i === 1 ? { ...stage, guards: [LATENCY] } : stage));
  const slow: Counts = { trials: 20, errors: 0, slow: 20 };

  it('is in force in that stage only, and counts what happens in it', () => {
    const rollout = begun({ ...PLAN, stages }, [tick(1000, slow), tick(10, { ...seen(3, 0) })]);
    expect(rollout.position).toMatchObject({ phase: 'progressing', stage: 1 });
    expect(trialsOf(rollout)).toEqual({ errorRate: 23, latency: 3 });
    const after = transition(rollout, tick(1000), AT).rollout;
    expect(after.position).toMatchObject({ phase: 'progressing', stage: 2 });
    expect(Object.keys(after.guardStates)).toEqual(['errorRate']);
    expect(transition(after, tick(10, slow), AT).rollout.position).toMatchObject({ phase: 'progressing', stage: 2 });
  });

  it('rolls back in that stage', () => {
    const rollout = begun({ ...PLAN, stages }, [tick(1000), tick(10, slow)]);
    expect(rollout.position).toMatchObject({ phase: 'rolled_back', stage: 1, reason: 'latency' });
  });

  it('replaces one of the plan with counts of its own, and gives the place back afterwards', () => {
    const other = PLAN.stages.map((stage, i) =>
      i === 1 ? { ...stage, guards: [{ ...ERROR_RATE, max: 0.5 }] } : stage,
    );
    const second = begun({ ...PLAN, stages: other }, [tick(1000, seen(40, 0)), tick(10, seen(30, 3))]);
    expect(second.guards).toMatchObject([{ guard: 'errorRate', trials: 30, errors: 3, max: 0.5 }]);
    const third = [tick(1000), tick(10, seen(5, 0))].reduce(
      (state, event) => transition(state, event, AT).rollout,
      second,
    );
    expect(third.guards).toMatchObject([{ guard: 'errorRate', trials: 5, errors: 0, max: 0.01 }]);
    expect(third.counts.candidate).toMatchObject({ trials: 75, errors: 3 });
  });

  it('may be none at all', () => {
    const none = PLAN.stages.map((stage, i) =>
      i === 0 ? { ...stage, guards: [{ name: 'errorRate', kind: 'none' as const }] } : stage,
    );
    const rollout = begun({ ...PLAN, stages: none }, [tick(10, seen(50, 50))]);
    expect(rollout.position).toMatchObject({ phase: 'progressing', stage: 0 });
    expect(rollout.guards).toEqual([]);
    const second = [tick(1000), tick(10, seen(50, 50))].reduce((s, event) => transition(s, event, AT).rollout, rollout);
    expect(second.position).toMatchObject({ phase: 'rolled_back', stage: 1, reason: 'error_rate' });
  });
});

describe('what guards keep', () => {
  it('follows from the ticks alone, also through JSON', () => {
    const ticks = [tick(10, seen(30, 1)), tick(10, seen(50, 0)), tick(10, seen(7, 1))];
    const copy = (rollout: Rollout): Rollout => JSON.parse(JSON.stringify(rollout));
    const live = begun(PLAN, ticks);
    const stored = ticks.reduce((state, event) => copy(transition(state, event, AT).rollout), copy(begun(PLAN)));
    expect(stored).toEqual(live);
    expect(live.guardStates).toEqual({ errorRate: { trials: 87, errors: 2, slow: 0 } });
  });
});

describe('a guard that compares stretches of time', () => {
  const versus = {
    name: 'versus',
    kind: 'errorRate',
    versus: 'stable',
    ratio: 1,
    margin: 0,
    confidence: 0.99,
  } as const;
  const look = (candidate: Counts, stable: Counts, closes: boolean): RolloutEvent => ({
    ...{ type: 'tick', elapsedMs: 10, candidate, stable },
    ...(closes ? { closes } : {}),
  });
  const none = seen(0, 0);

  it('judges what was seen in one of them when it ends, though nothing came since', () => {
    const open = begun({ ...PLAN, guards: [versus] }, [look(seen(40, 40), seen(800, 0), false)]);
    expect(open.guards).toMatchObject([{ verdict: 'inconclusive', trials: 0 }]);
    const closed = transition(open, look(none, none, true), AT).rollout;
    expect(closed.position).toMatchObject({ phase: 'rolled_back', reason: 'error_rate' });
  });

  it('keeps what it has while nothing comes', () => {
    const still = begun({ ...PLAN, guards: [versus] }, [look(seen(4, 0), seen(80, 0), true)]);
    expect(transition(still, look(none, none, true), AT).rollout.guardStates).toBe(still.guardStates);
  });
});

describe('the verdict of all guards', () => {
  const evidence = (verdict: GuardEvidence['verdict'], dryRun = false): GuardEvidence => ({
    ...(begun(PLAN, [tick(1)]).guards[0] as GuardEvidence), // judged once, so there is one
    verdict,
    ...(dryRun ? { dryRun: true } : {}),
  });

  it('is the worst of those that do not only observe, and a pass without any', () => {
    expect(aggregate([])).toBe('pass');
    expect(aggregate([evidence('pass'), evidence('inconclusive', true), evidence('fail', true)])).toBe('pass');
    expect(aggregate([evidence('pass'), evidence('inconclusive')])).toBe('inconclusive');
    expect(aggregate([evidence('fail'), evidence('inconclusive')])).toBe('fail');
  });
});

describe('a rollout that an older version stored', () => {
  const judgement = { trials: 40, confidence: 0.99, logE: 1, logThreshold: 4.6, summary: 'so far so good' };
  const evidence = [
    { guard: 'errorRate', verdict: 'inconclusive', errors: 1, max: 0.02, ...judgement },
    { guard: 'latency', verdict: 'inconclusive', slow: 2, quantile: 0.9, maxMs: 300, ...judgement },
  ];
  const old = {
    ...begun(PLAN),
    plan: {
      ...PLAN,
      guards: {
        errorRate: { max: 0.02, confidence: 0.99 },
        latency: { quantile: 0.9, maxMs: 300, confidence: 0.99, dryRun: true },
      },
    },
    counts: { candidate: { trials: 40, errors: 1, slow: 2 }, stable: { trials: 900, errors: 4 } },
    guards: evidence,
    transitions: [
      { at: 1, from: 'checking', to: 'progressing', stage: 0, reason: 'smoke_passed', actor: 'tealgate', evidence },
    ],
    guardStates: undefined,
  };
  const state = (rollout: unknown) => ({
    format: 1,
    services: {
      shop: { weights: null, stable: null, targets: {}, draining: {}, pinEpochs: {}, rollouts: [rollout] },
    },
    pinKeys: [{ id: 'k', secret: 'c2VjcmV0' }],
  });
  const load = (rollout: unknown) =>
    validateDesired(JSON.parse(JSON.stringify(state(rollout)))).services.shop?.rollouts[0] as Rollout;

  it('loads, with its guards under their names', () => {
    const rollout = load(old);
    expect(rollout.plan.guards).toEqual([
      { ...ERROR_RATE, max: 0.02 },
      { ...LATENCY, quantile: 0.9, maxMs: 300, dryRun: true },
    ]);
    expect(rollout.guards.map(({ guard, kind }) => [guard, kind])).toEqual([
      ['errorRate', 'errorRate'],
      ['latency', 'latency'],
    ]);
    expect(rollout.transitions[0]?.evidence).toEqual(rollout.guards);
  });

  it('goes on with what it had counted', () => {
    const next = transition(load(old), tick(10, { trials: 10, errors: 1, slow: 3 }), AT).rollout;
    expect(next.guards).toMatchObject([
      { guard: 'errorRate', trials: 50, errors: 2 },
      { guard: 'latency', trials: 50, slow: 5 },
    ]);
  });

  it('loads where there was no guard, and where there was no latency guard', () => {
    expect(load({ ...old, plan: { ...PLAN, guards: { errorRate: null } } }).plan.guards).toEqual([]);
    const one = { errorRate: { max: 0.02, confidence: 0.99 } };
    expect(load({ ...old, plan: { ...PLAN, guards: one } }).plan.guards).toEqual([{ ...ERROR_RATE, max: 0.02 }]);
  });

  it('is left as it is when it is of today', () => {
    const today = state(begun(PLAN, [tick(10, seen(30, 1))]));
    expect(validateDesired(today)).toBe(today);
  });
});
