import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, startLoad, type TestGate, until } from '../support/gate.ts';

const BY = { actor: 'test' };
const phase = (test: TestGate) => test.control.service('shop').rollout?.position;

describe('a shadow rollout', () => {
  it('shows the candidate copies of real traffic, and clients nothing of it, until somebody promotes it', async () => {
    await using blue = await openTarget('same');
    const marks: unknown[] = [];
    await using green = await openTarget((request, response) => {
      marks.push(request.headers['x-tealgate-mirror']);
      response.end('other');
    });
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    await using test = await openGate({ services: { shop: { upstreams, drain: { timeout: '1s' } } } });
    const load = startLoad(test.url, 4);
    const plan = { strategy: 'shadow', watch: '300ms', mirror: { share: '50%', compare: {} } };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test)?.phase === 'paused', 'the end of the shadow');
    expect(phase(test)).toMatchObject({ reason: 'shadowed' });
    await load.stop();
    expect([...load.answers.keys()]).toEqual(['same']);
    await until(() => test.control.service('shop').upstreams.green?.inFlight === 0, 'the last copies');
    const copies = green.requests;
    expect(copies).toBeGreaterThan(0);
    expect(marks.every((mark) => mark === 'candidate')).toBe(true);
    for (let n = 0; n < 20; n++) expect((await get(test.url)).body).toBe('same');
    expect(green.requests).toBe(copies);

    const metrics = await (await fetch(`${test.adminUrl}/metrics`)).text();
    const metric = (name: string, upstream: string) =>
      Number(new RegExp(`^${name}\\{service="shop",upstream="${upstream}"\\} (\\d+)$`, 'm').exec(metrics)?.[1]);
    expect(metric('tealgate_mirrored_total', 'green')).toBe(copies);
    expect(metric('tealgate_mirror_differed_total', 'green')).toBe(copies);
    expect(metric('tealgate_mirror_compared_total', 'blue')).toBe(copies);
    expect(metric('tealgate_mirror_differed_total', 'blue')).toBe(0);
    expect(test.log.some(({ event }) => event === 'mirror.differed')).toBe(true);

    await test.control.operateRollout('shop', 'promote', BY);
    await until(() => phase(test)?.phase === 'promoted', 'the promotion');
    expect((await get(test.url)).body).toBe('other');
  });
});

describe('a shadow whose responses differ', () => {
  it('is rolled back on what the copies showed', async () => {
    await using blue = await openTarget((_, response) => response.end(`same ${Math.random() < 0.2}`));
    await using green = await openTarget('other');
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    await using test = await openGate({ services: { shop: { upstreams, drain: { timeout: '1s' } } }, workers: 2 });
    const load = startLoad(test.url, 4);
    const plan = { strategy: 'shadow', watch: '1h', mirror: { compare: {} }, guards: { compare: {} } };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test)?.phase === 'rolled_back', 'the rollback');
    await load.stop();
    expect([...load.answers.keys()].sort()).toEqual(['same false', 'same true']);
    expect(phase(test)).toMatchObject({ reason: 'compare' });
    const { transitions } = test.control.service('shop').rollout ?? { transitions: [] };
    expect(transitions.at(-1)?.evidence).toContainEqual(
      expect.objectContaining({ kind: 'compare', verdict: 'fail', summary: expect.stringContaining('differed') }),
    );
  });
});

describe('a preview', () => {
  it('reaches the idle side before a rollout, and the candidate during one', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    const preview = { header: 'x-preview', hosts: ['preview.test'] };
    await using test = await openGate({ services: { shop: { upstreams, preview } } });
    const seen = async (headers: Record<string, string>) => (await get(test.url, { headers })).body;
    expect(await seen({ 'x-preview': 'candidate' })).toBe('green');
    expect(await seen({ host: 'preview.test' })).toBe('green');
    expect(await seen({})).toBe('blue');
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 100, hold: '1h' }] }, BY);
    await until(() => phase(test)?.phase === 'progressing', 'the first stage');
    expect(await seen({})).toBe('green');
    expect(await seen({ 'x-preview': 'blue' })).toBe('blue');
    expect(test.control.service('shop').rollout?.counts.candidate.trials).toBeLessThanOrEqual(1);
  });
});
