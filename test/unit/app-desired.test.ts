import { describe, expect, it } from 'vitest';
import { drain, enable, evict } from '../../src/app/desired/draining.ts';
import { effectiveService, weightsOf } from '../../src/app/desired/effective.ts';
import { routingEvents } from '../../src/app/desired/events.ts';
import { initialDesired } from '../../src/app/desired/initial.ts';
import { newestRollout, runningRollout, withRollout } from '../../src/app/desired/rollouts.ts';
import { applyRoutingChanges } from '../../src/app/desired/routing-changes.ts';
import { switchTo } from '../../src/app/desired/switch.ts';
import { setTargets } from '../../src/app/desired/targets.ts';
import { validateDesired } from '../../src/app/desired/validate.ts';
import { setWeights } from '../../src/app/desired/weights.ts';
import type { DesiredService } from '../../src/app/desired.ts';
import { BLUE, desiredOf, rolloutAt, serviceConfig, UNTOUCHED, upstreams } from '../support/app-fixtures.ts';

const config = serviceConfig();
const weights = (desired: DesiredService) => weightsOf(effectiveService(config, desired).upstreams);
const admin = (desired: DesiredService, name: string) => effectiveService(config, desired).upstreams[name]?.admin;

describe('weights', () => {
  it('keep those of upstreams that are not named', () => {
    expect(weights(setWeights(config, UNTOUCHED, { green: 5 }))).toEqual({ blue: 100, green: 5 });
  });

  it('are no override when they are what the file says', () => {
    const changed = setWeights(config, UNTOUCHED, { green: 5 });
    expect(setWeights(config, changed, { green: 0 }).weights).toBeNull();
  });

  it('above 0 take a draining upstream back in', () => {
    const drained = drain(UNTOUCHED, 'green', 1);
    expect(admin(setWeights(config, drained, { green: 5 }), 'green')).toBe('enabled');
  });

  it('of 0 leave a draining upstream draining', () => {
    const drained = drain(UNTOUCHED, 'green', 1);
    expect(admin(setWeights(config, drained, { green: 0, blue: 50 }), 'green')).toBe('draining');
  });
});

describe('draining', () => {
  it('breaks the pins of the upstream, once', () => {
    const once = drain(UNTOUCHED, 'blue', 1);
    expect(once.pinEpochs).toEqual({ blue: 1 });
    expect(drain(once, 'blue', 2)).toBe(once);
  });

  it('keeps the weight for when the upstream is taken back in', () => {
    expect(weights(enable(drain(UNTOUCHED, 'blue', 1), 'blue'))).toEqual({ blue: 100, green: 0 });
  });

  it('is not what evict does', () => {
    const evicted = evict(UNTOUCHED, 'blue');
    expect(evicted.pinEpochs).toEqual({ blue: 1 });
    expect(admin(evicted, 'blue')).toBe('enabled');
  });
});

describe('a switch', () => {
  it('gives all traffic to one upstream, makes it stable and drains the one that had it', () => {
    const switched = effectiveService(config, switchTo(config, UNTOUCHED, 'green', 7));
    expect(switched.stable).toBe('green');
    expect(switched.upstreams.green).toMatchObject({ weight: 100, admin: 'enabled' });
    expect(switched.upstreams.blue).toMatchObject({ weight: 0, admin: 'draining', drainingSinceAt: 7, pinEpoch: 1 });
  });

  it('changes nothing when it has been made already', () => {
    const switched = switchTo(config, UNTOUCHED, 'green', 7);
    expect(switchTo(config, switched, 'green', 8)).toBe(switched);
    expect(switchTo(config, UNTOUCHED, 'blue', 8)).toBe(UNTOUCHED);
  });

  it('back during a drain cancels the drain', () => {
    const back = switchTo(config, switchTo(config, UNTOUCHED, 'green', 7), 'blue', 8);
    expect(admin(back, 'blue')).toBe('enabled');
    expect(admin(back, 'green')).toBe('draining');
    expect(weights(back)).toEqual({ blue: 100, green: 0 });
  });

  it('leaves an idle third upstream alone', () => {
    const three = serviceConfig({ upstreams: upstreams({ blue: 100, green: 0, red: 0 }) });
    expect(effectiveService(three, switchTo(three, UNTOUCHED, 'green', 7)).upstreams.red?.admin).toBe('enabled');
  });
});

describe('targets', () => {
  it('replace those of the file until they are the same again', () => {
    const other = setTargets(config, UNTOUCHED, 'blue', ['http://127.0.0.1:3009']);
    expect(effectiveService(config, other).upstreams.blue?.targets).toEqual(['http://127.0.0.1:3009']);
    expect(setTargets(config, other, 'blue', [BLUE]).targets).toEqual({});
  });
});

describe('the changes of a rollout', () => {
  it('name every upstream that has traffic: the others get none', () => {
    const three = serviceConfig({ upstreams: upstreams({ blue: 60, green: 0, red: 40 }) });
    const changed = applyRoutingChanges(three, UNTOUCHED, [{ kind: 'weights', weights: { blue: 95, green: 5 } }], 1);
    expect(weightsOf(effectiveService(three, changed).upstreams)).toEqual({ blue: 95, green: 5, red: 0 });
  });

  it('do the same when they are made twice', () => {
    const changes = [
      { kind: 'weights', weights: { green: 100 } },
      { kind: 'stable', upstream: 'green' },
      { kind: 'drain', upstream: 'blue' },
    ] as const;
    const once = applyRoutingChanges(config, UNTOUCHED, changes, 1);
    expect(applyRoutingChanges(config, once, changes, 2)).toEqual(once);
  });

  it('pass over an upstream that has left the file', () => {
    const changed = applyRoutingChanges(config, UNTOUCHED, [{ kind: 'drain', upstream: 'red' }], 1);
    expect(changed.draining).toEqual({});
  });
});

describe('rollouts', () => {
  it('are replaced by id, newest first, and 20 are kept', () => {
    let desired = UNTOUCHED;
    for (let n = 0; n < 25; n++) desired = withRollout(desired, rolloutAt({ phase: 'pending' }, { id: `r${n}` }));
    desired = withRollout(desired, rolloutAt({ phase: 'checking' }, { id: 'r24' }));
    expect(desired.rollouts).toHaveLength(20);
    expect(newestRollout(desired)).toMatchObject({ id: 'r24', position: { phase: 'checking' } });
  });

  it('no longer run once they have ended', () => {
    const ended = { phase: 'aborted', stage: 0, reason: '', endedAt: 1 } as const;
    expect(runningRollout(withRollout(UNTOUCHED, rolloutAt(ended)))).toBeNull();
  });
});

describe('events', () => {
  it('tell of each fact that changed', () => {
    const before = effectiveService(config, UNTOUCHED);
    const after = effectiveService(config, switchTo(config, UNTOUCHED, 'green', 7));
    expect(routingEvents(before, after).map(({ type }) => type)).toEqual([
      'weights.changed',
      'stable.changed',
      'upstream.draining',
    ]);
  });
});

describe('the stored state', () => {
  it('is accepted as it was written', () => {
    const rollout = rolloutAt({ phase: 'paused', stage: 0, heldMs: 3, reason: 'asked', sinceAt: 9 });
    const state = desiredOf({ shop: withRollout(switchTo(config, UNTOUCHED, 'green', 7), rollout) });
    const stored: unknown = JSON.parse(JSON.stringify(state));
    expect(validateDesired(stored)).toEqual(state);
    expect(validateDesired(initialDesired()).pinKeys[0]?.secret).toMatch(/^[\w-]{43}$/);
  });

  it('of a newer format is refused as such', () => {
    expect(() => validateDesired({ format: 2 })).toThrow(/newer Tealgate/);
  });

  it.each([
    ['no pin keys', { format: 1, services: {}, pinKeys: [] }],
    [
      'a phase that does not exist',
      desiredOf({
        shop: {
          ...UNTOUCHED,
          rollouts: [{ ...rolloutAt({ phase: 'pending' }), position: { phase: 'lost' } as never }],
        },
      }),
    ],
    [
      'weights that are no numbers',
      desiredOf({ shop: { ...UNTOUCHED, weights: { value: { blue: 'all' as never }, base: {} } } }),
    ],
    ['something else', 42],
  ])('is refused with %s', (_, stored) => {
    expect(() => validateDesired(stored)).toThrow();
  });
});
