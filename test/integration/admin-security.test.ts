import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/admin/routes.ts';
import { type CallAnswer, openAdmin, type TestAdmin } from '../support/admin.ts';
import { FAKE_LINK } from '../support/fake-control-plane.ts';
import { obligation } from '../support/obligations.ts';

const OPERATOR = 'op-3f9c1e7a55';
const VIEWER = 'view-77ab01cd22';
const TOKENS = [
  { name: 'ci', token: OPERATOR, role: 'operator' },
  { name: 'wall', token: VIEWER, role: 'viewer' },
] as const;
const WEIGHTS = '/v1/services/shop/weights';

let admin: TestAdmin;
const open: typeof openAdmin = async (config, options) => {
  admin = await openAdmin(config, options);
  return admin;
};
afterEach(() => admin.close());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const nothingChanged = () => expect(admin.gate.events(0)).toEqual([]);
function expectRefusal(answer: CallAnswer, status: number): void {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.json).toMatchObject({ status, code: expect.any(String), detail: expect.any(String) });
}

describe('tokens', () => {
  it.each([
    undefined,
    '',
    'Bearer',
    `Bearer ${OPERATOR.slice(0, -1)}`,
    `Bearer ${OPERATOR}0`,
    `Bearer ${OPERATOR.toUpperCase()}`,
    `Basic ${Buffer.from(`ci:${OPERATOR}`).toString('base64')}`,
    OPERATOR,
    `Bearer ${OPERATOR}, Bearer ${VIEWER}`,
  ])(obligation('Z03-tokens', 'authorization %j'), async (authorization) => {
    await open({ tokens: TOKENS });
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    for (const [method, path] of [
      ['GET', '/v1/services'],
      ['GET', '/metrics'],
      ['GET', '/openapi.json'],
      ['GET', '/v1/events'],
      ['GET', '/nothing-here'],
      ['PUT', WEIGHTS],
    ] as const) {
      const answer = await admin.call(method, path, { headers, body: { green: 5 } });
      expectRefusal(answer, 401);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="tealgate"');
    }
    nothingChanged();
  });

  it('of an operator may do all, of a viewer only look, and the audit trail has the name', async () => {
    await open({ tokens: TOKENS });
    expect(await admin.call('GET', '/v1/services', { headers: bearer(VIEWER) })).toMatchObject({ status: 200 });
    const refused = await admin.call('PUT', WEIGHTS, { headers: bearer(VIEWER), body: { green: 5 } });
    expectRefusal(refused, 403);
    nothingChanged();
    expect(await admin.call('PUT', WEIGHTS, { headers: bearer(OPERATOR), body: { green: 5 } })).toMatchObject({
      status: 200,
    });
    expect(admin.gate.events(0)).toMatchObject([{ type: 'weights.changed', actor: 'ci' }]);
  });

  it(obligation('Z03-tokens', 'of a viewer, where something changes'), async () => {
    await open({ tokens: TOKENS });
    const changing = ROUTES.filter(({ method, access }) => method !== 'GET' && access === 'operator');
    for (const { method, path } of changing) {
      const url = path.replace('{service}', 'shop').replace('{upstream}', 'green');
      expectRefusal(await admin.call(method, url, { headers: bearer(VIEWER), body: {} }), 403);
    }
    nothingChanged();
  });

  it.each(['token', 'access_token'])(obligation('Z03-tokens', 'in the query as %s'), async (name) => {
    await open({ tokens: TOKENS });
    for (const path of ['/v1/services', '/livez', '/', '/nope']) {
      const answer = await admin.call('GET', `${path}?a=1&${name}=${OPERATOR}`, { headers: bearer(OPERATOR) });
      expectRefusal(answer, 400);
    }
    expect(JSON.stringify(admin.logged)).not.toContain(OPERATOR);
  });

  it('are not needed by probes', async () => {
    await open({ tokens: TOKENS });
    expect(await admin.call('GET', '/livez', { headers: { host: '10.1.2.3:8080' } })).toMatchObject({ status: 200 });
    expect(await admin.call('GET', '/readyz', { headers: { host: 'pod.local' } })).toMatchObject({ status: 200 });
  });

  it('are asked for by the dashboard, which shows nothing without one', async () => {
    await open({ tokens: TOKENS });
    const locked = await admin.call('GET', '/');
    expect(locked.status).toBe(200);
    expect(locked.text).toContain('data-locked');
    expect(locked.text).not.toContain('shop');
    expect((await admin.call('GET', '/', { headers: bearer(VIEWER) })).text).toContain('shop');
    expectRefusal(await admin.call('GET', '/', { headers: bearer('wrong') }), 401);
  });
});

describe('without tokens', () => {
  const other = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

  it.each(['0.0.0.0', '::', '192.0.2.1'])(obligation('Z01-loopback', '%s without tokens'), async (host) => {
    await open();
    const address = { kind: 'tcp', host, port: 0 } as const;
    await expect(openAdmin({ address })).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('callers on this machine are operators', async () => {
    await open();
    expect(await admin.call('PUT', WEIGHTS, { body: { green: 5 } })).toMatchObject({ status: 200 });
    expect(admin.gate.events(0)).toMatchObject([{ actor: 'loopback' }]);
  });

  it.skipIf(other === undefined)('with tokens the address of the connection is a good Host', async () => {
    await open({ tokens: TOKENS, address: { kind: 'tcp', host: '0.0.0.0', port: 0 } });
    const answer = await fetch(`http://${other}:${admin.port}/v1/services`, { headers: bearer(VIEWER) });
    expect(answer.status).toBe(200);
    const headers = { ...bearer(VIEWER), host: '192.0.2.7:9901' };
    expectRefusal(await admin.call('GET', '/v1/services', { headers }), 403);
  });
});

describe('the Host', () => {
  it('may be a loopback name with the port, or a configured name with any port', async () => {
    await open({ hosts: ['admin.example.com'] });
    const { port } = admin;
    for (const host of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `LOCALHOST:${port}`,
      `[::1]:${port}`,
      'admin.example.com',
      'Admin.Example.com:8443',
    ]) {
      expect(await admin.call('GET', '/v1/services', { headers: { host } }), host).toMatchObject({ status: 200 });
    }
  });

  it(obligation('Z04-origin', 'an unknown Host'), async () => {
    await open({ hosts: ['admin.example.com'] });
    const hosts = [
      'evil.example',
      `evil.example:${admin.port}`,
      'localhost',
      '127.0.0.1',
      'localhost:1',
      `127.0.0.2:${admin.port}`,
      `localhost:${admin.port}.evil.example`,
      `localhost.evil.example:${admin.port}`,
      'x.admin.example.com',
    ];
    for (const host of hosts) {
      for (const path of ['/v1/services', '/', '/metrics', '/nope']) {
        expectRefusal(await admin.call('GET', path, { headers: { host } }), 403);
      }
      expectRefusal(await admin.call('PUT', WEIGHTS, { headers: { host }, body: { green: 5 } }), 403);
    }
    nothingChanged();
  });

  it('must be there once', async () => {
    await open();
    const host = `localhost:${admin.port}`;
    expect(await admin.sendRaw('GET /v1/services HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    const twice = `GET /v1/services HTTP/1.1\r\nHost: ${host}\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    expect(await admin.sendRaw(twice)).toMatch(/^HTTP\/1.1 400 /);
    const empty = 'GET /v1/services HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n';
    expect(await admin.sendRaw(empty)).toMatch(/^HTTP\/1.1 403 /);
  });

  it(obligation('Z02-apart', 'absolute-form at the admin endpoint'), async () => {
    await open();
    const bytes = `GET http://shop.example.com/v1/services HTTP/1.1\r\nHost: localhost:${admin.port}\r\nConnection: close\r\n\r\n`;
    expect(await admin.sendRaw(bytes)).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe('a page of another site', () => {
  it.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:1' },
    { origin: 'chrome-extension://abc' },
    { origin: '' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])(obligation('Z04-origin', '%j'), async (foreign) => {
    await open({ tokens: TOKENS });
    for (const headers of [foreign, { ...foreign, ...bearer(OPERATOR) }]) {
      for (const [method, path] of [
        ['PUT', WEIGHTS],
        ['GET', '/v1/services'],
        ['GET', '/v1/events'],
      ] as const) {
        const answer = await admin.call(method, path, { headers, body: { green: 5 } });
        expectRefusal(answer, 403);
        expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
      }
    }
    nothingChanged();
  });

  it('of this site is served', async () => {
    await open({ hosts: ['admin.example.com'] });
    for (const headers of [
      { origin: `http://127.0.0.1:${admin.port}`, 'sec-fetch-site': 'same-origin' },
      { origin: 'https://admin.example.com', host: 'admin.example.com' },
      { 'sec-fetch-site': 'none' },
    ]) {
      expect(await admin.call('PUT', WEIGHTS, { headers, body: { green: 5 } })).toMatchObject({ status: 200 });
    }
  });

  it(obligation('Z04-origin', 'a preflight'), async () => {
    await open({ tokens: TOKENS });
    const preflight = { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization' };
    for (const headers of [
      preflight,
      { ...preflight, origin: 'https://evil.example' },
      { ...preflight, ...bearer(OPERATOR) },
    ]) {
      const answer = await admin.call('OPTIONS', WEIGHTS, { headers });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });
});

describe('bodies', () => {
  const put = (body: string | Buffer, headers: Record<string, string> = {}) => {
    return admin.call('PUT', WEIGHTS, { body, headers });
  };

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/json', ''])(
    obligation('Z05-bodies', 'of type %j'),
    async (type) => {
      await open();
      expectRefusal(await put('{"green": 5}', { 'content-type': type }), 415);
      nothingChanged();
    },
  );

  it('that are compressed are a 415', async () => {
    await open();
    expectRefusal(await put('{"green": 5}', { 'content-encoding': 'gzip' }), 415);
  });

  it.each([
    ['broken JSON', '{"green": 5'],
    ['an array', '[5]'],
    ['null', 'null'],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x35, 0x7d])],
    ['deep nesting', '['.repeat(30_000)],
    ['a key __proto__', '{"__proto__": {"green": 5}}'],
    ['5,000 integer-like keys', JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [i, 1])))],
  ])(obligation('Z05-bodies', '%s'), async (_, body) => {
    await open();
    expectRefusal(await put(body), 400);
    nothingChanged();
  });

  it.each([
    ['100,000 levels of nesting', '['.repeat(100_000)],
    ['20,000 integer-like keys', JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [i, 1])))],
    ['2 MB', JSON.stringify({ green: 'x'.repeat(2 << 20) })],
  ])(obligation('Z05-bodies', '%s'), async (_, body) => {
    await open();
    const head = `PUT ${WEIGHTS} HTTP/1.1\r\nHost: localhost:${admin.port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const answer = await admin.sendRaw(head);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('"payload_too_large"');
    expect(await admin.call('GET', '/v1/services')).toMatchObject({ status: 200 });
  });

  it(obligation('Z05-bodies', 'grown beyond the limit while they come'), async () => {
    await open();
    const head = `PUT ${WEIGHTS} HTTP/1.1\r\nHost: localhost:${admin.port}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(
      await admin.sendRaw(`${head}${'8000\r\n'}${' '.repeat(0x8000)}\r\n8001\r\n${' '.repeat(0x8001)}\r\n`),
    ).toMatch(/^HTTP\/1.1 413 /);
  });

  it('are not read from strangers', async () => {
    await open({ tokens: TOKENS });
    expectRefusal(await admin.call('PUT', WEIGHTS, { body: '{', headers: { 'content-type': 'text/plain' } }), 401);
    expectRefusal(await admin.call('POST', '/nope', { body: '{' }), 401);
  });
});

describe('requests', () => {
  it(obligation('Z06-requests', 'not HTTP, or a repeated Content-Length'), async () => {
    await open();
    for (const bytes of [
      'GARBAGE\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    ]) {
      const answer = await admin.sendRaw(bytes);
      expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))).toMatchObject({
        status: 400,
        code: 'bad_request',
      });
    }
  });

  it('with too many or too large fields are a 431', async () => {
    await open();
    const answer = await admin.sendRaw(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
  });

  it('with a path that cannot be decoded are a 400', async () => {
    await open();
    expectRefusal(await admin.call('GET', '/v1/services/%ff%'), 400);
  });

  it(obligation('Z06-requests', 'that read'), async () => {
    await open();
    await admin.gate.startRollout('shop', 'green', {}, { actor: 'test' });
    const { id } = admin.gate.service('shop').rollout ?? { id: '' };
    const before = [admin.gate.events(0), admin.gate.overview()];
    for (const { path } of ROUTES.filter(({ method, path }) => method === 'GET' && path !== '/v1/events')) {
      const url = path
        .replace('{service}', 'shop')
        .replace('{rollout}', id)
        .replace('{action}', `promote?signature=${FAKE_LINK}`);
      // What names something that is not there is no read less.
      expect((await admin.call('GET', url)).status, path).toBeOneOf([200, 404]);
    }
    expect([admin.gate.events(0), admin.gate.overview()]).toEqual(before);
  });

  it(obligation('Z06-requests', 'half-sent'), async () => {
    await open({}, { requestTimeoutMs: 100 });
    const bytes = [
      'GET /v1/services HTTP/1.1\r\nHost: lo',
      `PUT ${WEIGHTS} HTTP/1.1\r\nHost: localhost:${admin.port}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"gr`,
    ];
    for (const answer of await Promise.all(bytes.map((text) => admin.sendRaw(text)))) {
      expect(answer).toMatch(/^(HTTP\/1.1 408 |$)/);
    }
    nothingChanged();
  });
});

describe('the log', () => {
  it(obligation('Z08-secrets', 'refused calls'), async () => {
    await open({ tokens: TOKENS });
    await admin.call('PUT', `${WEIGHTS}?token=${OPERATOR}`, { headers: bearer(OPERATOR), body: { green: 5 } });
    await admin.call('PUT', WEIGHTS, { headers: bearer(`${OPERATOR}x`), body: { green: 5 } });
    await admin.call('PUT', WEIGHTS, {
      headers: { ...bearer(OPERATOR), cookie: 'session=abc123' },
      body: { green: 5 },
    });
    await admin.call('GET', '/v1/services/%0a%1b[2J', { headers: bearer(VIEWER) });
    const text = JSON.stringify(admin.logged);
    expect(text).not.toMatch(/op-3f9c|view-77|abc123|\?/);
    expect(admin.logged).toContainEqual(
      expect.objectContaining({ event: 'admin.refused', level: 'warn', status: 401, method: 'PUT', path: WEIGHTS }),
    );
  });
});

describe('the dashboard', () => {
  it('runs its own script only, and nobody may frame or cache it', async () => {
    await open();
    const { headers, text } = await admin.call('GET', '/');
    const [, nonce] = /script-src 'nonce-([^']+)'/.exec(String(headers['content-security-policy'])) ?? [];
    expect(text).toContain(`<script nonce="${nonce}">`);
    expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    const again = await admin.call('GET', '/');
    expect(again.headers['content-security-policy']).not.toBe(headers['content-security-policy']);
  });
});
