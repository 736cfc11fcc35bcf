import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, type TestGate, until } from '../support/gate.ts';

const shop = (targets: string[], more: object = {}) => ({
  shop: { upstreams: { blue: { weight: 1, targets } }, ...more },
});
const ejected = (test: TestGate) =>
  test.control.service('shop').upstreams.blue?.targets.map(({ ejection }) => ejection.ejected);
const told = (test: TestGate) => test.control.events(0).filter(({ type }) => type.startsWith('target.'));

/** Sends requests until the gate has seen enough. */
async function requestUntil(test: TestGate, check: () => boolean, what: string): Promise<void> {
  await until(async () => {
    await get(test.url);
    return check();
  }, what);
  // Published before this answers, since commands wait for what was observed before them.
  await test.control.evict('shop', 'blue', { actor: 'test' });
}

describe('a target that fails requests', () => {
  it('is left out, told with the evidence, and taken back when its time is over', async () => {
    let well = false;
    await using sick = await openTarget((_, response) => response.writeHead(well ? 200 : 500).end('sick'));
    await using sound = await openTarget('sound');
    const outliers = { ejection: '1s' };
    await using test = await openGate({ services: shop([sick.url, sound.url], { outliers }), workers: 2 });
    await requestUntil(test, () => ejected(test)?.[0] === true, 'the ejection');
    const { ejection } = test.control.service('shop').upstreams.blue?.targets[0] ?? {};
    expect(ejection?.untilAt).toBeGreaterThan(Date.now() - 1000);
    const before = sick.requests;
    for (let n = 0; n < 20; n++) expect((await get(test.url)).body).toBe('sound');
    expect(sick.requests).toBe(before);
    well = true;
    await until(() => ejected(test)?.[0] === false, 'the return');
    await requestUntil(test, () => sick.requests > before, 'requests to it again');
    expect(told(test).map(({ type, data }) => [type, data.target, data.reason])).toEqual([
      ['target.ejected', sick.url, 'consecutive'],
      ['target.returned', sick.url, 'time'],
    ]);
    const metrics = await get(`${test.adminUrl}/metrics`);
    expect(metrics.body).toContain(
      'tealgate_target_ejections_total{service="shop",upstream="blue",reason="consecutive"} 1',
    );
    expect(metrics.body).toContain(`tealgate_target_ejected{service="shop",upstream="blue",target="${sick.url}"} 0`);
  });

  it('stays out over a reload, and returns by one that turns ejections off', async () => {
    await using sick = await openTarget((_, response) => response.writeHead(503).end());
    await using sound = await openTarget('sound');
    await using test = await openGate({ services: shop([sick.url, sound.url]) });
    await requestUntil(test, () => ejected(test)?.[0] === true, 'the ejection');
    await test.write({ services: shop([sick.url, sound.url], { retries: { attempts: 1 } }) });
    await test.control.reload({ actor: 'test' });
    expect(ejected(test)).toEqual([true, false]);
    await test.write({ services: shop([sick.url, sound.url], { outliers: 'none' }) });
    await test.control.reload({ actor: 'test' });
    expect(ejected(test)).toEqual([false, false]);
    const before = sick.requests;
    await requestUntil(test, () => sick.requests > before, 'requests to it again');
  });

  it('is not left out when it is the only one: the very next request after its recovery succeeds', async () => {
    let well = false;
    await using only = await openTarget((_, response) => response.writeHead(well ? 200 : 500).end('only'));
    await using test = await openGate({ services: shop([only.url]) });
    for (let n = 0; n < 20; n++) expect((await get(test.url)).status).toBe(500);
    well = true;
    expect((await get(test.url)).body).toBe('only');
    expect(told(test)).toEqual([]);
  });

  it('goes on being asked in a dry run, which only tells', async () => {
    await using sick = await openTarget((_, response) => response.writeHead(500).end());
    await using sound = await openTarget('sound');
    await using test = await openGate({ services: shop([sick.url, sound.url], { outliers: { dryRun: true } }) });
    await requestUntil(test, () => told(test).length > 0, 'the event');
    expect(told(test)[0]).toMatchObject({ type: 'target.ejected', data: { target: sick.url, dryRun: true } });
    expect(ejected(test)).toEqual([false, false]);
    const before = sick.requests;
    await requestUntil(test, () => sick.requests > before, 'another request to it');
  });
});

describe('a candidate with a failing target', () => {
  it('is rolled back all the same: what failed before the ejection is counted', async () => {
    await using blue = await openTarget('blue');
    await using good = await openTarget('green');
    await using bad = await openTarget((_, response) => response.writeHead(500).end());
    const upstreams = {
      blue: { weight: 100, targets: [blue.url] },
      green: { weight: 0, targets: [good.url, bad.url] },
    };
    const rollout = { stages: [{ weight: 50, hold: '1m' }], guards: { errorRate: { max: '1%', confidence: '99%' } } };
    await using test = await openGate({ services: { shop: { upstreams, rollout } } });
    await test.control.startRollout('shop', 'green', {}, { actor: 'test' });
    const phase = () => test.control.service('shop').rollout?.position.phase;
    await until(() => phase() === 'progressing', 'the first stage');
    await until(async () => {
      expect((await get(test.url)).status).toBe(200);
      return phase() !== 'progressing';
    }, 'the rollback');
    expect(phase()).toBe('rolled_back');
    expect(test.control.service('shop').upstreams.green?.errors).toBeGreaterThan(0);
  });
});
