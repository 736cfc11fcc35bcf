import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rolloutPanel } from '../../src/admin/dashboard/rollout-panel.ts';
import { explanationAnswer, groupAnswer, rolloutAnswer } from '../../src/admin/schemas/rollout.ts';
import { groupView, rolloutView } from '../../src/admin/views.ts';
import type { GroupAction } from '../../src/app/control-plane.ts';
import { validateDesired } from '../../src/app/desired/validate.ts';
import { rolloutLines } from '../../src/cli/render/rollout.ts';
import type { RolloutPlan } from '../../src/config/config.ts';
import { parsePlan } from '../../src/config/plan.ts';
import { DEFAULT_PLAN } from '../../src/config/plan-schema.ts';
import { TealgateError } from '../../src/platform/errors.ts';
import { createRollout } from '../../src/rollout/create.ts';
import { explain } from '../../src/rollout/explain.ts';
import { countingRules } from '../../src/rollout/guards/counting.ts';
import { pollsOf } from '../../src/rollout/polls.ts';
import type { RolloutEvent } from '../../src/rollout/reducer.ts';
import type { Counts, Rollout, Sides } from '../../src/rollout/rollout.ts';
import { operateTogether, transitionTogether } from '../../src/rollout/together.ts';
import { accepted, SERVICE } from '../support/config-text.ts';

const CONFIG = accepted(`prometheus: {main: {url: "http://p:9090"}}
webhooks: {bot: {url: "https://b.example.com", secret: 0123456789abcdef}}
${SERVICE}`);

const GUARDS = {
  errorRate: { max: '1%' },
  strict: { kind: 'errorRate', max: '0.01%', dryRun: true },
  worse: { kind: 'errorRate', versus: 'stable', ratio: 1.5, match: { paths: ['/pay'] } },
  latency: { max: '500ms' },
  slower: { kind: 'latency', versus: 'stable', ratio: 2 },
  collateral: {},
  orders: { kind: 'business', event: 'order' },
  compare: {},
  depth: { kind: 'metric', prometheus: 'main', query: 'up', max: 5, baseline: 'stable', ratio: 2, failures: 2 },
  bot: { kind: 'webhook', webhook: 'bot' },
};

const gate = fc.constantFrom(
  undefined,
  undefined,
  'manual',
  { schedule: { from: '09:00', to: '17:00' } },
  { http: { webhook: 'bot' } },
  { http: { webhook: 'bot', onNo: 'rollback' } },
);
const policies = fc.record(
  {
    onInconclusive: fc.constant('pause'),
    extend: fc.constantFrom('300ms', '3s'),
    onNoTraffic: fc.constantFrom('hold', 'rollback'),
    keepWarm: fc.constant('1s'),
    rollback: fc.constant({ ramp: '1s' }),
  },
  { requiredKeys: [] },
);
const deadline = fc.constantFrom(
  {},
  { deadline: '2s' },
  { deadline: '2s', onDeadline: 'promote' },
  { deadline: '2s', onDeadline: 'rollback' },
);

/** Plans by all that the configuration can say, with three stages. */
const plan: fc.Arbitrary<RolloutPlan> = fc
  .record({
    guards: fc.subarray(Object.entries(GUARDS)),
    gates: fc.tuple(gate, gate, gate),
    needed: fc.constantFrom({}, {}, { minRequests: 50 }),
    policies,
    deadline,
  })
  .map(({ guards, gates, needed, policies: policy, deadline: limit }) => {
    const stages = [
      { weight: 0, mirror: '10%', hold: '1s' },
      { weight: 20, hold: '1s', ...needed, guards: { bot: { kind: 'webhook', webhook: 'bot', failures: 2 } } },
      { weight: 100 },
    ].map((stage, i) => (gates[i] === undefined ? stage : { ...stage, gate: gates[i] }));
    const { errorRate, ...others }: Record<string, unknown> = Object.fromEntries(guards);
    const all = { errorRate: errorRate ?? 'none', ...others };
    return parsePlan({ stages, mirror: { compare: {} }, guards: all, ...policy, ...limit }, DEFAULT_PLAN, CONFIG);
  });

/** What one service sees until the next look. */
interface Look {
  readonly elapsedMs: number;
  readonly candidate: Seen;
  readonly stable: Seen;
  readonly closes: boolean;
  readonly answer: 'pass' | 'fail' | 'inconclusive' | null;
  /** Smoke requests pass, and the old side is empty. */
  readonly isGood: boolean;
}
interface Seen {
  readonly trials: number;
  readonly share: number;
}

const seen: fc.Arbitrary<Seen> = fc.record({
  trials: fc.constantFrom(0, 0, 1, 60, 2000),
  share: fc.constantFrom(0, 0, 0, 0.005, 0.3, 1),
});
const look: fc.Arbitrary<Look> = fc.record({
  elapsedMs: fc.constantFrom(0, 50, 700, 1500),
  candidate: seen,
  stable: seen,
  closes: fc.boolean(),
  answer: fc.constantFrom(null, null, 'pass', 'fail', 'inconclusive'),
  isGood: fc.constantFrom(true, true, true, true, false),
});
interface Step {
  readonly looks: readonly [Look, Look];
  readonly call: GroupAction | null;
  /** The wall clock goes forth and back. */
  readonly jumpMs: number;
}
const step: fc.Arbitrary<Step> = fc.record({
  looks: fc.tuple(look, look),
  call: fc.constantFrom(null, null, null, null, 'resume', 'resume', 'pause', 'abort', 'promote'),
  jumpMs: fc.constantFrom(0, 1000, 5 * 3_600_000, -2 * 3_600_000),
});

function countsOf({ trials, share }: Seen): Counts {
  return { trials, errors: Math.floor(trials * share) };
}

/** With all that a slot may hold. */
function slotOf(side: Seen): Counts {
  const { trials, errors } = countsOf(side);
  return { trials, errors, slow: errors, events: trials - errors, buckets: trials === 0 ? {} : { 40: trials } };
}

function tickOf(rollout: Rollout, of: Look, at: number): RolloutEvent {
  const { elapsedMs, closes, answer } = of;
  const sides: Sides = { candidate: countsOf(of.candidate), stable: countsOf(of.stable) };
  const slots = countingRules(rollout.plan).map(() => ({ candidate: slotOf(of.candidate), stable: slotOf(of.stable) }));
  const polls = answer === null ? [] : pollsOf(rollout);
  const said = { at, verdict: answer, answered: true, reason: 'as it said' };
  const value = answer === 'inconclusive' ? { kind: 'no_data', detail: 'none' } : { kind: 'value', value: 1 };
  const measured = {
    at,
    result: answer === 'fail' ? { kind: 'value', value: Number.MAX_VALUE } : value,
    baseline: value,
  };
  const observations = polls.flatMap((poll) =>
    poll.kind === 'gate' ? [] : [[poll.guard.name, poll.guard.kind === 'metric' ? measured : said] as const],
  );
  return {
    type: 'tick',
    elapsedMs,
    ...sides,
    ...(slots.length === 0 ? {} : { slots }),
    ...(closes ? { closes } : {}),
    ...(observations.length === 0 ? {} : { observations: Object.fromEntries(observations) }),
    ...(polls.some(({ kind }) => kind === 'gate') ? { gate: said } : {}),
  };
}

/** What the runner would have to tell of a rollout where it is. */
function eventOf(rollout: Rollout, of: Look, at: number): RolloutEvent | null {
  switch (rollout.position.phase) {
    case 'pending':
      return { type: 'start' };
    case 'checking': {
      const before: Counts = { trials: 500, errors: 1 };
      const baseline = { all: before, slots: countingRules(rollout.plan).map(() => before) };
      return { type: of.isGood ? 'smoke_passed' : 'smoke_failed', results: [], baseline };
    }
    case 'promoting':
      return { type: 'switched' };
    case 'draining':
      return of.isGood ? { type: 'drained' } : tickOf(rollout, of, at);
    case 'progressing':
    case 'paused':
    case 'returning':
      return tickOf(rollout, of, at);
    default:
      return null;
  }
}

function begin(plans: readonly RolloutPlan[], at: number): readonly Rollout[] {
  const services = plans.map((_, i) => `service${i}`);
  const group = { name: 'release', id: 'g1', services };
  return plans.map((one, i) => {
    const of = { service: services[i] ?? '', from: 'blue', to: 'green', plan: one, actor: 'ci', at, taken: [] };
    return createRollout(plans.length === 1 ? of : { ...of, group });
  });
}

function perform(rollouts: readonly Rollout[], { looks, call }: Step, at: number): readonly Rollout[] {
  const called = call === null ? rollouts : operated(rollouts, call, at);
  const members = called.map((rollout, i) => ({ rollout, event: eventOf(rollout, looks[i] ?? looks[0], at) }));
  return transitionTogether(members, at).map(({ rollout }) => rollout);
}

function operated(rollouts: readonly Rollout[], call: GroupAction, at: number): readonly Rollout[] {
  try {
    return operateTogether(rollouts, call, 'ci', at).map(({ rollout }) => rollout);
  } catch (error) {
    if (error instanceof TealgateError && error.code === 'conflict') return rollouts;
    throw error;
  }
}

/** It can be stored and read back, answered by the admin API, and shown. */
function expectPresentable(rollout: Rollout): void {
  rolloutAnswer.parse(rolloutView(rollout));
  explanationAnswer.parse(explain(rollout));
  const kept = { weights: null, stable: null, targets: {}, draining: {}, pinEpochs: {}, rollouts: [rollout] };
  const stored = { format: 1, services: { shop: kept }, pinKeys: [{ id: 'a', secret: 'AAAA' }] };
  validateDesired(JSON.parse(JSON.stringify(stored)));
  const shown = [...rolloutLines(rollout, (_, text) => text), rolloutPanel(rollout, true).text].join('\n');
  expect(shown).not.toMatch(/undefined|NaN|Infinity|\[object/);
}

const BOUND: readonly string[] = ['pending', 'checking', 'progressing', 'paused'];
const BACK: readonly string[] = ['returning', 'aborted', 'rolled_back', 'failed'];

/** How far it has come on the way to its promotion; null beyond. */
function placeOf({ position }: Rollout): string | null {
  if (position.phase === 'pending' || position.phase === 'checking') return position.phase;
  if (position.phase !== 'progressing' && position.phase !== 'paused') return null;
  return position.phase === 'paused' && position.unbegun === true
    ? 'before the first stage'
    : `stage ${position.stage}`;
}

function expectTogether(rollouts: readonly Rollout[]): void {
  const phases = rollouts.map(({ position }) => position.phase);
  if (phases.some((phase) => BOUND.includes(phase))) expect(new Set(rollouts.map(placeOf)).size).toBe(1);
  else if (phases.some((phase) => BACK.includes(phase)))
    expect(phases.every((phase) => BACK.includes(phase))).toBe(true);
}

const START = Date.parse('2026-11-25T08:00:00Z');

function run(
  plans: readonly RolloutPlan[],
  steps: readonly Step[],
  check: (rollouts: readonly Rollout[]) => void,
): void {
  let at = START;
  let rollouts = begin(plans, at);
  for (const one of steps) {
    at += one.jumpMs;
    rollouts = perform(rollouts, one, at);
    check(rollouts);
  }
}

describe('wherever a rollout comes', () => {
  it('it can be stored, answered and shown', () => {
    const steps = fc.array(step, { minLength: 5, maxLength: 30 });
    const property = fc.property(plan, steps, (one, these) => {
      run([one], these, ([rollout]) => {
        if (rollout !== undefined) expectPresentable(rollout);
      });
    });
    fc.assert(property, { numRuns: 50, seed: 1 });
  });

  it('those that go with it are where it is, up to the promotion, and taken back with it', () => {
    const steps = fc.array(step, { minLength: 5, maxLength: 30 });
    const property = fc.property(plan, plan, steps, (one, other, these) => {
      run([one, other], these, (rollouts) => {
        expectTogether(rollouts);
        for (const rollout of rollouts) expectPresentable(rollout);
        groupAnswer.parse(groupView({ name: 'release', services: ['service0', 'service1'], rollouts }));
      });
    });
    fc.assert(property, { numRuns: 50, seed: 1 });
  });
});
