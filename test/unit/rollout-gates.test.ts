import { describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import type { Gate } from '../../src/config/gate-schema.ts';
import { createRollout } from '../../src/rollout/create.ts';
import { pollsOf, waitOf } from '../../src/rollout/polls.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import { candidateWeight, type Rollout } from '../../src/rollout/rollout.ts';
import { transitionTogether } from '../../src/rollout/together.ts';

/** Wednesday, 25 November 2026, 08:59:59 in Berlin. */
const EARLY = Date.parse('2026-11-25T07:59:59Z');
const OPEN = EARLY + 1000;
const NONE = { trials: 0, errors: 0, slow: 0 };
const OFFICE: Gate = {
  kind: 'schedule',
  days: [1, 2, 3, 4, 5],
  fromMinute: 540,
  toMinute: 1020,
  timeZone: 'Europe/Berlin',
};
const HTTP: Gate = { kind: 'http', webhook: 'bot', intervalMs: 1000, onNo: 'pause' };

function begun(gate: Gate, at = EARLY): Rollout {
  const stages = [
    { weight: 20, holdMs: 10 },
    { weight: 50, holdMs: 1000, gate },
  ];
  return withStages(stages, at);
}

function withStages(stages: RolloutPlan['stages'], at = EARLY): Rollout {
  const plan: RolloutPlan = { strategy: 'canary', smoke: [], stages, guards: [] };
  const rollout = createRollout({ service: 'shop', from: 'blue', to: 'green', plan, actor: 'ci', at, taken: [] });
  return run(rollout, [{ type: 'start' }, { type: 'smoke_passed', results: [] }], at);
}

const run = (rollout: Rollout, events: readonly RolloutEvent[], at = EARLY): Rollout =>
  events.reduce((state, event) => transition(state, event, at).rollout, rollout);

const tick = (gate?: unknown): RolloutEvent => ({
  type: 'tick',
  elapsedMs: 20,
  candidate: NONE,
  stable: NONE,
  ...(gate === undefined ? {} : { gate }),
});
const said = (verdict: string, answered = true) => ({ at: EARLY, verdict, answered, reason: `answered ${verdict}` });

describe('a gate with a window', () => {
  it('is waited at until the window opens, and then goes by itself', () => {
    const waiting = run(begun(OFFICE), [tick(), tick()]);
    expect(waiting.position).toMatchObject({ phase: 'paused', reason: 'gate', stage: 0 });
    const step = transition(waiting, tick(), OPEN);
    expect(step.rollout.position).toMatchObject({ phase: 'progressing', stage: 1 });
    expect(step.rollout.transitions.at(-1)).toMatchObject({ reason: 'gate_open', actor: 'tealgate' });
    expect(step.changes).toContainEqual({ kind: 'weights', weights: { blue: 50, green: 50 } });
  });

  it('is not noticed while the window is open', () => {
    const rollout = run(begun(OFFICE, OPEN), [tick()], OPEN);
    expect(rollout.position).toMatchObject({ phase: 'progressing', stage: 1 });
    expect(rollout.transitions.map(({ to }) => to)).not.toContain('paused');
  });

  it('lets a stage go on that was begun inside', () => {
    const inside = run(begun(OFFICE, OPEN), [tick()], OPEN);
    const later = run(inside, [tick()], Date.parse('2026-11-25T20:00:00Z'));
    expect(later.position).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('is waited at before the first stage, too, with no traffic on the candidate', () => {
    const waiting = withStages([{ weight: 20, holdMs: 1000, gate: OFFICE }]);
    expect(waiting.position).toMatchObject({ phase: 'paused', reason: 'gate', unbegun: true });
    expect(run(waiting, [tick()], OPEN).position).toMatchObject({ phase: 'progressing', stage: 0 });
  });

  it('gives way to somebody who resumes', () => {
    const waiting = run(begun(OFFICE), [tick()]);
    expect(run(waiting, [{ type: 'resume', actor: 'ci' }]).position).toMatchObject({ phase: 'progressing', stage: 1 });
  });
});

describe('a pause at a gate', () => {
  const pause: RolloutEvent = { type: 'pause', actor: 'ann' };
  const resume: RolloutEvent = { type: 'resume', actor: 'ann' };

  it('holds the rollout when the gate opens, and leads back to the gate', () => {
    const held = run(run(begun(OFFICE), [tick(), pause]), [tick(), tick()], OPEN);
    expect(held.position).toMatchObject({ phase: 'paused', reason: 'operator', stage: 0 });
    expect(run(held, [resume, tick()]).position).toMatchObject({ phase: 'paused', reason: 'gate', stage: 0 });
    expect(run(held, [resume, tick()], OPEN).position).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('holds it before the first stage, too, with no traffic on the candidate', () => {
    const held = run(run(withStages([{ weight: 20, holdMs: 1000, gate: OFFICE }]), [pause]), [tick()], OPEN);
    expect(held.position).toMatchObject({ phase: 'paused', reason: 'operator', unbegun: true });
    expect(candidateWeight(held)).toBe(0);
    const back = run(held, [resume]);
    expect(back.position).toMatchObject({ phase: 'paused', reason: 'gate', unbegun: true });
    expect(run(back, [tick()], OPEN).position).toMatchObject({ phase: 'progressing', stage: 0 });
    expect(run(held, [resume], OPEN).position).toMatchObject({ phase: 'progressing', stage: 0 });
  });

  it('ends the questions, which begin anew behind it', () => {
    const refused = run(begun(HTTP), [tick(), tick(said('fail')), pause]);
    expect(pollsOf(refused)).toEqual([]);
    const back = run(refused, [resume, tick()]);
    expect(back.position).toMatchObject({ phase: 'paused', reason: 'gate' });
    expect(pollsOf(back)).toMatchObject([{ kind: 'gate', stage: 1 }]);
  });
});

describe('a gate that asks', () => {
  const waiting = run(begun(HTTP), [tick()]);

  it('is waited at until the answer is yes', () => {
    expect(waiting.position).toMatchObject({ phase: 'paused', reason: 'gate' });
    const later = run(waiting, [tick(said('inconclusive')), tick(said('inconclusive', false)), tick()]);
    expect(later.position).toMatchObject({
      phase: 'paused',
      gate: { asked: 2, unanswered: 1, last: { verdict: 'inconclusive', summary: 'answered inconclusive' } },
    });
    const open = run(later, [tick(said('pass'))]);
    expect(open.position).toMatchObject({ phase: 'progressing', stage: 1 });
    expect(open.position).not.toHaveProperty('gate');
    expect(open.transitions.at(-1)).toMatchObject({ reason: 'gate_open' });
  });

  it('leaves a no to somebody, tells of it, and asks no more', () => {
    const step = transition(waiting, tick(said('fail')), EARLY);
    expect(step.rollout.position).toMatchObject({
      phase: 'paused',
      reason: 'gate',
      gate: { last: { verdict: 'fail' } },
    });
    expect(step.events).toMatchObject([{ type: 'rollout.gate_refused', data: { stage: 1, said: 'answered fail' } }]);
    expect(pollsOf(step.rollout)).toEqual([]);
    expect(transition(step.rollout, tick(), EARLY).events).toEqual([]);
    expect(run(step.rollout, [{ type: 'resume', actor: 'ci' }]).position).toMatchObject({
      phase: 'progressing',
      stage: 1,
    });
  });

  it('takes the candidate back on a no where it is told to', () => {
    const strict = run(begun({ ...HTTP, onNo: 'rollback' }), [tick(), tick(said('fail'))]);
    expect(strict.position).toMatchObject({ phase: 'rolled_back', reason: 'gate_refused' });
  });

  it('is asked at once, then from time to time, less often without an answer, and only while it is waited at', () => {
    const wait = (rollout: Rollout, nowAt = EARLY) => pollsOf(rollout).map((poll) => waitOf(poll, rollout, nowAt));
    expect(wait(begun(HTTP))).toEqual([]);
    expect(wait(waiting)).toEqual([0]);
    expect(wait(run(waiting, [tick(said('inconclusive'))]))).toEqual([1000]);
    expect(wait(run(waiting, [tick(said('inconclusive', false))]), EARLY + 500)).toEqual([1500]);
    expect(wait(run(waiting, [tick(said('pass'))]))).toEqual([]);
    expect(wait(run(begun('manual'), [tick()]))).toEqual([]);
  });

  it('keeps what it was told while the rollout has to stay for others', () => {
    const stayed = run(waiting, [{ ...(tick(said('pass')) as RolloutEvent & { type: 'tick' }), stay: true }]);
    expect(stayed.position).toMatchObject({ phase: 'paused', gate: { last: { verdict: 'pass' } } });
    expect(run(stayed, [tick()]).position).toMatchObject({ phase: 'progressing', stage: 1 });
  });
});

describe('a gate of one service in a group', () => {
  const group = { name: 'release', id: 'g1', services: ['shop', 'cart'] };

  function pair(gate: Gate): readonly Rollout[] {
    const plans = [{ gate }, {}].map((own): RolloutPlan => {
      const stages = [
        { weight: 20, holdMs: 10 },
        { weight: 50, holdMs: 1000, ...own },
      ];
      return { strategy: 'canary', smoke: [], stages, guards: [] };
    });
    const begin = { from: 'blue', to: 'green', actor: 'ci', at: EARLY, taken: [], group };
    const rollouts = group.services.map((service, i) =>
      createRollout({ ...begin, service, plan: plans[i] ?? { strategy: 'canary', smoke: [], stages: [], guards: [] } }),
    );
    const passed: RolloutEvent = { type: 'smoke_passed', results: [] };
    return together(together(together(rollouts, { type: 'start' }), passed), tick(), tick());
  }

  function together(rollouts: readonly Rollout[], ...events: readonly RolloutEvent[]): readonly Rollout[] {
    const members = rollouts.map((rollout, i) => ({ rollout, event: events[i] ?? events[0] ?? null }));
    return transitionTogether(members, EARLY).map(({ rollout }) => rollout);
  }
  const places = (rollouts: readonly Rollout[]) =>
    rollouts.map(({ position }) => [position.phase, 'stage' in position ? position.stage : null]);

  it('holds up the others, and lets all of them go on when it opens', () => {
    const waiting = pair(HTTP);
    expect(places(waiting)).toEqual([
      ['paused', 0],
      ['paused', 0],
    ]);
    const still = together(waiting, tick(said('inconclusive')), tick());
    expect(places(still)).toEqual(places(waiting));
    expect(still.map(({ transitions }) => transitions.length)).toEqual(
      waiting.map(({ transitions }) => transitions.length),
    );
    expect(places(together(still, tick(said('pass')), tick()))).toEqual([
      ['progressing', 1],
      ['progressing', 1],
    ]);
  });

  it('takes all of them back on a no that takes back', () => {
    const refused = together(pair({ ...HTTP, onNo: 'rollback' }), tick(said('fail')), tick());
    expect(places(refused).map(([phase]) => phase)).toEqual(['rolled_back', 'rolled_back']);
  });
});
