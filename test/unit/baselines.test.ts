import { describe, expect, it } from 'vitest';
import { Baselines } from '../../src/app/baselines.ts';
import { createRegistry } from '../../src/app/registry.ts';
import { stripe, UPSTREAM } from '../../src/traffic/ledger.ts';
import type { CountingRule } from '../../src/traffic/snapshot.ts';
import { accepted, SERVICE } from '../support/config-text.ts';

const NO_RULES: readonly CountingRule[] = [];

/** The stable side of a service, whose attempts the test makes, and what is known of it. */
function open() {
  const registry = createRegistry(1);
  const upstreams = { blue: { weight: 1, admin: 'enabled', targets: [], drainingSinceAt: null, pinEpoch: 0 } } as const;
  registry.sync(accepted(SERVICE), new Map([['shop', { stable: 'blue', upstreams }]]), 0);
  const blue = registry.service('shop')?.upstreams.get('blue');
  if (blue === undefined) throw new Error('no upstream');
  const baselines = new Baselines(registry);
  const attempts = (trials: number, errors = 0): void => {
    const cells = stripe(blue.ledger, UPSTREAM.size, 0);
    cells[UPSTREAM.trials] = (cells[UPSTREAM.trials] ?? 0) + trials;
    cells[UPSTREAM.errors] = (cells[UPSTREAM.errors] ?? 0) + errors;
  };
  const known = () => {
    const { trials, errors } = baselines.of('shop', 'blue', NO_RULES).all;
    return { trials, errors };
  };
  const sample = (isDisturbed = false) => baselines.sample(() => ({ rules: NO_RULES, isDisturbed }));
  return { attempts, known, sample, disturb: () => baselines.disturb('shop', NO_RULES) };
}

describe('what stable did before a rollout', () => {
  it('is all of the last ten minutes, up to this moment', () => {
    const { attempts, known, sample } = open();
    attempts(5, 1);
    expect(known()).toEqual({ trials: 5, errors: 1 });
    sample();
    attempts(10);
    expect(known()).toEqual({ trials: 15, errors: 1 });
    for (let minute = 0; minute < 60; minute++) sample();
    expect(known()).toEqual({ trials: 10, errors: 0 });
    sample();
    expect(known()).toEqual({ trials: 0, errors: 0 });
  });

  it('has nothing of the time in which another candidate had traffic, and what was before that all the same', () => {
    const { attempts, known, sample, disturb } = open();
    sample();
    attempts(60, 1);
    sample();
    attempts(40);
    disturb();
    for (let n = 0; n < 200; n++) {
      attempts(50, 25);
      sample(true);
    }
    attempts(50, 25);
    disturb();
    expect(known()).toEqual({ trials: 100, errors: 1 });
    sample();
    attempts(10);
    expect(known()).toEqual({ trials: 110, errors: 1 });
  });
});
