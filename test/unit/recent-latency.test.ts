import { describe, expect, it } from 'vitest';
import { RecentLatency } from '../../src/app/recent-latency.ts';
import { createRegistry } from '../../src/app/registry.ts';
import { fineBucket } from '../../src/traffic/latency.ts';
import { stripe, UPSTREAM } from '../../src/traffic/ledger.ts';
import { accepted, SERVICE } from '../support/config-text.ts';

const WORKERS = 2;

/** An upstream whose requests the test makes, and what is known of the last minute. */
function open() {
  const registry = createRegistry(WORKERS);
  const upstreams = { blue: { weight: 1, admin: 'enabled', targets: [], drainingSinceAt: null, pinEpoch: 0 } } as const;
  registry.sync(accepted(SERVICE), new Map([['shop', { stable: 'blue', upstreams }]]), 0);
  const blue = registry.service('shop')?.upstreams.get('blue');
  if (blue === undefined) throw new Error('no upstream');
  const latency = new RecentLatency(registry);
  const took = (ms: number, requests: number, worker = 0): void => {
    const cells = stripe(blue.ledger, UPSTREAM.size, worker);
    const cell = UPSTREAM.fine + fineBucket(ms * 1000);
    cells[cell] = (cells[cell] ?? 0) + requests;
  };
  /** Ten seconds pass. */
  const pass = (times: number): void => {
    for (let i = 0; i < times; i++) latency.sample();
  };
  return { took, pass, now: () => latency.of(blue) };
}

describe('the latency of the last minute', () => {
  it('is that of the requests of all workers, as soon as there are some', () => {
    const { took, now } = open();
    expect(now()).toBeNull();
    took(1, 98, 0);
    took(100, 2, 1);
    expect(now()?.p50).toBeCloseTo(1, 0);
    expect(now()?.p99).toBeGreaterThanOrEqual(100);
  });

  it('forgets what was slow more than a minute ago', () => {
    const { took, pass, now } = open();
    took(900, 1000);
    pass(7);
    took(2, 10);
    expect(now()?.p99).toBeLessThan(3);
    pass(6);
    expect(now()?.p99).toBeLessThan(3);
    pass(1);
    expect(now()).toBeNull();
  });

  it('has what was slow within it, however many were fast before', () => {
    const { took, pass, now } = open();
    took(1, 1_000_000);
    pass(7);
    took(50, 3);
    expect(now()?.p50).toBeGreaterThan(49);
  });
});
