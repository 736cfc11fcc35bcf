import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, type TestGate, until } from '../support/gate.ts';

const HEALTH = { path: '/healthz', interval: '50ms', timeout: '2s', rise: 1, fall: 2 };

const services = (targets: string[]) => ({ shop: { upstreams: { blue: { weight: 1, targets } }, health: HEALTH } });
const healthOf = (test: TestGate) => test.control.service('shop').upstreams.blue?.targets.map(({ health }) => health);

describe('health checks', () => {
  it('keep requests away from a target that fails them, and bring them back when it recovers', async () => {
    let well = true;
    await using sick = await openTarget((request, response) => {
      response.writeHead(request.url !== '/healthz' || well ? 200 : 503).end(well ? 'sick' : 'no database');
    });
    await using sound = await openTarget('sound');
    await using test = await openGate({ services: services([sick.url, sound.url]), workers: 2 });
    await until(() => healthOf(test)?.join() === 'healthy,healthy', 'the first checks');
    well = false;
    await until(() => healthOf(test)?.join() === 'unhealthy,healthy', 'the failure to be seen');
    // Published before this answers, since commands wait for what was observed before them.
    await test.control.evict('shop', 'blue', { actor: 'test' });
    for (let n = 0; n < 20; n++) expect((await get(test.url)).body).toBe('sound');
    const probes = test.control.service('shop').upstreams.blue?.targets[0]?.probes;
    expect(probes?.[0]).toMatchObject({ ok: false, status: 503, detail: 'no database' });
    well = true;
    await until(() => healthOf(test)?.join() === 'healthy,healthy', 'the recovery');
    const types = test.control.events(0).map(({ type }) => type);
    expect(types.filter((type) => type.startsWith('target.'))).toEqual(['target.unhealthy', 'target.healthy']);
  });

  it('with no target left make it 503 with Retry-After, until one is back', async () => {
    let well = true;
    await using blue = await openTarget((request, response) => {
      response.writeHead(request.url !== '/healthz' || well ? 200 : 500).end('blue');
    });
    await using test = await openGate({ services: services([blue.url]) });
    await until(() => healthOf(test)?.[0] === 'healthy', 'the first check');
    well = false;
    await until(() => healthOf(test)?.[0] === 'unhealthy', 'the failure to be seen');
    await test.control.evict('shop', 'blue', { actor: 'test' });
    const answer = await fetch(test.url);
    await answer.text();
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).not.toBeNull();
    well = true;
    await until(() => healthOf(test)?.[0] === 'healthy', 'the recovery');
    await test.control.evict('shop', 'blue', { actor: 'test' });
    expect((await get(test.url)).body).toBe('blue');
  });

  it('change nothing that an If-Match would notice', async () => {
    let well = true;
    await using blue = await openTarget((_, response) => response.writeHead(well ? 200 : 500).end());
    await using test = await openGate({ services: services([blue.url]) });
    await until(() => healthOf(test)?.[0] === 'healthy', 'the first check');
    well = false;
    await until(() => healthOf(test)?.[0] === 'unhealthy', 'the failure to be seen');
    await until(() => test.control.overview().version > 1, 'it to be published');
    expect(test.control.service('shop').version).toBe(1);
  });
});
