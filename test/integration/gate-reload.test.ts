import type { ServerResponse } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, vi } from 'vitest';
import { type GateFile, get, openGate, openTarget, type Target, type TestGate, until } from '../support/gate.ts';
import { head, value } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';

const BY = { actor: 'test' };
const GET = head('GET / HTTP/1.1', 'Host: gate.test');

function file(targets: { blue: Target; green?: Target }, more: object = {}): GateFile {
  const { blue, green } = targets;
  const upstreams = {
    blue: { weight: 100, targets: [blue.url] },
    ...(green === undefined ? {} : { green: { weight: 0, targets: [green.url] } }),
  };
  return { services: { shop: { upstreams } }, ...more };
}

async function reload(test: TestGate, next: GateFile) {
  await test.write(next);
  return test.control.reload({ actor: 'config' });
}

describe('a reload', () => {
  it('happens by itself when the file changes', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file({ blue }));
    await test.write(file({ blue: green }));
    await until(() => test.control.overview().config.changes.length > 0, 'the change to be seen');
    expect((await get(test.url)).body).toBe('green');
    expect(test.control.events(0).at(-1)?.actor).toBe('config');
  });

  it('keeps requests in flight on a target that it removes, which stays visible until they have ended', async () => {
    let held: ServerResponse | null = null;
    await using blue = await openTarget((_, response) => {
      held = response;
    });
    await using other = await openTarget('other');
    await using test = await openGate(file({ blue }));
    const slow = get(test.url);
    await until(() => held !== null, 'the request');
    const status = await reload(test, file({ blue: other }));
    expect(status).toMatchObject({ lastReloadSuccessful: true, errors: [] });
    expect(status.changes.length).toBeGreaterThan(0);
    expect((await get(test.url)).body).toBe('other');
    expect(test.control.service('shop').upstreams.blue?.targets).toMatchObject([
      { url: blue.url, admin: 'removed', inFlight: 1 },
      { url: other.url, admin: 'enabled' },
    ]);
    (held as ServerResponse | null)?.end('blue');
    expect((await slow).body).toBe('blue');
    const urls = () => test.control.service('shop').upstreams.blue?.targets.map(({ url }) => url);
    await until(() => urls()?.length === 1, 'the removed target to go');
    expect(urls()).toEqual([other.url]);
  });

  it('of a file with mistakes changes nothing, says what is wrong, and is made good by the next', async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate(file({ blue }));
    const { version } = test.control.service('shop');
    const status = await reload(test, { services: { shop: { upstreams: { blue: { wieght: 1, targets: [] } } } } });
    expect(status.lastReloadSuccessful).toBe(false);
    expect(status.errors.join('\n')).toMatch(/tealgate\.yaml:\d+:\d+ .*wieght/);
    expect(test.control.overview().config).toBe(status);
    expect(test.log.filter(({ event }) => event === 'config.problem')).not.toEqual([]);
    expect(test.control.service('shop').version).toBe(version);
    expect((await get(test.url)).body).toBe('blue');
    expect(await reload(test, file({ blue }))).toMatchObject({ lastReloadSuccessful: true, errors: [], changes: [] });
  });

  it('keeps what an operator changed unless the file changes the same thing', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file({ blue, green }));
    await test.control.switchTo('shop', 'green', BY);
    await reload(test, file({ blue, green }, { shutdown: { drainTimeout: '6s' } }));
    expect((await get(test.url)).body).toBe('green');
    const changed = file({ blue, green });
    const upstreams = { blue: { weight: 1, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    await reload(test, { ...changed, services: { shop: { upstreams } } });
    expect((await get(test.url)).body).toBe('blue');
    expect(test.control.events(0)).toContainEqual(
      expect.objectContaining({
        type: 'override.dropped',
        service: 'shop',
        data: expect.objectContaining({ field: 'weights' }),
      }),
    );
  });

  it('adds and removes services and listeners, and leaves the others alone', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file({ blue }));
    const upstreams = { only: { weight: 1, targets: [green.url] } };
    const services = { ...file({ blue }).services, blog: { hosts: ['blog.test'], upstreams } };
    await reload(test, { services, listeners: [{ address: '127.0.0.1:0' }, { address: '127.0.0.2:0' }] });
    const [first, second] = test.gate.addresses;
    expect(`http://127.0.0.1:${first?.port}`).toBe(test.url);
    const other = `http://127.0.0.2:${second?.port}`;
    expect((await get(other, { headers: { host: 'blog.test' } })).body).toBe('green');
    expect(test.control.service('shop').version).toBe(1);
    await reload(test, file({ blue }));
    expect(() => test.control.service('blog')).toThrow(/no service/);
    await expect(get(other)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect((await get(test.url)).body).toBe('blue');
  });

  it('gives a listener that stays other timeouts, limits and trusted proxies, for connections from then on', async () => {
    await using blue = await openTarget((request, response) => response.end(request.headers['x-forwarded-for']));
    await using test = await openGate(file({ blue }));
    const port = Number(new URL(test.url).port);
    const early = await RawClient.connect(port);
    expect(await ask(early)).toMatch(/^200 /); // accepted before the reload
    const next = {
      address: '127.0.0.1:0',
      trustedProxies: ['127.0.0.1'],
      timeouts: { keepAlive: '200ms' },
      limits: { fields: 4, body: '10B' },
    };
    const { changes } = await reload(test, file({ blue }, { listeners: [next] }));
    expect(changes).toHaveLength(4);
    expect(changes.join()).not.toContain('restart');
    const forwarded = 'X-Forwarded-For: 192.0.2.7';
    const late = await RawClient.connect(port);
    expect(await ask(early, forwarded)).toBe('200 127.0.0.1');
    expect(await ask(late, forwarded)).toBe('200 192.0.2.7, 127.0.0.1');
    await late.readUntilClosed();
    expect(early.closed).toBe(false);
    const many = ['A: 1', 'B: 2', 'C: 3', 'D: 4'];
    expect(await ask(await RawClient.connect(port), ...many)).toMatch(/^431 /);
    expect(await ask(await RawClient.connect(port), 'Content-Length: 11')).toMatch(/^413 /);
    expect(await ask(early, ...many)).toMatch(/^200 /);
    early.destroy();
  });

  it('lets the clients of a listener that goes leave one after another, and answers those who still ask', async () => {
    // A busy machine may be late to look and see them leave together; a gate that lets them go together never shows else.
    let apartMs = 0;
    for (let i = 0; i < 5 && apartMs < 50; i++) apartMs = await leaving();
    expect(apartMs).toBeGreaterThanOrEqual(50);
  });

  /** Takes a listener away from 40 clients that idle; how long after the first of them the last one left, in ms. */
  async function leaving(): Promise<number> {
    await using blue = await openTarget('blue');
    const both = [{ address: '127.0.0.1:0' }, { address: '127.0.0.2:0' }];
    const shutdown = { closeSpread: '3s' };
    await using test = await openGate(file({ blue }, { listeners: both, shutdown }));
    const port = test.gate.addresses[1]?.port ?? 0;
    const connect = () => RawClient.connect(port, '127.0.0.2');
    const idle = await Promise.all(Array.from({ length: 40 }, connect));
    for (const client of idle) expect(await ask(client)).toBe('200 blue');
    const using = await connect();
    const left = idle.map((client) => client.readUntilClosed().then(() => performance.now()));
    await reload(test, file({ blue }, { shutdown }));
    // The reload has been carried out, and nobody was cut off by it.
    expect(idle.filter(({ closed }) => closed)).toEqual([]);
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await ask(using)).toBe('200 blue');
    await using.readUntilClosed();
    const times = await Promise.all(left);
    for (const client of idle) expect(client.rest).toHaveLength(0);
    expect((await get(test.url)).body).toBe('blue');
    return Math.max(...times) - Math.min(...times);
  }

  it('is refused as a whole when a new listener cannot be bound', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file({ blue }));
    const taken = { address: `127.0.0.1:${green.port}` };
    const status = await reload(test, file({ blue: green }, { listeners: [{ address: '127.0.0.1:0' }, taken] }));
    expect(status.lastReloadSuccessful).toBe(false);
    expect(status.errors.join()).toContain(`127.0.0.1:${green.port} is in use`);
    expect((await get(test.url)).body).toBe('blue');
  });

  it('leaves the clients of a listener alone when the address that would replace it cannot be listened on', async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate(file({ blue }));
    const addresses = test.gate.addresses;
    const client = await RawClient.connect(Number(new URL(test.url).port));
    try {
      client.write(GET);
      await client.readFinal();
      // RFC 5737: never an address of this machine.
      const status = await reload(test, file({ blue }, { listeners: [{ address: '192.0.2.1:0' }] }));
      expect(status.errors.join()).toContain('is not an address of this machine');
      client.write(GET);
      expect(value(await client.readFinal(), 'connection')).toBeUndefined();
    } finally {
      client.destroy();
    }
    expect(test.gate.addresses).toEqual(addresses);
  });

  it('says so when an address overlaps with one that the gate itself listens on', async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate(file({ blue }));
    const { port } = new URL(test.url);
    const status = await reload(test, file({ blue }, { listeners: [{ address: `0.0.0.0:${port}` }] }));
    expect(status.errors).toEqual([expect.stringContaining(`this gate listens on 127.0.0.1:${port}`)]);
    expect((await get(test.url)).body).toBe('blue');
  });

  it('is refused when a target would be where the admin endpoint listens until a restart', async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate(file({ blue }));
    const { port } = new URL(test.adminUrl);
    const upstreams = { blue: { weight: 1, targets: [test.adminUrl] } };
    const moved = { services: { shop: { upstreams } }, admin: { address: '127.0.0.1:9' } };
    const status = await reload(test, moved);
    expect(status.errors).toEqual([
      `services.shop.upstreams.blue.targets: http://127.0.0.1:${port} is the admin address until a restart; requests are never sent there`,
    ]);
    expect((await get(test.url)).body).toBe('blue');
  });

  it('opens no listener once the gate is stopping', async () => {
    const held = Promise.withResolvers<ServerResponse>();
    await using blue = await openTarget((_, response) => held.resolve(response));
    await using test = await openGate(file({ blue }));
    const slow = get(test.url);
    const response = await held.promise;
    const stopping = test.gate.stop();
    const added = [{ address: '127.0.0.1:0' }, { address: '127.0.0.1:0' }];
    const status = await reload(test, file({ blue }, { listeners: added }));
    expect(status.errors).toEqual([expect.stringContaining('the gate is stopping')]);
    response.end('blue');
    expect((await slow).body).toBe('blue');
    expect(await stopping).toBe('drained');
  });

  it('that cannot be written down is one that failed, and is made good by the next', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file({ blue }));
    await test.write(file({ blue: green }));
    const full = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(() => {
      throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
    });
    try {
      await expect(test.control.reload(BY)).rejects.toMatchObject({ code: 'unavailable' });
    } finally {
      full.mockRestore();
    }
    const { config } = test.control.overview();
    expect(config).toMatchObject({ lastReloadSuccessful: false, errors: [expect.stringContaining('disk is full')] });
    expect((await get(test.url)).body).toBe('blue');
    expect(await test.control.reload(BY)).toMatchObject({ lastReloadSuccessful: true, errors: [] });
    expect((await get(test.url)).body).toBe('green');
  });

  it('is refused when a rollout that is under way would lose a side', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate(file({ blue, green }));
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 5, hold: '1h' }] }, BY);
    const status = await reload(test, file({ blue }));
    expect(status.errors).toEqual([expect.stringMatching(/shop\.upstreams\.green is missing.*abort it first/)]);
    await test.control.operateRollout('shop', 'abort', BY);
    expect(await reload(test, file({ blue }))).toMatchObject({ lastReloadSuccessful: true });
  });

  it('leaves weights and stable side to a rollout that is under way', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const weighted = (b: number, g: number, stable: string): GateFile => {
      const upstreams = { blue: { weight: b, targets: [blue.url] }, green: { weight: g, targets: [green.url] } };
      return { services: { shop: { upstreams, stable } } };
    };
    await using test = await openGate(weighted(80, 20, 'blue'));
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 20, hold: '1h' }] }, BY);
    const shop = () => test.control.service('shop');
    await until(() => shop().rollout?.position.phase === 'progressing', 'the first stage');
    await reload(test, weighted(0, 100, 'green'));
    expect(shop()).toMatchObject({ stable: 'blue', upstreams: { blue: { weight: 80 }, green: { weight: 20 } } });
    await test.control.operateRollout('shop', 'abort', BY);
    expect(shop()).toMatchObject({ stable: 'blue', upstreams: { blue: { weight: 100 }, green: { weight: 0 } } });
    expect(shop().overrides).toEqual(['weights', 'stable']);
  });

  it('says what takes effect after a restart only', async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate(file({ blue }));
    const listeners = [
      { address: '127.0.0.1:0', proxyProtocol: 'required', trustedProxies: ['127.0.0.1'], http2: true },
    ];
    const next = file({ blue }, { workers: 2, listeners });
    const { changes } = await reload(test, next);
    const [trusted, ...others] = changes;
    expect(trusted).toBe('listener 127.0.0.1:0: trusted proxy 127.0.0.1 added');
    expect(others).toHaveLength(3);
    for (const change of others) expect(change).toMatch(/\(needs a restart\)$/);
    expect((await reload(test, next)).changes).toEqual(others);
    expect(test.control.overview().workers).toHaveLength(1);
  });

  it('keeps the health of targets that stay', async () => {
    await using blue = await openTarget('blue');
    const health = { path: '/', interval: '50ms', rise: 1 };
    const withHealth = (more: object = {}): GateFile => ({
      services: { shop: { upstreams: { blue: { weight: 1, targets: [blue.url] } }, health, ...more } },
    });
    await using test = await openGate(withHealth());
    const target = () => test.control.service('shop').upstreams.blue?.targets[0];
    await until(() => target()?.health === 'healthy', 'the first check');
    await reload(test, withHealth({ expose: true }));
    expect(target()?.health).toBe('healthy');
  });
});

/** Status and body of the answer to a GET with these field lines. */
async function ask(client: RawClient, ...fields: string[]): Promise<string> {
  client.write(head('GET / HTTP/1.1', 'Host: gate.test', ...fields));
  const { status, body } = await client.readFinal();
  return `${status} ${body.bytes}`;
}
