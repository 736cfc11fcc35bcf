import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, startLoad, type Target, type TestGate, until } from '../support/gate.ts';
import { obligation } from '../support/obligations.ts';

const BY = { actor: 'test' };

function shop(blue: Target | string, green: Target | string, more: object = {}) {
  const url = (target: Target | string) => (typeof target === 'string' ? target : target.url);
  const upstreams = { blue: { weight: 100, targets: [url(blue)] }, green: { weight: 0, targets: [url(green)] } };
  return { shop: { upstreams, ...more } };
}

/** A worker books a request right after its last byte, which the client may see first. */
async function expectBalanced({ control }: TestGate): Promise<void> {
  await until(() => control.service('shop').ledger.inFlight === 0, 'the books to be closed');
  const { accepted, outcomes } = control.service('shop').ledger;
  expect(Object.values(outcomes).reduce((sum, count) => sum + count, 0)).toBe(accepted);
}

describe('a switch', () => {
  it('200 times under 32 keep-alive connections fails no request, and the books agree with the clients', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: shop(blue, green), workers: 2 });
    const load = startLoad(test.url, 32);
    for (let n = 0; n < 200; n++) await test.control.switchTo('shop', n % 2 === 0 ? 'green' : 'blue', BY);
    await load.stop();
    expect([...load.answers.keys()].sort()).toEqual(['blue', 'green']);
    await expectBalanced(test);
    expect(test.control.service('shop').ledger.outcomes.ok).toBe(load.sent);
    expect(test.control.overview().unrouted.accepted).toBe(0);
    expect(blue.requests + green.requests).toBe(load.sent);
  });

  it('holds for every request that begins after it was answered, on connections that are open already too', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: shop(blue, green), workers: 2 });
    const load = startLoad(test.url, 8);
    for (let n = 0; n < 20; n++) {
      const to = n % 2 === 0 ? 'green' : 'blue';
      await test.control.switchTo('shop', to, BY);
      const answers = await Promise.all(Array.from({ length: 8 }, () => get(test.url)));
      expect(answers.map(({ body }) => body)).toEqual(Array(8).fill(to));
    }
    await load.stop();
  });

  it('lets a request in flight finish where it is, and tells when it has', async () => {
    let held: ServerResponse | null = null;
    const arrived = Promise.withResolvers<void>();
    await using blue = await openTarget((_, response) => {
      held = response;
      arrived.resolve();
    });
    await using green = await openTarget('green');
    await using test = await openGate({ services: shop(blue, green) });
    const slow = get(test.url);
    await arrived.promise;
    const { service } = await test.control.switchTo('shop', 'green', BY);
    expect(service.upstreams.blue).toMatchObject({ admin: 'draining', inFlight: 1, drain: { drained: false } });
    let drained = false;
    const waiting = test.control.waitDrained('shop', 'blue', new AbortController().signal).then(() => {
      drained = true;
    });
    expect(await get(test.url)).toEqual({ status: 200, body: 'green' });
    expect(drained).toBe(false);
    (held as ServerResponse | null)?.end('blue at last');
    expect(await slow).toEqual({ status: 200, body: 'blue at last' });
    await waiting;
    expect(test.control.service('shop').upstreams.blue?.drain?.drained).toBe(true);
    await expectBalanced(test);
  });

  it(obligation('S11-back', 'a whole gate'), async () => {
    const held: ServerResponse[] = [];
    const two = Promise.withResolvers<void>();
    const hold = (name: string) => (_: unknown, response: ServerResponse) => {
      response.setHeader('x-name', name);
      if (held.push(response) === 2) two.resolve();
    };
    await using blue = await openTarget(hold('blue'));
    await using green = await openTarget(hold('green'));
    await using test = await openGate({ services: shop(blue, green) });
    const first = get(test.url);
    await until(() => held.length === 1, 'the first request');
    await test.control.switchTo('shop', 'green', BY);
    const { signal } = new AbortController();
    const waiting = test.control.waitDrained('shop', 'blue', signal).catch((error: unknown) => error);
    const second = get(test.url);
    await two.promise;
    const { service } = await test.control.switchTo('shop', 'blue', BY);
    expect(await waiting).toMatchObject({ code: 'conflict' });
    expect(service.upstreams.blue?.admin).toBe('enabled');
    expect(service.upstreams.green?.admin).toBe('draining');
    for (const response of held) response.end(String(response.getHeader('x-name')));
    expect([(await first).body, (await second).body]).toEqual(['blue', 'green']);
    await expectBalanced(test);
  });

  it(obligation('S09-unreachable', 'nothing listens'), async () => {
    await using blue = await openTarget('blue');
    const gone = await openTarget('green');
    await gone.close();
    await using test = await openGate({ services: shop(blue, gone.url) });
    const refused = await test.control.switchTo('shop', 'green', BY).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'conflict', details: { probes: [{ target: gone.url, ok: false }] } });
    expect(String(refused)).toContain('ECONNREFUSED');
    const called = await fetch(`${test.adminUrl}/v1/services/shop/switch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ to: 'green' }),
    });
    expect(called.status, await called.text()).toBe(409);
    expect(test.control.service('shop')).toMatchObject({ version: 1, stable: 'blue' });
    expect((await get(test.url)).body).toBe('blue');
    const forced = await test.control.switchTo('shop', 'green', { ...BY, force: true });
    expect(forced.service.stable).toBe('green');
  });

  it(obligation('S09-unreachable', 'its health check fails'), async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((request, response) => {
      response.writeHead(request.url === '/healthz' ? 503 : 200).end('not ready');
    });
    const health = { path: '/healthz', interval: '50ms', rise: 1, fall: 1 };
    await using test = await openGate({ services: shop(blue, green, { health }) });
    await expect(test.control.switchTo('shop', 'green', BY)).rejects.toThrow(/not ready/);
    expect((await get(test.url)).body).toBe('blue');
  });
});
