import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/admin/routes.ts';
import { problemSchema } from '../../src/admin/schemas/common.ts';
import { type CallAnswer, openAdmin, type TestAdmin, until } from '../support/admin.ts';
import { FAKE_LINK } from '../support/fake-control-plane.ts';
import { obligation } from '../support/obligations.ts';

let admin: TestAdmin;

beforeEach(async () => {
  admin = await openAdmin();
});
afterEach(() => admin.close());

const SHOP = '/v1/services/shop';
const events = () => admin.gate.events(0).map(({ type, actor }) => `${type} by ${actor}`);

function expectProblem(answer: CallAnswer, status: number, code: string): void {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(problemSchema.parse(answer.json)).toMatchObject({ status, code, type: `urn:tealgate:error:${code}` });
}

describe('the process', () => {
  it('is alive, and ready while the gate is', async () => {
    expect(await admin.call('GET', '/livez')).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await admin.call('GET', '/readyz')).toMatchObject({ status: 200, json: { status: 'ok' } });
    admin.gate.isReady = false;
    expect(await admin.call('GET', '/livez')).toMatchObject({ status: 200 });
    expect(await admin.call('GET', '/readyz')).toMatchObject({ status: 503, json: { status: 'unavailable' } });
  });

  it('serves metrics in the Prometheus text format', async () => {
    const { status, headers, text } = await admin.call('GET', '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('tealgate_upstream_weight{service="shop",upstream="blue"} 100');
  });

  it('answers HEAD as GET, without the body', async () => {
    for (const path of ['/livez', '/metrics', '/v1/services', SHOP, '/openapi.json', '/v1/events', '/']) {
      const head = await admin.call('HEAD', path);
      expect(head, path).toMatchObject({ status: 200, text: '' });
      if (path === '/livez') expect(head.headers['content-length']).toBe('15');
    }
    expect(admin.gate.watching).toBe(1);
  });
});

describe('services', () => {
  it('are listed by name, with the snapshot version as ETag', async () => {
    const { json, headers } = await admin.call('GET', '/v1/services');
    expect(Object.keys(json.services)).toEqual(['shop']);
    expect(headers.etag).toBe(`"${json.version}"`);
    const one = await admin.call('GET', SHOP);
    expect(one.json).toEqual(json.services.shop);
    expect(one.headers.etag).toBe(`"${one.json.version}"`);
  });

  it('that do not exist are a 404 with the name', async () => {
    const answer = await admin.call('GET', '/v1/services/nope');
    expectProblem(answer, 404, 'not_found');
    expect(answer.json).toMatchObject({ detail: expect.stringContaining('nope'), instance: '/v1/services/nope' });
  });

  it('that do not exist are a 404 whatever the length of their names', async () => {
    const answer = await admin.call('GET', `/v1/services/${'x'.repeat(4000)}`);
    expectProblem(answer, 404, 'not_found');
    expect(admin.logged).toEqual([]);
  });

  it('may have names that need encoding', async () => {
    admin.gate.addService('a/b c', { blue: ['http://127.0.0.1:1'] });
    expect((await admin.call('GET', '/v1/services/a%2Fb%20c')).json.name).toBe('a/b c');
  });
});

describe('weights', () => {
  it('are set at once, and answered with the version that is served', async () => {
    const answer = await admin.call('PUT', `${SHOP}/weights`, { body: { blue: 95, green: 5 } });
    expect(answer).toMatchObject({
      status: 200,
      json: {
        version: 2,
        weights: { blue: 95, green: 5 },
        service: { version: 2, upstreams: { green: { weight: 5 } } },
      },
    });
    expect(answer.headers.etag).toBe('"2"');
    expect(events()).toEqual(['weights.changed by loopback']);
  });

  it('left out are kept', async () => {
    await admin.call('PUT', `${SHOP}/weights`, { body: { green: 5 } });
    expect((await admin.call('GET', SHOP)).json.upstreams).toMatchObject({
      blue: { weight: 100 },
      green: { weight: 5 },
    });
  });

  it.each([
    [{ blue: -1 }, /blue: must be a whole number/],
    [{ blue: 1.5 }, /blue: must be a whole number/],
    [{ blue: '95' }, /blue: must be a whole number/],
    [{ blue: 1_000_001 }, /blue: must be a whole number/],
    [{ blue: null }, /blue: must be a whole number/],
    [{}, /at least one upstream/],
    [{ blue: 0, green: 0 }, /all weights of shop would be 0/],
    [{ blue: 0 }, /all weights of shop would be 0/],
    [{ blue: 50, purple: 50 }, /no upstream "purple"; it has blue, green/],
    [[95, 5], /give a map of names/],
    [null, /give a map of names/],
    ['"95"', /give a map of names/],
  ])('%j are refused, and nothing changes', async (body, detail) => {
    const answer = await admin.call('PUT', `${SHOP}/weights`, { body: body === null ? 'null' : body });
    expectProblem(answer, 400, 'bad_request');
    expect(answer.json.detail).toMatch(detail);
    expect(events()).toEqual([]);
  });

  it('name every problem', async () => {
    const { json } = await admin.call('PUT', `${SHOP}/weights`, { body: { blue: -1, green: 'x' } });
    expect(json.problems).toHaveLength(2);
  });

  it.each([
    ['PUT', `${SHOP}/weights`, undefined, 'is missing; give a map of names'],
    ['POST', `${SHOP}/switch`, {}, 'to: is missing; give text'],
    ['POST', `${SHOP}/switch`, { to: 'green', forse: true }, 'forse: is not a known key; did you mean force?'],
    ['POST', `${SHOP}/switch?wait=drain`, { to: 'green' }, 'wait: "drain" is not one of drained'],
    ['POST', `${SHOP}/undo`, { wait: true }, 'wait: is not a known key; none is known here'],
    ['PUT', `${SHOP}/upstreams/green/targets`, 5, 'give a list of URLs, such as ["http://127.0.0.1:4001"]'],
    ['PUT', `${SHOP}/upstreams/green/targets`, { targets: [null] }, 'targets[0]: is empty; give text'],
  ])('and all other mistakes say what would be right: %s %s %j', async (method, path, body, detail) => {
    const answer = await admin.call(method, path, body === undefined ? {} : { body: JSON.stringify(body) });
    expectProblem(answer, 400, 'bad_request');
    expect(answer.json.detail).toContain(detail);
  });

  it('need a body', async () => {
    expectProblem(await admin.call('PUT', `${SHOP}/weights`), 400, 'bad_request');
  });

  it('are refused while a rollout runs', async () => {
    await admin.call('POST', `${SHOP}/rollouts`, { body: { to: 'green' } });
    expectProblem(await admin.call('PUT', `${SHOP}/weights`, { body: { blue: 1 } }), 409, 'conflict');
  });
});

describe('If-Match', () => {
  const put = (etag: string) => {
    return admin.call('PUT', `${SHOP}/weights`, { body: { green: 5 }, headers: { 'if-match': etag } });
  };

  it.each(['"1"', '*', '1', '"7", "1"'])('%s lets a change of version 1 through', async (etag) => {
    expect(await put(etag)).toMatchObject({ status: 200 });
  });

  it.each(['"2"', '"0"', '"x"', 'W/"1"', '""'])(obligation('S10-commands', 'If-Match %s: 412'), async (etag) => {
    expectProblem(await put(etag), 412, 'precondition_failed');
    expect(events()).toEqual([]);
  });

  it('guards each command to a service', async () => {
    const headers = { 'if-match': '"99"' };
    // A report says what happened; it decides nothing that another version could contradict.
    const commands = ROUTES.filter(({ method, path, access, operationId }) => {
      const isCommand = method !== 'GET' && path.includes('{service}') && access === 'operator';
      return isCommand && operationId !== 'reportBusiness';
    });
    await admin.call('POST', `${SHOP}/rollouts`, { body: { to: 'green' } });
    const before = events();
    const bodies: Record<string, unknown> = {
      setWeights: { green: 5 },
      switch: { to: 'green' },
      setTargets: ['http://127.0.0.1:1'],
      startRollout: { to: 'green' },
      startGroupRollout: { to: { shop: 'green' } },
    };
    for (const { method, path, operationId } of commands) {
      const url = pathOf(path);
      const answer = await admin.call(method, url, { headers, body: bodies[operationId] ?? {} });
      expectProblem(answer, 412, 'precondition_failed');
    }
    expect(events()).toEqual(before);
  });
});

describe('a switch', () => {
  it('sends all new traffic to one upstream; the others drain', async () => {
    const { json } = await admin.call('POST', `${SHOP}/switch`, { body: { to: 'green' } });
    expect(json).toMatchObject({ weights: { blue: 0, green: 100 }, stable: 'green' });
    expect(json.service.upstreams.blue.drain).not.toBeNull();
  });

  it('with ?wait=drained answers when nothing is left on the others', async () => {
    admin.gate.hold('shop', 'blue', 2);
    const waiting = admin.call('POST', `${SHOP}/switch?wait=drained`, { body: { to: 'green' } });
    await until(() => admin.gate.waiting === 1);
    admin.gate.hold('shop', 'blue', -1);
    expect(admin.gate.waiting).toBe(1);
    admin.gate.hold('shop', 'blue', -1);
    expect((await waiting).json).toMatchObject({
      drained: true,
      service: { upstreams: { blue: { inFlight: 0, drain: { drained: true } } } },
    });
  });

  it('gives up waiting when the caller leaves, without a word in the log', async () => {
    admin.gate.hold('shop', 'blue', 1);
    const bytes = JSON.stringify({ to: 'green' });
    const head = `POST ${SHOP}/switch?wait=drained HTTP/1.1\r\nHost: localhost:${admin.port}\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}\r\n\r\n`;
    const socket = connect(admin.port, '127.0.0.1', () => socket.write(head + bytes));
    await until(() => admin.gate.waiting === 1);
    socket.destroy();
    await until(() => admin.gate.waiting === 0);
    await until(() => admin.logged.length > 0);
    expect(admin.logged[0]).toMatchObject({ event: 'admin.call', path: `${SHOP}/switch`, status: 499 });
    expect(admin.logged.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('to an unhealthy upstream is refused, unless forced', async () => {
    admin.gate.setHealth('shop', 'green', 'unhealthy');
    expectProblem(await admin.call('POST', `${SHOP}/switch`, { body: { to: 'green' } }), 409, 'conflict');
    expect(await admin.call('POST', `${SHOP}/switch`, { body: { to: 'green', force: true } })).toMatchObject({
      status: 200,
    });
  });

  it.each([
    [{ to: 'purple' }, '', 404],
    [{ to: '' }, '', 400],
    [{ to: 5 }, '', 400],
    [{}, '', 400],
    [{ to: 'green', froce: true }, '', 400],
    [{ to: 'green' }, '?wait=drain', 400],
    [{ to: 'green' }, '?wiat=drained', 400],
  ])('with %j%s is refused', async (body, query, status) => {
    const answer = await admin.call('POST', `${SHOP}/switch${query}`, { body });
    expectProblem(answer, status, status === 404 ? 'not_found' : 'bad_request');
    expect(events()).toEqual([]);
  });
});

describe('an upstream', () => {
  it('is drained, evicted and enabled', async () => {
    const act = (action: string) => admin.call('POST', `${SHOP}/upstreams/green/${action}`);
    expect((await act('drain')).json.service.upstreams.green.admin).toBe('draining');
    expect(await act('evict')).toMatchObject({ status: 200 });
    expect((await act('enable')).json.service.upstreams.green.admin).toBe('enabled');
    expect(events()).toEqual(
      ['upstream.draining', 'upstream.evicted', 'upstream.enabled'].map((e) => `${e} by loopback`),
    );
  });

  it('may be waited for until it is empty', async () => {
    const { json } = await admin.call('POST', `${SHOP}/upstreams/green/drain?wait=drained`);
    expect(json.drained).toBe(true);
  });

  it('takes new targets, as an object or as a list', async () => {
    const put = (body: unknown) => admin.call('PUT', `${SHOP}/upstreams/green/targets`, { body });
    const urls = (answer: CallAnswer) =>
      answer.json.service.upstreams.green.targets.map(({ url }: { url: string }) => url);
    expect(urls(await put({ targets: ['http://127.0.0.1:5001'] }))).toEqual(['http://127.0.0.1:5001']);
    expect(urls(await put(['http://127.0.0.1:5002', 'http://127.0.0.1:5003']))).toHaveLength(2);
    for (const body of [{ targets: 'x' }, { targets: [5] }, {}, 5]) {
      expectProblem(await put(body), 400, 'bad_request');
    }
  });

  it('that does not exist is a 404 with the names there are', async () => {
    for (const action of ['drain', 'evict', 'enable']) {
      const answer = await admin.call('POST', `${SHOP}/upstreams/purple/${action}`);
      expectProblem(answer, 404, 'not_found');
      expect(answer.json.detail).toContain('it has blue, green');
    }
    const body = ['http://127.0.0.1:1'];
    expectProblem(await admin.call('PUT', `${SHOP}/upstreams/__proto__/targets`, { body }), 404, 'not_found');
  });
});

describe('a rollout', () => {
  const current = `${SHOP}/rollouts/current`;

  it('starts with 201, and is then the current one', async () => {
    const started = await admin.call('POST', `${SHOP}/rollouts`, { body: { to: 'green', strategy: 'blue-green' } });
    expect(started).toMatchObject({
      status: 201,
      headers: { location: current },
      json: { id: 'r1', to: 'green', phase: 'progressing', stage: 0, plan: { strategy: 'blue-green' } },
    });
    const { power, ...rollout } = started.json;
    expect(power.stages).toMatchObject([{ stage: 0, weight: 5 }, {}, {}, {}]);
    expect((await admin.call('GET', current)).json).toEqual(rollout);
    expect((await admin.call('GET', `${SHOP}/rollouts`)).json).toEqual({ rollouts: [rollout] });
  });

  it('is a 404 before the first', async () => {
    expectProblem(await admin.call('GET', current), 404, 'not_found');
    expectProblem(await admin.call('POST', `${current}/promote`), 404, 'not_found');
    expect((await admin.call('GET', `${SHOP}/rollouts`)).json).toEqual({ rollouts: [] });
  });

  it('is refused while another runs', async () => {
    await admin.call('POST', `${SHOP}/rollouts`, { body: { to: 'green' } });
    expectProblem(await admin.call('POST', `${SHOP}/rollouts`, { body: { to: 'green' } }), 409, 'conflict');
  });

  it('is operated, and repeating a call is harmless', async () => {
    await admin.call('POST', `${SHOP}/rollouts`, { body: { to: 'green' } });
    const act = async (action: string) => {
      await admin.call('POST', `${current}/${action}`);
      return (await admin.call('POST', `${current}/${action}`)).json;
    };
    expect(await act('pause')).toMatchObject({
      phase: 'paused',
      reason: 'paused by loopback',
      remainingHoldMs: 1_800_000,
    });
    expect(await act('resume')).toMatchObject({ phase: 'progressing' });
    expect(await act('promote')).toMatchObject({ phase: 'promoted', remainingHoldMs: null });
    expect(await act('abort')).toMatchObject({ phase: 'promoted' });
    expect((await admin.call('POST', `${SHOP}/undo`)).json).toMatchObject({
      stable: 'blue',
      weights: { blue: 100, green: 0 },
    });
  });

  it('without an upstream to go to is refused', async () => {
    for (const body of [{}, { to: 5 }, [], { to: '' }]) {
      expectProblem(await admin.call('POST', `${SHOP}/rollouts`, { body }), 400, 'bad_request');
    }
  });
});

describe('a reload', () => {
  it('answers with what changed', async () => {
    admin.gate.nextReload = { changes: ['services.shop.upstreams.green.weight: 0 → 5'] };
    expect(await admin.call('POST', '/v1/reload')).toMatchObject({
      status: 200,
      json: { lastReloadSuccessful: true, changes: ['services.shop.upstreams.green.weight: 0 → 5'] },
    });
  });

  it('of a bad file is a 422 with what is wrong with it', async () => {
    const errors = ['tealgate.yaml:3:1 services: is missing', 'tealgate.yaml:9:1 x: unknown key'];
    admin.gate.nextReload = { lastReloadSuccessful: false, errors };
    const answer = await admin.call('POST', '/v1/reload');
    expectProblem(answer, 422, 'invalid_config');
    expect(answer.json).toMatchObject({ problems: errors, lastReloadSuccessful: false, status: 422 });
  });
});

describe('what is not a call', () => {
  it('is a 404 that says where to look', async () => {
    for (const path of ['/nope', '/v1', '/v1/services/', '/v1/services/shop/nope', '/v1/../etc/passwd']) {
      expectProblem(await admin.call('GET', path), 404, 'not_found');
    }
  });

  it('is a 405 with Allow where the path has other methods', async () => {
    for (const [method, path, allow] of [
      ['POST', '/v1/services', 'GET, HEAD'],
      ['GET', `${SHOP}/weights`, 'PUT'],
      ['DELETE', `${SHOP}/rollouts`, 'POST, GET, HEAD'],
      ['PROPFIND', '/livez', 'GET, HEAD'],
      ['PATCH', `${SHOP}/switch`, 'POST'],
    ] as const) {
      const answer = await admin.call(method, path);
      expectProblem(answer, 405, 'method_not_allowed');
      expect(answer.headers.allow).toBe(allow);
    }
  });
});

/** With something there is in place of each parameter. */
const pathOf = (pattern: string): string =>
  pattern
    .replace('{service}', 'shop')
    .replace('{group}', 'release')
    .replace('{upstream}', 'green')
    .replace('{rollout}', 'current')
    .replace('{id}', 'msg_1')
    .replace('{action}', `promote?signature=${FAKE_LINK}`);

describe('every call', () => {
  it('answers as its schema says', async () => {
    await admin.call('POST', `${SHOP}/rollouts`, { body: { to: 'green' } });
    await admin.call('POST', `${SHOP}/rollouts/current/promote`);
    const bodies: Record<string, unknown> = {
      setWeights: { green: 5 },
      switch: { to: 'green' },
      setTargets: ['http://127.0.0.1:1'],
      startRollout: { to: 'green' },
      planRollout: { to: 'green', rate: 40 },
      startGroupRollout: { to: { shop: 'green' } },
      reportBusiness: { upstream: 'green', event: 'order', count: 1 },
    };
    for (const { method, path, operationId, success } of ROUTES) {
      if (success.schema === null || success.contentType === 'text/event-stream') continue;
      const url = pathOf(path);
      if (operationId.startsWith('start')) {
        await admin.call('POST', `${SHOP}/rollouts/current/abort`);
        await admin.call('POST', `${SHOP}/switch`, { body: { to: 'blue' } });
      }
      if (operationId === 'undoGroup') await admin.call('POST', `${SHOP}/rollouts/current/promote`);
      const options = method === 'GET' ? {} : { body: bodies[operationId] ?? {} };
      const answer = await admin.call(method, url, options);
      expect(answer.status, `${operationId}: ${answer.text}`).toBe(success.status);
      expect(success.schema.safeParse(answer.json).error, operationId).toBeUndefined();
    }
  });

  it('that changes something is logged with who did it, and how long it took', async () => {
    await admin.call('PUT', `${SHOP}/weights`, { body: { blue: 1 } });
    await admin.call('PUT', `${SHOP}/weights?x=1`, { body: { blue: -1 } });
    await admin.call('GET', SHOP);
    await until(() => admin.logged.length === 2);
    const path = `${SHOP}/weights`;
    expect(admin.logged).toMatchObject([
      { event: 'admin.call', actor: 'loopback', method: 'PUT', path, status: 200 },
      { event: 'admin.call', actor: 'loopback', method: 'PUT', path, status: 400 },
    ]);
    expect(admin.logged.filter(({ durationMs }) => Number(durationMs) > 0)).toHaveLength(2);
  });

  it('hides the cause of an internal error, which the log has', async () => {
    admin.gate.service = () => {
      throw new Error('secret of the disk');
    };
    const answer = await admin.call('GET', SHOP);
    expectProblem(answer, 500, 'internal');
    expect(answer.text).not.toContain('secret');
    expect(JSON.stringify(admin.logged)).toContain('secret of the disk');
  });
});
