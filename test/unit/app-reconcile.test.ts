import { describe, expect, it } from 'vitest';
import { abandonRollouts } from '../../src/app/abandon-rollouts.ts';
import { drain } from '../../src/app/desired/draining.ts';
import { effectiveService, weightsOf } from '../../src/app/desired/effective.ts';
import { reconcile } from '../../src/app/desired/reconcile.ts';
import { switchTo } from '../../src/app/desired/switch.ts';
import { setTargets } from '../../src/app/desired/targets.ts';
import { setWeights } from '../../src/app/desired/weights.ts';
import type { DesiredService } from '../../src/app/desired.ts';
import type { ServiceConfig } from '../../src/config/config.ts';
import { configOf, desiredOf, rolloutAt, serviceConfig, UNTOUCHED, upstreams } from '../support/app-fixtures.ts';

const config = serviceConfig();

function reload(desired: DesiredService, file: ServiceConfig) {
  const { desired: state, dropped } = reconcile(desiredOf({ shop: desired }), configOf(file));
  const after = effectiveService(file, state.services.shop ?? UNTOUCHED);
  return { after, weights: weightsOf(after.upstreams), dropped: dropped.map(({ field }) => field) };
}

describe('a reload', () => {
  it('keeps what was decided at run time while the file says what it said', () => {
    const { weights, dropped, after } = reload(switchTo(config, UNTOUCHED, 'green', 1), config);
    expect(weights).toEqual({ blue: 0, green: 100 });
    expect(after.stable).toBe('green');
    expect(dropped).toEqual([]);
  });

  it('returns to the file, field by field, once the file was changed', () => {
    const decided = setTargets(config, switchTo(config, UNTOUCHED, 'green', 1), 'green', ['http://127.0.0.1:4009']);
    const { weights, dropped, after } = reload(
      decided,
      serviceConfig({ upstreams: upstreams({ blue: 90, green: 10 }) }),
    );
    expect(weights).toEqual({ blue: 90, green: 10 });
    expect(after.stable).toBe('green');
    expect(after.upstreams.green?.targets).toEqual(['http://127.0.0.1:4009']);
    expect(dropped).toEqual(['weights']);
  });

  it('takes back in what the new weights of the file give traffic', () => {
    const decided = switchTo(config, UNTOUCHED, 'green', 1);
    const { after } = reload(decided, serviceConfig({ upstreams: upstreams({ blue: 90, green: 10 }) }));
    expect(after.upstreams.blue?.admin).toBe('enabled');
  });

  it('leaves a running rollout its weights, which it goes on writing after the file', () => {
    const set = setWeights(config, UNTOUCHED, { blue: 95, green: 5 });
    const running = { ...set, rollouts: [rolloutAt({ phase: 'progressing', stage: 0, heldMs: 0 })] };
    const file = serviceConfig({ upstreams: upstreams({ blue: 0, green: 100 }) });
    const { weights, dropped } = reload(running, file);
    expect(weights).toEqual({ blue: 95, green: 5 });
    expect(dropped).toEqual([]);
  });

  it('does not undo a switch because an idle upstream was added', () => {
    const decided = switchTo(config, UNTOUCHED, 'green', 1);
    const file = serviceConfig({ upstreams: upstreams({ blue: 100, green: 0, red: 0 }) });
    const { weights, dropped } = reload(decided, file);
    expect(weights).toEqual({ blue: 0, green: 100, red: 0 });
    expect(dropped).toEqual([]);
  });

  it('returns to the file when the upstream that had the traffic is gone', () => {
    const decided = switchTo(config, UNTOUCHED, 'green', 1);
    const { weights, dropped, after } = reload(decided, serviceConfig({ upstreams: upstreams({ blue: 100 }) }));
    expect(weights).toEqual({ blue: 100 });
    expect(after.upstreams.blue?.admin).toBe('enabled');
    expect(after.stable).toBe('blue');
    expect(dropped).toEqual(['weights', 'stable']);
  });

  it('drops targets of an upstream whose targets the file changes', () => {
    const decided = setTargets(config, UNTOUCHED, 'green', ['http://127.0.0.1:4009']);
    const file = serviceConfig({
      upstreams: { ...config.upstreams, green: { weight: 0, targets: ['http://127.0.0.1:4010'] } },
    });
    const { after, dropped } = reload(decided, file);
    expect(after.upstreams.green?.targets).toEqual(['http://127.0.0.1:4010']);
    expect(dropped).toEqual(['targets.green']);
  });

  it('gives an idle upstream that has no target any more those of the file, when the file gives it traffic', () => {
    const decided = setTargets(config, UNTOUCHED, 'green', []);
    expect(reload(decided, serviceConfig({ hosts: ['shop.test'] })).after.upstreams.green?.targets).toEqual([]);
    const { after, dropped } = reload(decided, serviceConfig({ upstreams: upstreams({ blue: 0, green: 100 }) }));
    expect(after.upstreams.green?.targets).toEqual(config.upstreams.green?.targets);
    expect(dropped).toEqual(['targets.green']);
  });

  it('takes back in what drains by hand when the file leaves traffic to nobody else', () => {
    const file = serviceConfig({ upstreams: upstreams({ blue: 100, green: 0 }) });
    const { after } = reload(drain(UNTOUCHED, 'blue', 1), file);
    expect(after.upstreams.blue).toMatchObject({ weight: 100, admin: 'enabled' });
    const decided = drain(setWeights(config, UNTOUCHED, { blue: 50, green: 50 }), 'blue', 1);
    const { after: left, weights } = reload(decided, serviceConfig({ upstreams: upstreams({ blue: 100 }) }));
    expect(left.upstreams.blue?.admin).toBe('enabled');
    expect(weights).toEqual({ blue: 50 });
  });

  it('takes back in what drained when the file gives it another share, and keeps the drain while it does not', () => {
    const before = serviceConfig({ upstreams: upstreams({ blue: 0, green: 60, red: 40 }) });
    const drained = desiredOf({ shop: drain(UNTOUCHED, 'blue', 1) });
    const adminOf = (weights: Record<string, number>) => {
      const file = serviceConfig({ upstreams: upstreams(weights) });
      const { desired } = reconcile(drained, configOf(file), configOf(before));
      return effectiveService(file, desired.services.shop ?? UNTOUCHED).upstreams.blue?.admin;
    };
    expect(adminOf({ blue: 10, green: 50, red: 40 })).toBe('enabled');
    expect(adminOf({ blue: 0, green: 50, red: 50 })).toBe('draining');
  });

  it('forgets the weight of an upstream that leaves the file: it comes back with that of the file', () => {
    const file = serviceConfig({ upstreams: upstreams({ blue: 100, red: 0 }) });
    const decided = setWeights(file, UNTOUCHED, { red: 10 });
    const without = configOf(serviceConfig({ upstreams: upstreams({ blue: 100 }) }));
    const { desired, dropped } = reconcile(desiredOf({ shop: decided }), without);
    expect(dropped).toEqual([]);
    expect(desired.services.shop?.weights).toBeNull();
    expect(reload(desired.services.shop ?? UNTOUCHED, file).weights).toEqual({ blue: 100, red: 0 });
  });

  it('keeps a drain that an operator asked for', () => {
    const { after } = reload(drain(UNTOUCHED, 'green', 1), serviceConfig({ hosts: ['shop.example.com'] }));
    expect(after.upstreams.green?.admin).toBe('draining');
  });

  it('keeps what belongs to a service that left the file for its return', () => {
    const state = desiredOf({ shop: setWeights(config, UNTOUCHED, { green: 5 }) });
    expect(reconcile(state, configOf()).desired).toBe(state);
  });
});

describe('a start with a file that the new stable side has left', () => {
  it.each([
    { phase: 'promoting', stage: 0 },
    { phase: 'draining', stage: 0, sinceAt: 1 },
  ] as const)('ends a rollout that is $phase, and gives the traffic to whom the file does', (position) => {
    const decided = switchTo(config, UNTOUCHED, 'green', 1);
    const running = { ...decided, rollouts: [rolloutAt(position)] };
    const file = serviceConfig({ upstreams: upstreams({ blue: 100 }) });
    const left = abandonRollouts(desiredOf({ shop: running }), configOf(file), 2);
    const [shop] = Object.values(reconcile(left.desired, configOf(file)).desired.services);
    expect(shop?.rollouts[0]?.position).toMatchObject({ phase: 'promoted' });
    const { stable, upstreams: now } = effectiveService(file, shop ?? UNTOUCHED);
    expect(stable).toBe('blue');
    expect(now.blue).toMatchObject({ weight: 100, admin: 'enabled' });
  });
});
