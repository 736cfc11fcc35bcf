import { describe, expect, it } from 'vitest';
import { withRollout } from '../../src/app/desired/rollouts.ts';
import { createFuses } from '../../src/app/fuses.ts';
import type { HealthChecker } from '../../src/app/health/checker.ts';
import { createOutliers } from '../../src/app/outliers.ts';
import { createPublisher } from '../../src/app/publisher.ts';
import { createRegistry } from '../../src/app/registry.ts';
import type { RolloutPlan } from '../../src/config/config.ts';
import { describeChanges } from '../../src/config/diff.ts';
import { parsePlan } from '../../src/config/plan.ts';
import { createRollout } from '../../src/rollout/create.ts';
import { countingRules } from '../../src/rollout/guards/counting.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import { candidateWeight, type Position, type Rollout } from '../../src/rollout/rollout.ts';
import type { MirrorRoute } from '../../src/traffic/snapshot.ts';
import { configOf, desiredOf, manualClock, rolloutAt, serviceConfig, UNTOUCHED } from '../support/app-fixtures.ts';
import { accepted, refused, service, warned } from '../support/config-text.ts';

const AT = 1_700_000_000_000;

function planOf(text: string): RolloutPlan {
  const plan = accepted(service(`rollout: ${text}`)).services.shop?.rollout;
  if (plan === undefined) throw new Error('no service');
  return plan;
}

const SHADOW = planOf('{strategy: shadow, watch: 10s, mirror: {share: 10%, compare: {ignore: [at]}}}');
const DEFAULTS = { share: 1, methods: ['GET', 'HEAD'], requestBytes: 65_536, compare: null };

describe('a plan that mirrors', () => {
  it('copies what changes nothing, and compares nothing, unless it says so', () => {
    const plan = planOf('{stages: [{weight: 0, mirror: 5%, hold: 1m}, {weight: 5, mirror: 50%}, {weight: 100}]}');
    expect(plan.mirror).toBeUndefined();
    expect(plan.stages.map(({ weight, mirror }) => [weight, mirror])).toEqual([
      [0, 0.05],
      [5, 0.5],
      [100, undefined],
    ]);
  });

  it('is one stage of weight 0 as a shadow', () => {
    expect(SHADOW.stages).toEqual([{ weight: 0, holdMs: 10_000, mirror: 0.1 }]);
    expect(SHADOW.mirror).toEqual({
      ...DEFAULTS,
      share: 0.1,
      compare: { headers: ['content-type'], ignore: ['at'], bodyBytes: 65_536 },
    });
    expect(planOf('{strategy: shadow}').stages).toEqual([{ weight: 0, holdMs: 0, mirror: 1 }]);
  });

  it('is warned of when a shadow is over before it has copied anything', () => {
    expect(warned(service('rollout: {strategy: shadow}'))).toEqual([
      expect.stringMatching(/rollout\.strategy: is over at once without `watch`/),
    ]);
    expect(warned(service('rollout: {strategy: shadow, watch: 1m}'))).toEqual([]);
  });

  it('merges key by key with what a call says', () => {
    const merged = parsePlan({ watch: '1m', mirror: { share: '1%', methods: ['POST'] } }, SHADOW);
    expect(merged.stages).toEqual([{ weight: 0, holdMs: 60_000, mirror: 0.01 }]);
    expect(merged.mirror).toEqual({ ...SHADOW.mirror, share: 0.01, methods: ['POST'] });
    expect(parsePlan({ mirror: { compare: 'none' } }, SHADOW).mirror?.compare).toBeNull();
    expect(parsePlan({ watch: '1m' }, SHADOW).stages).toEqual([{ weight: 0, holdMs: 60_000, mirror: 0.1 }]);
  });

  it.each([
    [
      '{stages: [{weight: 0}]}',
      'stages[0].weight: 0 sends the candidate nothing; give more, or copies such as `mirror: 10%`',
    ],
    [
      '{stages: [{weight: 5}, {weight: 0, mirror: 5%}]}',
      'stages[1].weight: 0 is not above the stage before; give more than 5',
    ],
    [
      '{stages: [{weight: 0, mirror: 5%, minRequests: 9}]}',
      'stages[0].minRequests: cannot be met at weight 0: copies are no requests of the candidate',
    ],
    [
      '{mirror: {share: 5%}}',
      'mirror.share: belongs to `strategy: shadow`; with another give `mirror: 10%` in a stage',
    ],
    ['{strategy: shadow, stages: [{weight: 5}]}', 'stages: belongs to `strategy: canary`; with shadow give `watch`'],
    ['{stages: [{weight: 5, mirror: 0%}]}', 'stages[0].mirror: 0% is out of range; above 0%'],
    [
      '{mirror: {compare: {ignore: ["a..b"]}}}',
      'mirror.compare.ignore[0]: "a..b" is not a member; write a name such as timestamp, or a path such as meta.id',
    ],
  ])('%s is refused', (text, problem) => {
    const [first, ...others] = refused(service(`rollout: ${text}`));
    expect(first?.replace(/^\d+:\d+ services\.shop\.rollout\./, '')).toBe(problem);
    expect(others).toEqual([]);
  });

  it('is told of in a reload', () => {
    const before = accepted(service('rollout: {stages: [{weight: 5}, {weight: 100}]}'));
    const after = accepted(
      service('rollout: {stages: [{weight: 5, mirror: 10%}, {weight: 100}], mirror: {compare: {ignore: [at]}}}'),
    );
    expect(describeChanges(before, after)).toEqual([
      'service shop: rollout: stages 5, 100 → 5 and copies of 10%, 100',
      'service shop: rollout: mirror default → GET, HEAD up to 64KiB, bodies up to 64KiB and content-type compared without at',
    ]);
  });
});

describe('a shadow rollout', () => {
  const tick = (elapsedMs: number): RolloutEvent => ({
    type: 'tick',
    elapsedMs,
    candidate: { trials: 0, errors: 0 },
    stable: { trials: 500, errors: 1 },
  });
  const given = (...events: RolloutEvent[]): Rollout => {
    const begun = createRollout({
      service: 'shop',
      from: 'blue',
      to: 'green',
      plan: SHADOW,
      actor: 'ci',
      at: AT,
      taken: [],
    });
    const all: RolloutEvent[] = [{ type: 'start' }, { type: 'smoke_passed', results: [] }, ...events];
    return all.reduce((state, event) => transition(state, event, AT).rollout, begun);
  };

  it('gives the candidate no traffic, and waits for somebody when its time is over', () => {
    expect(given(tick(9_999)).position).toMatchObject({ phase: 'progressing', stage: 0 });
    const over = given(tick(10_000));
    expect(over.position).toMatchObject({ phase: 'paused', reason: 'shadowed' });
    expect(candidateWeight(over)).toBe(0);
    expect(given(tick(10_000), tick(60_000)).position).toEqual(over.position);
  });

  it('is not taken for one that got no traffic', () => {
    const rollout = { ...given(), plan: { ...SHADOW, onNoTraffic: 'rollback' as const } };
    expect(transition(rollout, tick(10_000), AT).rollout.position).toMatchObject({
      phase: 'paused',
      reason: 'shadowed',
    });
  });

  it('is promoted or aborted by somebody, and cannot be resumed', () => {
    const over = given(tick(10_000));
    const call = (type: 'promote' | 'abort' | 'resume') => transition(over, { type, actor: 'ci' }, AT);
    expect(call('promote').rollout.position.phase).toBe('promoting');
    expect(call('abort').rollout.position.phase).toBe('aborted');
    expect(() => call('resume')).toThrow('promote moves all traffic to the candidate, abort ends it');
  });
});

describe('the routes of a rollout that mirrors', () => {
  const mirrorOf = (position: Position, plan: RolloutPlan = SHADOW): MirrorRoute | undefined => {
    const clock = manualClock();
    const health: HealthChecker = {
      update: () => undefined,
      health: () => 'healthy',
      probes: () => [],
      close: () => undefined,
    };
    const publisher = createPublisher({
      registry: createRegistry(1),
      health,
      outliers: createOutliers({ clock, healthy: () => true }),
      fuses: createFuses(() => []),
      clock,
    });
    const desired = withRollout(UNTOUCHED, rolloutAt(position, { plan }));
    return publisher.build(configOf(serviceConfig()), desiredOf({ shop: desired }))?.services[0]?.mirror;
  };
  const held = { stage: 0, heldMs: 0 } as const;

  it('copy to the candidate while its stage is under way or paused, and no longer', () => {
    const { share: _share, ...how } = SHADOW.mirror ?? DEFAULTS;
    const expected = { ...how, to: 'green', share: 0.1 };
    expect(mirrorOf({ phase: 'progressing', ...held })).toEqual(expected);
    expect(mirrorOf({ phase: 'paused', reason: 'operator', sinceAt: 1, ...held })).toEqual(expected);
    expect(mirrorOf({ phase: 'checking' })).toBeUndefined();
    expect(mirrorOf({ phase: 'paused', reason: 'shadowed', sinceAt: 1, ...held })).toBeUndefined();
    expect(mirrorOf({ phase: 'promoting', stage: 0 })).toBeUndefined();
    expect(mirrorOf({ phase: 'rolled_back', stage: 0, reason: 'x', endedAt: 1 })).toBeUndefined();
  });
});

describe('the compare guard', () => {
  const COMPARED = planOf(
    '{strategy: shadow, watch: 10s, extend: 1m, onInconclusive: pause, mirror: {compare: {}}, guards: {compare: {}}}',
  );
  const NONE = { trials: 0, errors: 0 };
  const tick = (
    elapsedMs: number,
    green: readonly [number, number],
    blue: readonly [number, number],
  ): RolloutEvent => ({
    type: 'tick',
    elapsedMs,
    closes: true,
    candidate: NONE,
    stable: { trials: blue[0], errors: 0 },
    slots: [
      {
        candidate: { trials: green[0], errors: green[1] },
        stable: { trials: blue[0], errors: blue[1] },
      },
    ],
  });
  const given = (...events: RolloutEvent[]): Rollout => {
    const made = createRollout({
      service: 'shop',
      from: 'blue',
      to: 'green',
      plan: COMPARED,
      actor: 'ci',
      at: AT,
      taken: [],
    });
    const all: RolloutEvent[] = [{ type: 'start' }, { type: 'smoke_passed', results: [] }, ...events];
    return all.reduce((state, event) => transition(state, event, AT).rollout, made);
  };
  const again = (times: number, event: RolloutEvent) => Array.from({ length: times }, () => event);

  it('has its defaults, and asks the workers to count copies', () => {
    expect(COMPARED.guards.at(-1)).toEqual({
      name: 'compare',
      kind: 'compare',
      versus: 'stable',
      ratio: 1,
      margin: 0.01,
      confidence: 0.99,
    });
    expect(countingRules(COMPARED)).toMatchObject([{ copies: true }]);
  });

  it('rolls back when the candidate differs where stable does not', () => {
    const over = given(...again(10, tick(100, [20, 4], [20, 0])));
    expect(over.position).toMatchObject({ phase: 'rolled_back', reason: 'compare' });
    expect(over.transitions.at(-1)?.evidence.find(({ kind }) => kind === 'compare')?.summary).toMatch(
      /^\d+ of \d+ attempts \(20%\) differed on the candidate, 0 of \d+ attempts \(0%\) on stable: more than /,
    );
  });

  it('takes what stable does by itself for noise', () => {
    const over = given(...again(60, tick(100, [20, 8], [20, 8])));
    expect(over.position).toMatchObject({ phase: 'progressing' });
  });

  it('lets the stage end with its verdict, though no guard on requests has one', () => {
    const over = given(...again(101, tick(100, [100, 0], [100, 0])));
    expect(over.guards.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['errorRate', 'inconclusive'],
      ['compare', 'pass'],
    ]);
    expect(over.position).toMatchObject({ phase: 'paused', reason: 'shadowed' });
  });

  it('keeps a stage for its verdict that copies, and none without copies', () => {
    const guards = COMPARED.guards.filter(({ kind }) => kind === 'compare');
    const stages = [
      { weight: 5, holdMs: 100, mirror: 0.1 },
      { weight: 50, holdMs: 100 },
    ];
    const plan: RolloutPlan = { ...COMPARED, strategy: 'canary', stages, guards, onInconclusive: 'pause', extendMs: 0 };
    const few = tick(100, [1, 0], [1, 0]);
    const waiting = transition({ ...given(), plan }, few, AT).rollout;
    expect(waiting.position).toMatchObject({ phase: 'paused', reason: 'inconclusive', stage: 0 });
    const resumed = transition(waiting, { type: 'resume', actor: 'ci' }, AT).rollout;
    expect(transition(resumed, few, AT).rollout.position).toMatchObject({ phase: 'promoting' });
  });

  it('and comparisons without it are warned about, and the other way round', () => {
    expect(warned(service('rollout: {strategy: shadow, watch: 1m, mirror: {compare: {}}}'))).toEqual([
      '5:53 services.shop.rollout.mirror.compare: is done and no guard judges by it; add `compare: {}` to the guards',
    ]);
    expect(warned(service('rollout: {guards: {compare: {}}}'))).toEqual([
      expect.stringContaining('rollout.guards: have `compare`, and no responses are compared; add'),
    ]);
  });
});
