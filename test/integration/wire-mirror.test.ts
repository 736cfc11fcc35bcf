import { describe, expect, it } from 'vitest';
import { slotCounts } from '../../src/app/views/counts.ts';
import { monotonicMs } from '../../src/platform/clock.ts';
import { readCell, UPSTREAM } from '../../src/traffic/ledger.ts';
import type { CompareRoute, CountingRule, MirrorRoute } from '../../src/traffic/snapshot.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { load, named } from '../support/load.ts';
import { chunked, head, response, value } from '../support/message.ts';
import type { ServiceSpec } from '../support/routes.ts';
import type { ScriptedTarget, TargetScript } from '../support/scripted-target.ts';

const bench = useBench();

const ALL: MirrorRoute = { to: 'green', share: 1, methods: ['GET', 'HEAD'], requestBytes: 65_536, compare: null };
const COMPARE: CompareRoute = { headers: ['content-type'], ignore: ['at', 'meta.id'], bodyBytes: 4096 };

interface Shop {
  readonly blue: ScriptedTarget;
  readonly green: ScriptedTarget;
  readonly spec: ServiceSpec;
}

async function shop(mirror: Partial<MirrorRoute> = {}, script: { blue?: TargetScript; green?: TargetScript } = {}) {
  const blue = await bench.target(script.blue ?? named('blue'));
  const green = await bench.target(script.green ?? named('green'));
  const spec: ServiceSpec = {
    upstreams: { blue: { weight: 100, targets: [blue.port] }, green: { weight: 0, targets: [green.port] } },
    stable: 'blue',
    candidate: 'green',
    mirror: { ...ALL, ...mirror },
  };
  await bench.serve(spec);
  return { blue, green, spec } satisfies Shop;
}

async function get(path = '/', ...fields: string[]): Promise<string> {
  const client = await bench.send(head(`GET ${path} HTTP/1.1`, 'Host: gate.test', ...fields));
  return (await client.readFinal()).body.bytes.toString();
}

type Cell = 'queued' | 'mirrored' | 'mirrorSkipped' | 'mirrorErrors' | 'compared' | 'differed' | 'inFlight';

function cell(upstream: string, name: Cell): number {
  return readCell(bench.gate.upstream(bench.service, upstream).ledger, UPSTREAM.size, UPSTREAM[name]);
}

async function reaches(upstream: string, name: Cell, count: number): Promise<void> {
  await eventually(`${name} of ${upstream} is ${count}`, () => cell(upstream, name) === count);
}

/** Answers with JSON bodies in turn; the last one again and again. */
function json(...bodies: unknown[]): TargetScript {
  let next = 0;
  return async (request) => {
    if (!(await request.whole)) return;
    const body = bodies[Math.min(next++, bodies.length - 1)];
    request.send(response('200 OK', ['Content-Type: application/json'], JSON.stringify(body)));
  };
}

describe('a mirror', () => {
  it('sends what stable has answered to the candidate as well, marked, and keeps its answer to itself', async () => {
    const { green } = await shop();
    expect(await get('/cart?x=1', 'X-Shop: 7')).toBe('blue');
    const copy = await green.request();
    expect(copy.target).toBe('/cart?x=1');
    expect(value(copy.head, 'x-shop')).toBe('7');
    expect(value(copy.head, 'x-tealgate-mirror')).toBe('candidate');
    await reaches('green', 'mirrored', 1);
  });

  it('charges and judges nobody: accounts, trials and the fuse know nothing of it', async () => {
    const broken: TargetScript = async (request) => {
      if (await request.whole) request.send(response('500 Internal Server Error'));
    };
    const { green, spec } = await shop({}, { green: broken });
    await bench.republish({ ...spec, fuse: { id: 7, limits: [1, 1, 1] } });
    for (let i = 0; i < 5; i++) expect(await get(`/${i}`)).toBe('blue');
    await eventually('all copies have come', () => green.requests.length === 5);
    await reaches('green', 'mirrorErrors', 5);
    expect(await bench.account()).toMatchObject({ accepted: 5, outcomes: { ok: 5 } });
    expect(bench.trials('green')).toMatchObject({ trials: 0, errors: 0 });
    expect(bench.trials('blue').trials).toBe(5);
    expect(bench.gate.fuses).not.toContain(bench.service);
  });

  it('copies exactly its share, evenly spread, over changes of the routes', async () => {
    const { green, spec } = await shop({ share: 0.1 });
    await load({ port: bench.gate.port, connections: 4, requests: 105 });
    await bench.republish(spec);
    await load({ port: bench.gate.port, connections: 4, requests: 95 });
    await eventually('the copies have come', () => green.requests.length >= 20);
    await reaches('green', 'inFlight', 0);
    expect(cell('green', 'mirrored')).toBe(20);
  });

  it.each([
    ['a method that may change something', head('POST / HTTP/1.1', 'Host: gate.test', 'Content-Length: 0')],
    ['a request larger than it may be', head('GET / HTTP/1.1', 'Host: gate.test', `X-Long: ${'x'.repeat(2000)}`)],
  ])('leaves out %s', async (_what, request) => {
    const { green } = await shop({ requestBytes: 1500 });
    await (await bench.send(request)).readFinal();
    expect(await get('/after')).toBe('blue');
    expect((await green.request()).target).toBe('/after');
    expect(green.requests.length).toBe(1);
  });

  it('copies bodies where their methods are asked for', async () => {
    const { green } = await shop({ methods: ['POST'] });
    const client = await bench.send(
      Buffer.concat([
        head('POST /order HTTP/1.1', 'Host: gate.test', 'Transfer-Encoding: chunked'),
        chunked('two', 'parts'),
      ]),
    );
    await client.readFinal();
    const copy = await green.request();
    await copy.whole;
    expect(copy.body.bytes.toString()).toBe('twoparts');
  });

  it('copies nothing that the client did not wait for, and nothing that the candidate was asked for', async () => {
    const { green, spec } = await shop({}, { blue: () => undefined });
    const client = await bench.send(head('GET /left HTTP/1.1', 'Host: gate.test'));
    await bench.gate.inFlight(bench.service, 1);
    client.destroy();
    await bench.account();
    await bench.republish({
      ...spec,
      preview: { candidate: 'green', hosts: [], header: { name: 'x-preview', value: null }, cookie: null },
    });
    expect(await get('/seen', 'X-Preview: green')).toBe('green');
    await bench.account();
    expect(green.requests.map(({ target }) => target)).toEqual(['/seen']);
    expect(cell('green', 'mirrored')).toBe(0);
  });

  it('copies nothing that the candidate has answered after all, stable having failed while the request waited', async () => {
    const { blue, green, spec } = await shop({}, { blue: () => undefined });
    const limits = { inFlight: 2, queue: 1, queueTimeoutMs: 5_000 };
    await bench.republish({ ...spec, limits });
    for (let n = 0; n < 2; n++) await bench.send(head(`GET /${n} HTTP/1.1`, 'Host: gate.test'));
    await blue.request(1);
    const waiting = await bench.send(head('GET /waits HTTP/1.1', 'Host: gate.test'));
    await reaches('blue', 'queued', 1);
    const failed = { targets: [blue.port], ineligible: [blue.port] };
    await bench.republish({ ...spec, upstreams: { blue: failed, green: { targets: [green.port] } }, limits });
    expect((await waiting.readFinal()).body.bytes.toString()).toBe('green');
    for (const request of blue.requests) request.connection.reset();
    await bench.account();
    expect(green.requests.map(({ target }) => target)).toEqual(['/waits']);
    expect(cell('green', 'mirrored') + cell('green', 'mirrorSkipped')).toBe(0);
  });

  it('gives the client its answer at once, whatever the copy does', async () => {
    const { green } = await shop({}, { green: () => undefined });
    for (let i = 0; i < 3; i++) expect(await get(`/${i}`)).toBe('blue');
    await green.request(2);
    expect(cell('green', 'inFlight')).toBe(3);
    await reaches('green', 'mirrorErrors', 3);
    expect(cell('green', 'inFlight')).toBe(0);
  });

  it('is not waited for by a drain beyond its deadline', async () => {
    const { green, spec } = await shop({}, { green: () => undefined });
    const timeouts = { responseMs: 30_000 };
    await bench.republish({ ...spec, timeouts });
    expect(await get()).toBe('blue');
    const copy = await green.request();
    const sinceMs = monotonicMs();
    const closing = { sinceMs, cutAtMs: sinceMs };
    const drained = { weight: 0, admin: 'draining' as const, targets: [green.port], closing };
    await bench.republish({ ...spec, upstreams: { ...spec.upstreams, green: drained }, timeouts });
    await copy.connection.closed();
    await reaches('green', 'inFlight', 0);
  });

  it('leaves copies out rather than letting them pile up', async () => {
    const { green, spec } = await shop({}, { green: () => undefined });
    await bench.republish({ ...spec, timeouts: { responseMs: 60_000 } });
    await load({ port: bench.gate.port, connections: 4, requests: 100 });
    await reaches('green', 'mirrorSkipped', 36);
    expect(cell('green', 'mirrored')).toBe(64);
    for (const connection of green.connections) connection.destroy();
    await reaches('green', 'inFlight', 0);
    green.script = named('green');
    expect(await get('/again')).toBe('blue');
    await reaches('green', 'mirrored', 65);
  });

  it('survives targets that refuse, reset and answer nonsense', async () => {
    const { green } = await shop({}, { green: (request) => request.connection.destroy() });
    expect(await get('/reset')).toBe('blue');
    await reaches('green', 'mirrorErrors', 1);
    green.script = (request) => void request.send('nonsense\r\n\r\n');
    expect(await get('/nonsense')).toBe('blue');
    await reaches('green', 'mirrorErrors', 2);
    await green.close();
    expect(await get('/refused')).toBe('blue');
    await reaches('green', 'mirrorErrors', 3);
    expect(cell('green', 'inFlight')).toBe(0);
  });
});

describe('a comparison', () => {
  it('counts how often the candidate differs from stable, and stable from itself', async () => {
    const { blue } = await shop({ compare: COMPARE }, { blue: json({ a: 1 }), green: json({ a: 2 }) });
    await get();
    await reaches('green', 'differed', 1);
    await reaches('blue', 'compared', 1);
    expect(cell('blue', 'differed')).toBe(0);
    expect(value((await blue.request(1)).head, 'x-tealgate-mirror')).toBe('stable');
    await eventually('the difference is told', () => bench.gate.complaints.length > 0);
    expect(bench.gate.complaints.splice(0)).toEqual([
      'warn mirror.differed green answers otherwise than stable: body at a',
    ]);
  });

  it('takes what stable does by itself for noise', async () => {
    const noisy = () => json(...Array.from({ length: 20 }, (_, i) => ({ at: 'x', random: i })));
    await shop({ compare: COMPARE }, { blue: noisy(), green: noisy() });
    for (let i = 0; i < 3; i++) await get();
    await reaches('blue', 'compared', 3);
    await reaches('green', 'compared', 3);
    expect(cell('blue', 'differed')).toBe(3);
  });

  it('leaves out members that do not matter, wherever the order', async () => {
    await shop(
      { compare: COMPARE },
      {
        blue: json({ items: [{ price: 1, at: 1 }], meta: { id: 'a', v: 1 } }),
        green: json({ meta: { v: 1, id: 'b' }, items: [{ at: 2, price: 1 }], at: 'only here' }),
      },
    );
    await get();
    await reaches('green', 'compared', 1);
    expect(cell('green', 'differed')).toBe(0);
  });

  it.each<[string, TargetScript]>([
    [
      'another status',
      async (r) => void ((await r.whole) && r.send(response('404 Not Found', ['Content-Type: text/plain'], 'same'))),
    ],
    [
      'another field',
      async (r) => void ((await r.whole) && r.send(response('200 OK', ['Content-Type: text/html'], 'same'))),
    ],
    [
      'another body',
      async (r) => void ((await r.whole) && r.send(response('200 OK', ['Content-Type: text/plain'], 'other'))),
    ],
    [
      'no answer',
      (r) => {
        r.connection.destroy();
      },
    ],
  ])('sees %s', async (_what, green) => {
    const blue: TargetScript = async (r) =>
      void ((await r.whole) && r.send(response('200 OK', ['Content-Type: text/plain'], 'same')));
    await shop({ compare: COMPARE }, { blue, green });
    await get();
    await reaches('green', 'differed', 1);
    bench.gate.complaints.splice(0);
  });

  it('counts for the rollout that the copy was made for, and not for the next one', async () => {
    const isAsked = Promise.withResolvers<void>();
    const isOver = Promise.withResolvers<void>();
    const late: TargetScript = async (request) => {
      isAsked.resolve();
      await isOver.promise;
      request.send(response('200 OK', ['Content-Type: text/plain'], 'green'));
    };
    const { spec } = await shop({ compare: COMPARE }, { green: late });
    const counting = (copies: boolean): CountingRule[] => [
      {
        ...{ paths: [], methods: [], errors: [], ignored: [], grpc: null, client: null },
        ...{ slowMs: 0, timed: false, event: null },
        ...(copies ? { copies } : {}),
      },
    ];
    await bench.republish({ ...spec, salt: 'shop/r1', counting: counting(true) });
    await get();
    await isAsked.promise;
    await bench.republish({ ...spec, salt: 'shop/r2', counting: counting(false) });
    isOver.resolve();
    await reaches('green', 'compared', 1);
    const { slots } = bench.gate.upstream(bench.service, 'green');
    expect(slots === undefined ? null : slotCounts(slots)[0]).toMatchObject({ trials: 0, errors: 0 });
  });

  it('does not compare bodies larger than it may hold', async () => {
    const large: TargetScript = async (r) => void ((await r.whole) && r.send(response('200 OK', [], 'x'.repeat(5000))));
    await shop({ compare: COMPARE }, { blue: large, green: named('green') });
    expect((await get()).length).toBe(5000);
    await reaches('green', 'mirrored', 1);
    await reaches('green', 'inFlight', 0);
    expect(cell('green', 'compared')).toBe(0);
    expect(cell('blue', 'mirrored')).toBe(0);
  });
});
