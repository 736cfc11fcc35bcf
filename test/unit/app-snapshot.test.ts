import { describe, expect, it } from 'vitest';
import { effectiveService } from '../../src/app/desired/effective.ts';
import { withRollout } from '../../src/app/desired/rollouts.ts';
import { switchTo } from '../../src/app/desired/switch.ts';
import { setTargets } from '../../src/app/desired/targets.ts';
import { setWeights } from '../../src/app/desired/weights.ts';
import type { DesiredService } from '../../src/app/desired.ts';
import { createFuses } from '../../src/app/fuses.ts';
import type { HealthChecker } from '../../src/app/health/checker.ts';
import { createOutliers } from '../../src/app/outliers.ts';
import { createPublisher } from '../../src/app/publisher.ts';
import { createRegistry } from '../../src/app/registry.ts';
import { settleStripe } from '../../src/app/settle-stripe.ts';
import { readLedger } from '../../src/app/views/ledger-view.ts';
import type { ServiceConfig } from '../../src/config/config.ts';
import { createBlock, SERVICE, stripe, TARGET, UPSTREAM } from '../../src/traffic/ledger.ts';
import type { RoutingSnapshot } from '../../src/traffic/snapshot.ts';
import {
  BLUE,
  configOf,
  desiredOf,
  GREEN,
  manualClock,
  rolloutAt,
  serviceConfig,
  UNTOUCHED,
  upstreams,
} from '../support/app-fixtures.ts';

const WORKERS = 2;
const config = serviceConfig();

function setUp() {
  const clock = manualClock();
  const registry = createRegistry(WORKERS);
  const unhealthy = new Set<number>();
  const health: HealthChecker = {
    update: () => undefined,
    health: (id) => (unhealthy.has(id) ? 'unhealthy' : 'healthy'),
    probes: () => [],
    close: () => undefined,
  };
  const fuses = createFuses(() => [1, 2, 2]);
  const outliers = createOutliers({ clock, healthy: (id) => !unhealthy.has(id) });
  const publisher = createPublisher({ registry, health, outliers, fuses, clock });
  const build = (desired: DesiredService, ...services: ServiceConfig[]) => {
    const snapshot = publisher.build(configOf(...services), desiredOf({ shop: desired }));
    publisher.served();
    return snapshot;
  };
  return { clock, registry, outliers, unhealthy, fuses, publisher, build };
}

function shop(snapshot: RoutingSnapshot | null) {
  const route = snapshot?.services.find(({ name }) => name === 'shop');
  if (route === undefined) throw new Error('no service');
  const upstream = (name: string) => {
    const found = route.upstreams.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`no upstream ${name}`);
    return found;
  };
  return { route, upstream };
}

describe('a snapshot', () => {
  it('is not built again when nothing changed', () => {
    const { build } = setUp();
    expect(build(UNTOUCHED, config)?.version).toBe(1);
    expect(build(UNTOUCHED, config)).toBeNull();
  });

  it('keeps ids and ledgers over changes, and the very objects of services that did not change', () => {
    const { build } = setUp();
    const other = serviceConfig({ name: 'blog' });
    const first = build(UNTOUCHED, config, other);
    const second = build(setWeights(config, UNTOUCHED, { green: 5 }), config, other);
    expect(second?.version).toBe(2);
    expect(shop(second).route.id).toBe(shop(first).route.id);
    expect(shop(second).upstream('green')).toMatchObject({ id: shop(first).upstream('green').id, weight: 5 });
    expect(shop(second).upstream('green').ledger).toBe(shop(first).upstream('green').ledger);
    expect(second?.services[1]).toBe(first?.services[1]);
  });

  it('marks targets that are unhealthy as not eligible, which changes nothing that was decided', () => {
    const { build, publisher, unhealthy } = setUp();
    const first = build(UNTOUCHED, config);
    unhealthy.add(shop(first).upstream('blue').targets[0]?.id ?? 0);
    const second = build(UNTOUCHED, config);
    expect(shop(second).upstream('blue').targets[0]?.eligible).toBe(false);
    expect(publisher.version()).toBe(2);
    expect(publisher.serviceVersion('shop')).toBe(1);
  });

  it('previews the candidate of a rollout, and without one the upstream beside stable if it is just one', () => {
    const preview = { hosts: [], header: { name: 'x-preview', value: null }, cookie: null };
    const of = (desired: DesiredService, given: Partial<ServiceConfig> = {}) =>
      shop(setUp().build(desired, serviceConfig({ preview, ...given }))).route.preview;
    const three = { upstreams: { ...config.upstreams, teal: { weight: 0, targets: ['http://127.0.0.1:5001'] } } };
    expect(of(UNTOUCHED)).toEqual({ candidate: 'green', ...preview });
    expect(of(switchTo(config, UNTOUCHED, 'green', 1))?.candidate).toBe('blue');
    expect(of(UNTOUCHED, three)?.candidate).toBeNull();
    const started = withRollout(UNTOUCHED, rolloutAt({ phase: 'checking' }, { to: 'teal' }));
    expect(of(started, three)?.candidate).toBe('teal');
  });

  it('shares the limits of targets out among the workers, rounded up', () => {
    const limits = { inFlightPerTarget: 5, queue: 3, queueTimeoutMs: 250 };
    const inFlightOf = (workers: number) => {
      const { publisher } = setUp();
      const of = { ...configOf(serviceConfig({ limits })), workers };
      return shop(publisher.build(of, desiredOf({ shop: UNTOUCHED }))).route.limits;
    };
    expect(inFlightOf(1)).toEqual({ inFlight: 5, queue: 3, queueTimeoutMs: 250 });
    expect(inFlightOf(2)).toEqual({ inFlight: 3, queue: 2, queueTimeoutMs: 250 });
    expect(inFlightOf(8)).toEqual({ inFlight: 1, queue: 1, queueTimeoutMs: 250 });
  });

  it('lets a target that comes back begin slowly, and never one that is new', () => {
    const { build, clock, unhealthy } = setUp();
    const slow = serviceConfig({ slowStartMs: 10_000 });
    const first = shop(build(UNTOUCHED, slow)).upstream('blue').targets[0];
    expect(first?.warm).toBeNull();
    unhealthy.add(first?.id ?? 0);
    expect(shop(build(UNTOUCHED, slow)).upstream('blue').targets[0]?.warm).toBeNull();
    clock.advance(500);
    unhealthy.clear();
    const warm = { sinceMs: 1500, untilMs: 11_500 };
    expect(shop(build(UNTOUCHED, slow)).upstream('blue').targets[0]).toMatchObject({ eligible: true, warm });
    clock.advance(9_999);
    expect(build(UNTOUCHED, slow)).toBeNull();
    clock.advance(1);
    expect(shop(build(UNTOUCHED, slow)).upstream('blue').targets[0]?.warm).toBeNull();
  });

  it('gives the targets of a draining upstream a deadline, counted from the drain', () => {
    const { build, clock } = setUp();
    build(UNTOUCHED, config);
    clock.advance(500);
    const drained = switchTo(config, UNTOUCHED, 'green', 1);
    const closing = { sinceMs: 1500, cutAtMs: 31_500 };
    expect(shop(build(drained, config)).upstream('blue').targets[0]).toMatchObject({ closing, eligible: false });
    clock.advance(500);
    const again = build(setWeights(config, drained, { green: 50 }), config);
    expect(shop(again).upstream('blue').targets[0]?.closing).toEqual(closing);
  });

  it('lifts the deadline when the upstream is taken back in', () => {
    const { build } = setUp();
    const drained = switchTo(config, UNTOUCHED, 'green', 1);
    build(drained, config);
    const back = build(switchTo(config, drained, 'blue', 2), config);
    expect(shop(back).upstream('blue').targets[0]).toMatchObject({ closing: null, eligible: true });
  });

  it('has the candidate, a salt and a fuse while a rollout runs', () => {
    const { build } = setUp();
    const progressing = rolloutAt({ phase: 'progressing', stage: 0, heldMs: 0 });
    expect(shop(build(withRollout(UNTOUCHED, progressing), config)).route).toMatchObject({
      candidate: 'green',
      salt: 'shop/r1',
      fuse: { id: 1, limits: [1, 2, 2] },
    });
    const draining = rolloutAt({ phase: 'draining', stage: 0, sinceAt: 1 });
    expect(shop(build(withRollout(UNTOUCHED, draining), config)).route).toMatchObject({ candidate: null, fuse: null });
  });

  it('is not built for the ticking of a hold', () => {
    const { build } = setUp();
    const at = (heldMs: number) => withRollout(UNTOUCHED, rolloutAt({ phase: 'progressing', stage: 0, heldMs }));
    build(at(0), config);
    expect(build(at(1000), config)).toBeNull();
  });

  it('raises the version of a service when its rollout moves on, even if no route changes', () => {
    const { build, publisher } = setUp();
    build(withRollout(UNTOUCHED, rolloutAt({ phase: 'progressing', stage: 0, heldMs: 0 })), config);
    const paused = { phase: 'paused', stage: 0, heldMs: 0, reason: 'asked', sinceAt: 1 } as const;
    build(withRollout(UNTOUCHED, rolloutAt(paused)), config);
    expect(publisher.serviceVersion('shop')).toBe(2);
  });
});

describe('a fuse', () => {
  it('is the same through a stage and a new one in the next', () => {
    const { fuses } = setUp();
    const at = (stage: number, heldMs: number) => fuses.of(rolloutAt({ phase: 'progressing', stage, heldMs }))?.id;
    expect([at(0, 0), at(0, 9), at(1, 0)]).toEqual([1, 1, 2]);
  });

  it('is armed anew only if it is the one that blew', () => {
    const { fuses } = setUp();
    const rollout = rolloutAt({ phase: 'progressing', stage: 0, heldMs: 0 });
    fuses.of(rollout);
    fuses.blew('shop', 99);
    expect(fuses.looked('shop')).toBe(false);
    fuses.blew('shop', 1);
    expect(fuses.looked('shop')).toBe(true);
    expect(fuses.of(rollout)?.id).toBe(2);
  });

  it('is not there without an error-rate guard', () => {
    const { fuses } = setUp();
    const plan = { ...config.rollout, guards: [] };
    expect(fuses.of(rolloutAt({ phase: 'progressing', stage: 0, heldMs: 0 }, { plan }))).toBeNull();
  });
});

describe('what left the configuration', () => {
  const other = ['http://127.0.0.1:4009'];

  it('is retired with a deadline until nothing is in flight on it', () => {
    const { build, clock } = setUp();
    const green = shop(build(UNTOUCHED, config)).upstream('green').targets[0];
    const cells = stripe(green?.ledger ?? createBlock(TARGET.size, 1), TARGET.size, 1);
    cells[TARGET.inFlight] = 1;
    clock.advance(100);
    const replaced = setTargets(config, UNTOUCHED, 'green', other);
    const retired = build(replaced, config)?.retired;
    expect(retired).toMatchObject([{ id: green?.id, url: GREEN, closing: { sinceMs: 1100, cutAtMs: 31_100 } }]);
    expect(build(replaced, config)).toBeNull();
    cells[TARGET.inFlight] = 0;
    expect(build(replaced, config)?.retired).toEqual([]);
  });

  it('keeps its id when it returns before it is empty, and gets a new one afterwards', () => {
    const { build } = setUp();
    const green = shop(build(UNTOUCHED, config)).upstream('green').targets[0];
    const cells = stripe(green?.ledger ?? createBlock(TARGET.size, 1), TARGET.size, 0);
    cells[TARGET.upgrades] = 1;
    build(setTargets(config, UNTOUCHED, 'green', other), config);
    const back = build(UNTOUCHED, config);
    expect(shop(back).upstream('green').targets[0]).toMatchObject({ id: green?.id, closing: null });
    cells[TARGET.upgrades] = 0;
    build(setTargets(config, UNTOUCHED, 'green', other), config);
    expect(shop(build(UNTOUCHED, config)).upstream('green').targets[0]?.id).not.toBe(green?.id);
  });

  it('is kept with its whole service until the last request has ended', () => {
    const { build, registry } = setUp();
    const first = build(UNTOUCHED, config);
    const cells = stripe(shop(first).route.ledger, SERVICE.size, 0);
    cells[SERVICE.accepted] = 1;
    const second = build(UNTOUCHED);
    expect(second?.services).toEqual([]);
    expect(registry.service('shop')).toBeDefined();
    expect(registry.hasRemoved()).toBe(true);
    cells[SERVICE.outcomes] = 1;
    registry.forgetEmpty();
    expect(registry.service('shop')).toBeUndefined();
    expect(registry.hasRemoved()).toBe(false);
  });

  it('goes with its upstream', () => {
    const { build, registry } = setUp();
    const first = build(UNTOUCHED, config);
    stripe(shop(first).upstream('green').ledger, UPSTREAM.size, 0)[UPSTREAM.inFlight] = 1;
    build(UNTOUCHED, serviceConfig({ upstreams: upstreams({ blue: 100 }) }));
    expect([...(registry.service('shop')?.upstreams.keys() ?? [])]).toEqual(['blue', 'green']);
    stripe(shop(first).upstream('green').ledger, UPSTREAM.size, 0)[UPSTREAM.inFlight] = 0;
    expect(registry.forgetEmpty()).toBe(true);
    expect([...(registry.service('shop')?.upstreams.keys() ?? [])]).toEqual(['blue']);
  });
});

describe('the books of a worker that died', () => {
  it('are closed: what it had in flight is lost, and nothing of the others is touched', () => {
    const registry = createRegistry(WORKERS);
    const unrouted = createBlock(SERVICE.size, WORKERS);
    registry.sync(configOf(config), new Map([['shop', effectiveService(config, UNTOUCHED)]]), 0);
    const service = registry.service('shop');
    const blue = service?.upstreams.get('blue');
    const target = blue?.targets.get(BLUE);
    if (service === undefined || blue === undefined || target === undefined) throw new Error('not registered');
    for (const worker of [0, 1]) {
      stripe(service.ledger, SERVICE.size, worker).set([5, 3]);
      stripe(unrouted, SERVICE.size, worker).set([2, 1]);
      stripe(blue.ledger, UPSTREAM.size, worker).set([2, 1, 1, 7]);
      stripe(target.ledger, TARGET.size, worker).set([2, 1, 9, 0, 4, 6, 3, 2, 1]);
    }
    settleStripe(registry, unrouted, 1);
    expect(readLedger(service.ledger)).toMatchObject({ accepted: 10, inFlight: 2, outcomes: { ok: 6, lost: 2 } });
    expect(readLedger(unrouted)).toMatchObject({ inFlight: 1, outcomes: { lost: 1 } });
    expect([...stripe(blue.ledger, UPSTREAM.size, 1).slice(0, 4)]).toEqual([0, 0, 0, 7]);
    expect([...stripe(target.ledger, TARGET.size, 1)]).toEqual([0, 0, 9, 0, 0, 6, 3, 0, 1]);
    expect([...stripe(target.ledger, TARGET.size, 0)]).toEqual([2, 1, 9, 0, 4, 6, 3, 2, 1]);
  });
});
