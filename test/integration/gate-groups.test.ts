import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startGate } from '../../src/app/gate.ts';
import { replay } from '../../src/rollout/replay.ts';
import {
  collect,
  get,
  openGate,
  openTarget,
  startLoad,
  type Target,
  type TestGate,
  until,
  writeGateFile,
} from '../support/gate.ts';

const BY = { actor: 'test' };

/** Two services by path, released as one; and the answers of their green sides. */
function file(blue: Target, green: { readonly shop: Target; readonly cart: Target }) {
  const service = (name: 'shop' | 'cart') => ({
    paths: [`/${name}`],
    upstreams: { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green[name].url] } },
    drain: { timeout: '1s' },
  });
  return {
    services: { shop: service('shop'), cart: service('cart') },
    groups: { release: { services: ['shop', 'cart'] } },
  };
}

/** A third service, of which the group does not know. */
function withBlog(blue: Target, green: Target) {
  const { services, groups } = file(blue, { shop: green, cart: green });
  return { services: { ...services, blog: { ...services.shop, paths: ['/blog'] } }, groups };
}

const phases = (test: TestGate) => test.control.group('release').rollouts.map(({ position }) => position.phase);
const all = (test: TestGate, phase: string) => phases(test).length === 2 && phases(test).every((one) => one === phase);
const weights = (test: TestGate) => ['shop', 'cart'].map((name) => test.control.service(name).upstreams.green?.weight);

/** What each of them was told is enough to compute it again, without the others. */
function expectReplayable(test: TestGate): void {
  for (const rollout of test.control.group('release').rollouts) {
    const { entries } = test.control.journal(rollout.service, rollout.id, { after: 0, limit: 500 });
    expect(replay(entries, rollout)).toMatchObject({ result: 'same', whole: true, difference: null });
  }
}

describe('a group', () => {
  it('is promoted as one, and undone as one', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, { shop: green, cart: green }));
    const stages = [{ weight: 50, hold: '50ms' }, { weight: 100 }];
    await test.control.startGroupRollout('release', 'green', { stages, guards: 'none' }, BY);
    await until(() => all(test, 'promoted'), 'the promotion');
    expect(weights(test)).toEqual([100, 100]);
    const ids = test.control.group('release').rollouts.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    const undone = await test.control.undoGroup('release', BY);
    expect(undone.rollouts).toHaveLength(2);
    expect(weights(test)).toEqual([0, 0]);
    expect((await get(`${test.url}/cart`)).body).toBe('blue');
    await test.control.undoGroup('release', BY);
    await test.control.switchTo('shop', 'green', BY);
    expect((await test.control.undoGroup('release', BY)).services).toEqual(['shop', 'cart']);
    expect(weights(test)).toEqual([0, 0]);
  });

  it('is rolled back as one: no snapshot has one of them back and the other not', async () => {
    await using blue = await openTarget('blue');
    await using good = await openTarget('green');
    await using broken = await openTarget((_, response) => response.writeHead(500).end('broken'));
    await using test = await openGate(file(blue, { shop: good, cart: broken }));
    const plan = { stages: [{ weight: 50, hold: '1h' }] };
    await test.control.startGroupRollout('release', 'green', plan, BY);
    await until(() => all(test, 'progressing'), 'the first stage');
    const load = startLoad(`${test.url}/cart`, 2);
    await until(() => all(test, 'rolled_back'), 'the rollback');
    await load.stop();
    expect(weights(test)).toEqual([0, 0]);
    const [shop, cart] = test.control.group('release').rollouts;
    expect(shop?.position).toMatchObject({ reason: 'group' });
    expect(cart?.position).toMatchObject({ reason: 'error_rate' });
    expect(test.control.service('shop').version).toBe(test.control.service('cart').version);
    expectReplayable(test);
  });

  it('waits in a stage for the member that is not ready', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, { shop: green, cart: green }));
    const stages = [{ weight: 50, minRequests: 5 }, { weight: 100 }];
    await test.control.startGroupRollout('release', { shop: 'green', cart: 'green' }, { stages, guards: 'none' }, BY);
    for (let n = 0; n < 20; n++) await get(`${test.url}/shop`);
    const counted = () => test.control.group('release').rollouts[0]?.counts.candidate.trials;
    await until(() => counted() === 10, 'the look at the requests of shop');
    expect(all(test, 'progressing')).toBe(true);
    for (let n = 0; n < 10; n++) await get(`${test.url}/cart`);
    await until(() => all(test, 'promoted'), 'the promotion');
    expectReplayable(test);
  });

  it('is shadowed as one: each candidate gets copies, all wait for somebody together, and are promoted in one step', async () => {
    await using blue = await openTarget('blue');
    await using shop = await openTarget('shop');
    await using cart = await openTarget('cart');
    await using test = await openGate(file(blue, { shop, cart }));
    const plan = { strategy: 'shadow', watch: '300ms', guards: 'none' };
    await test.control.startGroupRollout('release', 'green', plan, BY);
    await until(() => all(test, 'progressing'), 'the copies');
    const load = startLoad(`${test.url}/cart`, 1);
    await until(() => cart.requests > 0, 'a copy');
    await until(() => all(test, 'paused'), 'the end of the copies');
    await load.stop();
    const reasons = test.control
      .group('release')
      .rollouts.map(({ position }) => 'reason' in position && position.reason);
    expect(reasons).toEqual(['shadowed', 'shadowed']);
    expect(shop.requests).toBe(0);
    expect(weights(test)).toEqual([0, 0]);
    await expect(test.control.operateGroup('release', 'resume', BY)).rejects.toThrow('shadow rollout');
    await test.control.operateGroup('release', 'promote', BY);
    await until(() => all(test, 'promoted'), 'the promotion');
    expect(weights(test)).toEqual([100, 100]);
    expectReplayable(test);
  });

  it('is not shadowed in part', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const { services, groups } = file(blue, { shop: green, cart: green });
    const cart = { ...services.cart, rollout: { strategy: 'shadow', watch: '1h' } };
    const shop = { ...services.shop, rollout: { strategy: 'blue-green' } };
    await using test = await openGate({ services: { shop, cart }, groups });
    await expect(test.control.startGroupRollout('release', 'green', {}, BY)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('only cart would be shadowed'),
    });
    expect(test.control.service('cart').rollout).toBeNull();
  });

  it('is operated as one, and its members not alone', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, { shop: green, cart: green }));
    const plan = { stages: [{ weight: 50, hold: '1h' }] };
    await expect(test.control.operateGroup('release', 'pause', BY)).rejects.toThrow('never had a rollout');
    await test.control.startGroupRollout('release', 'green', plan, BY);
    await until(() => all(test, 'progressing'), 'the first stage');
    await expect(test.control.operateRollout('shop', 'abort', BY)).rejects.toThrow('group release');
    await expect(test.control.startRollout('shop', 'green', plan, { ...BY, replace: true })).rejects.toThrow(
      'group release',
    );
    await expect(test.control.startGroupRollout('release', 'green', plan, BY)).rejects.toMatchObject({
      code: 'conflict',
    });
    for (const action of ['pause', 'pause', 'resume'] as const) await test.control.operateGroup('release', action, BY);
    expect(all(test, 'progressing')).toBe(true);
    await test.control.operateGroup('release', 'abort', BY);
    expect(all(test, 'aborted')).toBe(true);
    await expect(test.control.undoGroup('release', BY)).rejects.toThrow('nothing to undo');
  });

  it('is refused as a whole when one of its services cannot begin, and then nothing has begun', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const gone = await openTarget('gone');
    await gone.close();
    await using test = await openGate(file(blue, { shop: green, cart: gone }));
    const start = (to: string | Record<string, string>, plan = {}) =>
      test.control.startGroupRollout('release', to, plan, BY);
    await expect(start('green')).rejects.toThrow(/ECONNREFUSED/);
    await expect(start({ shop: 'green' })).rejects.toMatchObject({ code: 'bad_request' });
    await expect(start({ shop: 'green', cart: 'red' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(test.control.startGroupRollout('all', 'green', {}, BY)).rejects.toMatchObject({ code: 'not_found' });
    expect(test.control.group('release').rollouts).toEqual([]);
    expect(weights(test)).toEqual([0, 0]);
  });

  it('keeps its members together over a restart, also without its entry in the file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const config = file(blue, { shop: green, cart: green });
    const configPath = await writeGateFile(directory, config);
    const open = () => startGate({ configPath, stdout: collect([]) });
    const first = await open();
    await first.control.startGroupRollout('release', 'green', { stages: [{ weight: 50, hold: '1h' }] }, BY);
    const places = (gate: typeof first) => gate.control.group('release').rollouts.map(({ position }) => position.phase);
    await until(() => places(first).every((phase) => phase === 'progressing'), 'the first stage');
    await first.stop();
    const second = await open();
    expect(places(second)).toEqual(['progressing', 'progressing']);
    await second.control.operateGroup('release', 'pause', BY);
    expect(places(second)).toEqual(['paused', 'paused']);
    await second.stop();
    await writeGateFile(directory, { services: config.services });
    const third = await open();
    for (const name of ['shop', 'cart']) {
      expect(third.control.service(name).rollout?.position).toMatchObject({ phase: 'aborted' });
    }
    await third.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('begins by plans that name whom to ask, and is previewed so', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using bot = await openTarget((_, response) => response.writeHead(202).end());
    const { services, groups } = file(blue, { shop: green, cart: green });
    const guards = { bot: { kind: 'webhook', webhook: 'bot', interval: '1s' } };
    const rollout = { stages: [{ weight: 50, gate: { http: { webhook: 'bot' } } }], guards };
    await using test = await openGate({
      webhooks: { bot: { url: bot.url, secret: '0123456789abcdef' } },
      services: { ...services, cart: { ...services.cart, rollout } },
      groups,
    });
    const plan = { stages: [{ weight: 50, hold: '1h' }] };
    expect((await test.control.previewRollout('cart', 'green', {}, {})).plan.guards).toContainEqual(
      expect.objectContaining({ name: 'bot', webhook: 'bot' }),
    );
    await test.control.startGroupRollout('release', 'green', plan, BY);
    await until(() => all(test, 'progressing'), 'the first stage');
    const unknown = { guards: { bot: { kind: 'webhook', webhook: 'nobody' } } };
    await expect(test.control.previewRollout('cart', 'green', unknown, {})).rejects.toThrow('no nobody');
  });

  it('makes room for a newer rollout of itself, in one step', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, { shop: green, cart: green }));
    const plan = { stages: [{ weight: 50, hold: '1h' }] };
    await test.control.startGroupRollout('release', 'green', plan, BY);
    await until(() => all(test, 'progressing'), 'the first stage');
    const before = test.control.group('release').rollouts.map(({ id }) => id);
    await test.control.startGroupRollout('release', 'green', plan, { ...BY, replace: true });
    const replaced = ['shop', 'cart'].map((name, i) => test.control.rollout(name, before[i] ?? '').position);
    expect(replaced).toMatchObject([{ phase: 'aborted' }, { phase: 'aborted' }]);
    await until(() => all(test, 'progressing'), 'the first stage of the newer one');
    expect(test.control.group('release').rollouts.map(({ id }) => id)).not.toEqual(before);
    expectReplayable(test);
  });

  it('does not make room by the rollout of a service that goes together with others beside it', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const { services, groups } = withBlog(blue, green);
    await using test = await openGate({ services, groups: { ...groups, front: { services: ['shop', 'blog'] } } });
    const plan = { stages: [{ weight: 50, hold: '1h' }] };
    await test.control.startGroupRollout('release', 'green', plan, BY);
    await until(() => all(test, 'progressing'), 'the first stage');
    const replace = { ...BY, replace: true };
    await expect(test.control.startGroupRollout('front', 'green', plan, replace)).rejects.toThrow('group release');
    expect(all(test, 'progressing')).toBe(true);
  });

  it('is operated whole while it runs, whatever becomes of its entry in the file', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const { services, groups } = withBlog(blue, green);
    await using test = await openGate({ services, groups });
    await test.control.startGroupRollout('release', 'green', { stages: [{ weight: 50, hold: '1h' }] }, BY);
    await until(() => all(test, 'progressing'), 'the first stage');
    await writeGateFile(test.directory, { services, groups: { release: { services: ['shop', 'blog'] } } });
    expect((await test.control.reload(BY)).errors).toEqual([]);
    expect(test.control.group('release').rollouts).toHaveLength(2);
    await test.control.operateGroup('release', 'abort', BY);
    expect(all(test, 'aborted')).toBe(true);
  });

  it('is driven over the admin API', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, { shop: green, cart: green }));
    const call = async (method: string, path: string, body?: object) => {
      const init = { method, headers: { 'content-type': 'application/json' } };
      const answer = await fetch(
        `${test.adminUrl}${path}`,
        body === undefined ? init : { ...init, body: JSON.stringify(body) },
      );
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    expect((await call('GET', '/v1/groups/release/rollouts/current')).status).toBe(404);
    const body = { to: 'green', stages: [{ weight: 50, hold: '1h' }] };
    const started = await call('POST', '/v1/groups/release/rollouts', body);
    expect(started).toMatchObject({ status: 201, body: { group: 'release', rollouts: { shop: {}, cart: {} } } });
    await until(() => all(test, 'progressing'), 'the first stage');
    const current = await call('GET', '/v1/groups/release/rollouts/current');
    expect(current.body).toMatchObject({
      phase: 'progressing',
      stage: 0,
      rollouts: { cart: { phase: 'progressing' } },
    });
    expect((await call('POST', '/v1/groups/release/rollouts/current/abort', {})).body).toMatchObject({
      phase: 'aborted',
      reason: 'operator',
    });
    expect((await call('GET', '/v1/groups')).body).toMatchObject({
      groups: [{ name: 'release', rollout: { phase: 'aborted' } }],
    });
    expect((await call('POST', '/v1/groups/release/undo', {})).status).toBe(409);
  });
});
