import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import { TealgateError } from '../../src/platform/errors.ts';
import { EDGES } from '../../src/rollout/edges.ts';
import { operate, undoTarget } from '../../src/rollout/operate.ts';
import { ROLLOUT_ACTIONS } from '../../src/rollout/operator.ts';
import { transition } from '../../src/rollout/reducer.ts';
import { replay } from '../../src/rollout/replay.ts';
import { ENDED, type Rollout } from '../../src/rollout/rollout.ts';
import { createRunner, type Runner } from '../../src/rollout/runner.ts';
import { errorRateVerdict } from '../../src/rollout/statistics.ts';
import { ERROR_RATE } from '../support/guards.ts';
import { MemoryPorts, SERVICE } from '../unit/rollout-memory-ports.ts';

/** What may happen to a gate, in any order. */
type Act =
  | { readonly kind: 'start'; readonly to: string }
  | { readonly kind: 'call'; readonly action: (typeof ROLLOUT_ACTIONS)[number] }
  | { readonly kind: 'traffic'; readonly upstream: string; readonly trials: number; readonly errors: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'jump'; readonly ms: number }
  | { readonly kind: 'empty'; readonly upstream: string; readonly is: boolean }
  | { readonly kind: 'smoke'; readonly ok: boolean }
  | { readonly kind: 'crash'; readonly where: 'before_commit' | 'after_commit' | 'at_rest' };

const upstream = fc.constantFrom('blue', 'green', 'grey');
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('start'), to: upstream }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('call'), action: fc.constantFrom(...ROLLOUT_ACTIONS) }) },
  {
    weight: 4,
    arbitrary: fc
      .record({ upstream, trials: fc.nat(200), share: fc.constantFrom(0, 0, 0, 0.02, 0.5, 1) })
      .map(({ share, ...rest }) => ({ kind: 'traffic' as const, ...rest, errors: Math.floor(rest.trials * share) })),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.constantFrom(0, 50, 500, 1000, 20_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('jump'), ms: fc.constantFrom(-3_600_000, 3_600_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('empty'), upstream, is: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('smoke'), ok: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash'),
      where: fc.constantFrom('before_commit', 'after_commit', 'at_rest'),
    }),
  },
);

const bare = {
  strategy: fc.constant('canary' as const),
  smoke: fc.constant([]),
  stages: fc.array(fc.record({ weight: fc.integer({ min: 0, max: 100 }), holdMs: fc.constantFrom(0, 700, 5000) }), {
    maxLength: 4,
  }),
  guards: fc.constantFrom([ERROR_RATE], [{ ...ERROR_RATE, max: 0.2, confidence: 0.9 }], []),
};
/** Stages that are left when their time is over, and nothing that a rollout would wait for. */
const timed: fc.Arbitrary<RolloutPlan> = fc.record(bare);

const stage = fc.record(
  {
    weight: fc.integer({ min: 0, max: 100 }),
    holdMs: fc.constantFrom(0, 700, 5000),
    minRequests: fc.constantFrom(1, 150),
    gate: fc.constant('manual' as const),
    extendMs: fc.constantFrom(300, 3000),
  },
  { requiredKeys: ['weight', 'holdMs'] },
);
/** All that a plan can say. */
const plan: fc.Arbitrary<RolloutPlan> = fc.record(
  {
    ...bare,
    stages: fc.array(stage, { maxLength: 4 }),
    onInconclusive: fc.constant('pause' as const),
    extendMs: fc.constantFrom(300, 3000),
    onNoTraffic: fc.constantFrom('hold' as const, 'rollback' as const),
    deadlineMs: fc.constantFrom(400, 30_000),
    onDeadline: fc.constantFrom('rollback' as const, 'promote' as const),
    keepWarmMs: fc.constantFrom(1000, 60_000),
    rampMs: fc.constantFrom(500, 10_000),
  },
  { requiredKeys: ['strategy', 'smoke', 'stages', 'guards'] },
);

class Gate {
  readonly ports = new MemoryPorts();
  readonly #plan: RolloutPlan;
  #runner: Runner;
  #monotonicMs = 1000;
  #wallMs = 1_700_000_000_000;
  #smokeOk = true;

  constructor(plan: RolloutPlan) {
    this.#plan = plan;
    this.#runner = this.#newRunner();
  }

  /** Performs an act as the control plane would, and lets the runner look. */
  async perform(act: Act): Promise<void> {
    switch (act.kind) {
      case 'start':
        await this.#start(act.to);
        break;
      case 'call':
        await this.#call(act.action);
        break;
      case 'traffic':
        this.ports.traffic(act.upstream, act.trials, act.errors);
        break;
      case 'pass':
        this.#monotonicMs += act.ms;
        this.#wallMs += act.ms;
        break;
      case 'jump':
        this.#wallMs += act.ms;
        break;
      case 'empty':
        if (act.is) this.ports.empty.add(act.upstream);
        else this.ports.empty.delete(act.upstream);
        break;
      case 'smoke':
        this.#smokeOk = act.ok;
        break;
      case 'crash':
        await this.#crash(act.where);
        break;
    }
    await this.#runner.tick();
  }

  async #start(to: string): Promise<void> {
    if (this.ports.running().length > 0 || to === this.ports.stored().stable) return;
    await this.ports.begin(to, this.#plan, this.#wallMs);
    await this.#runner.judge(SERVICE);
  }

  /** Twice: the second time it must change nothing. */
  async #call(action: (typeof ROLLOUT_ACTIONS)[number]): Promise<void> {
    const before = this.ports.rollout();
    if (before === null) return;
    const perform = () =>
      this.ports.update(SERVICE, (rollout) => {
        if (rollout === null) return null;
        // What a control plane has to see to: a retry begins from today's stable side.
        if (action === 'retry' && rollout.from !== this.ports.stored().stable) return null;
        const update = operate(rollout, action, 'ci', this.#wallMs);
        return update.rollout === rollout ? null : update;
      });
    try {
      await perform();
    } catch (error) {
      expect(error).toMatchObject({ code: 'conflict' });
      expect(error).toBeInstanceOf(TealgateError);
      expect(this.ports.rollout()).toEqual(before);
      return;
    }
    const once = this.ports.stored();
    await perform();
    expect(this.ports.stored()).toEqual(once);
  }

  /** The process dies, at rest or with its next update on either side of the commit, and another one takes over. */
  async #crash(where: 'before_commit' | 'after_commit' | 'at_rest'): Promise<void> {
    if (where !== 'at_rest') {
      this.ports.fault = where;
      this.#monotonicMs += 1000;
      await this.#runner.tick();
    }
    this.ports.restart();
    this.#runner = this.#newRunner();
  }

  #newRunner(): Runner {
    return createRunner(this.ports, {
      clock: { monotonicMs: () => this.#monotonicMs, wallMs: () => this.#wallMs },
      log: { error: ({ err }) => expect(String(err)).toMatch(/failed (before|after)_commit/) },
      smoke: async () => [
        { target: 't', method: 'GET', path: '/', ok: this.#smokeOk, status: 200, durationMs: 1, detail: '' },
      ],
    });
  }
}

function expectDocumentedEdges(rollout: Rollout): void {
  let phase = 'pending';
  for (const { from, to } of rollout.transitions) {
    expect(from).toBe(phase);
    expect(EDGES[from]).toContain(to);
    phase = to;
  }
  expect(rollout.position.phase).toBe(phase);
}

function expectRightWeights(gate: Gate): void {
  const { weights, draining, stable } = gate.ports.stored();
  expect(Object.keys(weights).sort()).toEqual(['blue', 'green', 'grey']);
  expect(Object.values(weights).reduce((sum, weight) => sum + weight, 0)).toBe(100);
  for (const name of draining) expect(weights[name]).toBe(0);
  expect(draining).not.toContain(stable);
  const rollout = gate.ports.rollout();
  if (rollout === null) return;
  const others = Object.entries(weights).filter(([name]) => name !== rollout.from && name !== rollout.to);
  for (const [, weight] of others) expect(weight).toBe(0);
  expect(namedWeights(rollout)).toContain(weights[rollout.to]);
  const { phase } = rollout.position;
  if (phase === 'aborted' || phase === 'rolled_back') expect(draining).toContain(rollout.to);
  expect(stable).toBe(
    phase === 'promoting' || phase === 'draining' || phase === 'promoted' ? rollout.to : rollout.from,
  );
}

/** What the plan has the candidate get where the rollout is: on the way back, one of ten steps. */
function namedWeights({ position, plan }: Rollout): readonly number[] {
  switch (position.phase) {
    case 'paused':
    case 'progressing': {
      const { weight = Number.NaN } = plan.stages[position.stage] ?? {};
      return [position.phase === 'paused' && position.unbegun === true ? 0 : weight];
    }
    case 'returning': {
      const { weight = Number.NaN } = plan.stages[position.stage] ?? {};
      expect(position.fromWeight).toBe(weight);
      return [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((tenths) => Math.floor((weight * tenths) / 10));
    }
    case 'promoting':
    case 'draining':
    case 'promoted':
      return [100];
    default:
      return [0];
  }
}

/** Nothing that is being taken back gets more, whatever happens. */
function expectNoReturn(before: Rollout | null, after: Rollout): void {
  if (before?.id !== after.id || before.position.phase !== 'returning') return;
  const { phase } = after.position;
  expect(['returning', before.position.end, 'rolled_back', 'aborted']).toContain(phase);
  if (after.position.phase === 'returning') expect(after.position.weight).toBeLessThanOrEqual(before.position.weight);
}

/** Whoever reads a rollback can compute it again. */
function expectEvidence(rollout: Rollout): void {
  const [guard] = rollout.plan.guards;
  const last = rollout.transitions.at(-1);
  if (last?.reason === 'no_traffic' || last?.reason === 'deadline') return;
  if (rollout.position.phase !== 'rolled_back' || guard?.kind !== 'errorRate' || guard.versus !== undefined) {
    expect(rollout.position.phase).not.toBe('rolled_back');
    return;
  }
  expect(last?.evidence).toMatchObject([errorRateVerdict(rollout.counts.candidate, guard)]);
  expect(last?.evidence).toMatchObject([{ verdict: 'fail' }]);
}

/** Every rollout can be computed again from its journal, over all crashes, to the digit. */
function expectReplays({ ports }: Gate): void {
  for (const rollout of ports.stored().rollouts) {
    const entries = ports.entries.filter((entry) => entry.rollout === rollout.id);
    expect(replay(entries, rollout)).toMatchObject({ result: 'same', whole: true, difference: null });
  }
}

describe('whatever happens, in whatever order', () => {
  it('phases move along documented edges, weights are the plan’s, and repeating changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(plan, fc.array(act, { maxLength: 60 }), async (rules, acts) => {
        const gate = new Gate(rules);
        for (const next of acts) {
          const before = gate.ports.rollout();
          await gate.perform(next);
          const rollout = gate.ports.rollout();
          expectRightWeights(gate);
          if (rollout === null) continue;
          expectDocumentedEdges(rollout);
          expectNoReturn(before, rollout);
          if (ENDED.has(rollout.position.phase)) expectEvidence(rollout);
          // What has ended stays as it is, to the letter.
          if (before !== null && ENDED.has(before.position.phase)) {
            expect(gate.ports.stored().rollouts).toContainEqual(before);
          }
        }
        const ids = gate.ports.stored().rollouts.map((rollout) => rollout.id);
        expect(new Set(ids).size).toBe(ids.length);
        expectReplays(gate);
      }),
      { numRuns: 600, seed: 20261122 },
    );
  });

  it('a rollout that is left alone with a good candidate is promoted, however often the process dies', async () => {
    const crash = fc.constantFrom('before_commit' as const, 'after_commit' as const, 'at_rest' as const);
    await fc.assert(
      fc.asyncProperty(timed, fc.array(fc.option(crash), { maxLength: 30 }), async (rules, crashes) => {
        const gate = new Gate(rules);
        gate.ports.empty.add('blue');
        await gate.perform({ kind: 'start', to: 'green' });
        for (const where of crashes) {
          gate.ports.traffic('green', 10, 0);
          await gate.perform(where === null ? { kind: 'pass', ms: 500 } : { kind: 'crash', where });
        }
        for (let i = 0; i < 10; i++) await gate.perform({ kind: 'pass', ms: 5000 });
        const rollout = gate.ports.newest();
        expect(rollout.position.phase).toBe('promoted');
        const stages = rollout.transitions.filter(({ to }) => to === 'progressing').map(({ stage }) => stage);
        expect(stages).toEqual(rules.stages.map((_, i) => i));
        expect(undoTarget(gate.ports.stored().rollouts)).toBe('blue');
        expectReplays(gate);
      }),
      { numRuns: 100, seed: 20261122 },
    );
  });

  it('a rollout that went through JSON is treated the same', () => {
    const count = fc.record({ trials: fc.nat(1000), errors: fc.nat(30) });
    const tick = fc.record({
      type: fc.constant('tick' as const),
      elapsedMs: fc.nat(9000),
      candidate: count,
      stable: count,
    });
    fc.assert(
      fc.property(plan, fc.array(tick, { maxLength: 10 }), (rules, ticks) => {
        const copy = (value: Rollout): Rollout => JSON.parse(JSON.stringify(value));
        let [live, stored] = [started(rules), copy(started(rules))];
        for (const next of ticks) {
          live = transition(live, next, 5).rollout;
          stored = copy(transition(stored, next, 5).rollout);
          expect(stored).toEqual(live);
        }
      }),
    );
  });
});

function started(rules: RolloutPlan): Rollout {
  const pending: Rollout = {
    id: 'r1',
    service: SERVICE,
    from: 'blue',
    to: 'green',
    plan: rules,
    actor: 'ci',
    startedAt: 0,
    position: { phase: 'pending' },
    counts: { candidate: { trials: 0, errors: 0 }, stable: { trials: 0, errors: 0 } },
    guards: [],
    guardStates: {},
    transitions: [],
  };
  const checking = transition(pending, { type: 'start' }, 1).rollout;
  return transition(checking, { type: 'smoke_passed', results: [] }, 2).rollout;
}
