import { describe, expect, it } from 'vitest';
import { weightsOf } from '../../src/app/desired/effective.ts';
import { type GateFile, get, openGate, openTarget, type Target } from '../support/gate.ts';
import { obligation } from '../support/obligations.ts';

const BY = { actor: 'test' };

function file(blue: Target, green: Target): GateFile {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return { services: { shop: { upstreams, pins: { by: 'cookie', name: 'pin' } } }, workers: 2 };
}

describe('commands', () => {
  it(obligation('S10-commands'), async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        if (n % 5 === 4) {
          const to = n % 2 === 0 ? 'green' : 'blue';
          return { asked: { blue: 0, green: 0, [to]: 100 }, ...(await test.control.switchTo('shop', to, BY)) };
        }
        const asked = { blue: 100 - n, green: n };
        return { asked, ...(await test.control.setWeights('shop', asked, BY)) };
      }),
    );
    for (const { asked, service, version } of answers) {
      expect(weightsOf(service.upstreams)).toEqual(asked);
      expect(service.version).toBeLessThanOrEqual(version);
    }
    const last = answers.reduce((a, b) => (a.version > b.version ? a : b));
    expect(weightsOf(test.control.service('shop').upstreams)).toEqual(last.asked);
  });

  it(obligation('S10-commands', 'a stale version'), async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    const { version } = test.control.service('shop');
    await test.control.setWeights('shop', { green: 5 }, { ...BY, ifVersion: version });
    await expect(test.control.setWeights('shop', { green: 9 }, { ...BY, ifVersion: version })).rejects.toMatchObject({
      code: 'precondition_failed',
    });
    expect(test.control.service('shop').upstreams.green?.weight).toBe(5);
  });

  it(obligation('S10-commands', 'several name the same version'), async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    const { version } = test.control.service('shop');
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        test.control.setWeights('shop', { green: n + 1 }, { ...BY, ifVersion: version }),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('that ask for what is there change nothing and answer with the current version', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    const before = await test.control.setWeights('shop', { green: 5 }, BY);
    const events = test.control.events(0).length;
    const again = await test.control.setWeights('shop', { green: 5 }, BY);
    expect(again.version).toBe(before.version);
    expect(test.control.events(0)).toHaveLength(events);
  });

  it.each([
    ['an unknown service', 'not_found', ['blog', { blue: 1 }]],
    ['an unknown upstream', 'not_found', ['shop', { red: 1 }]],
    ['a name that objects inherit', 'not_found', ['shop', { constructor: 1 }]],
    ['no upstream at all', 'bad_request', ['shop', {}]],
    ['a negative weight', 'bad_request', ['shop', { blue: -1 }]],
    ['a fraction', 'bad_request', ['shop', { blue: 0.5 }]],
    ['weights that add up to 0', 'bad_request', ['shop', { blue: 0 }]],
  ] as const)('with %s are refused', async (_, code, [service, weights]) => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    await expect(test.control.setWeights(service, { ...weights }, BY)).rejects.toMatchObject({ code });
    expect(test.control.service('shop').version).toBe(1);
  });

  it('leave events with who did what', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    await test.control.setWeights('shop', { green: 5 }, { actor: 'ci' });
    expect(test.control.events(0).at(-1)).toMatchObject({
      type: 'weights.changed',
      service: 'shop',
      actor: 'ci',
      data: { before: { blue: 100, green: 0 }, after: { blue: 100, green: 5 } },
    });
  });
});

describe('draining an upstream', () => {
  it('that alone takes traffic is refused', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    await expect(test.control.drain('shop', 'blue', BY)).rejects.toThrow(/switch to another/);
  });

  it('sends everything to the others until it is taken back in with the weight it had', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    await test.control.setWeights('shop', { blue: 99, green: 1 }, BY);
    await test.control.drain('shop', 'blue', BY);
    expect((await Promise.all(Array.from({ length: 5 }, () => get(test.url)))).map(({ body }) => body)).toEqual(
      Array(5).fill('green'),
    );
    const { service } = await test.control.enable('shop', 'blue', BY);
    expect(service.upstreams.blue).toMatchObject({ weight: 99, admin: 'enabled', drain: null });
  });
});

describe('targets', () => {
  it('are replaced at run time, and the old ones stay visible until nothing is in flight on them', async () => {
    const arrived = Promise.withResolvers<() => void>();
    await using old = await openTarget((_, response) => arrived.resolve(() => response.end('old')));
    await using green = await openTarget('green');
    await using fresh = await openTarget('new');
    await using test = await openGate(file(old, green));
    const slow = get(test.url);
    const finish = await arrived.promise;
    const { service } = await test.control.setTargets('shop', 'blue', [fresh.url], BY);
    expect(service.upstreams.blue?.targets).toMatchObject([
      { url: old.url, admin: 'removed', inFlight: 1 },
      { url: fresh.url, admin: 'enabled' },
    ]);
    expect(service.overrides).toEqual(['targets.blue']);
    expect((await get(test.url)).body).toBe('new');
    finish();
    expect((await slow).body).toBe('old');
    await expect
      .poll(() => test.control.service('shop').upstreams.blue?.targets.map(({ url }) => url), { timeout: 5000 })
      .toEqual([fresh.url]);
  });

  it('cannot be the admin endpoint, nor be taken away from an upstream with traffic', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    await expect(test.control.setTargets('shop', 'green', [test.adminUrl], BY)).rejects.toMatchObject({
      code: 'bad_request',
    });
    await expect(test.control.setTargets('shop', 'green', ['file:///etc/passwd'], BY)).rejects.toMatchObject({
      code: 'bad_request',
    });
    await expect(test.control.setTargets('shop', 'blue', [], BY)).rejects.toMatchObject({ code: 'conflict' });
    expect((await test.control.setTargets('shop', 'green', [], BY)).service.upstreams.green?.targets).toEqual([]);
    await expect(test.control.setWeights('shop', { blue: 0, green: 1 }, BY)).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('no upstream that takes traffic'),
    });
    await test.control.setWeights('shop', { green: 1 }, BY);
    await expect(test.control.drain('shop', 'blue', BY)).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('pins', () => {
  it('outlive weight 0, and evict breaks them', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file(blue, green));
    await test.control.setWeights('shop', { blue: 1, green: 0 }, BY);
    const first = await fetch(test.url);
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect(await first.text()).toBe('blue');
    await test.control.setWeights('shop', { blue: 0, green: 1 }, BY);
    expect((await get(test.url)).body).toBe('green');
    expect((await get(test.url, { headers: { cookie } })).body).toBe('blue');
    await test.control.evict('shop', 'blue', BY);
    expect((await get(test.url, { headers: { cookie } })).body).toBe('green');
  });
});
