import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/traffic/ledger.ts';
import { readTarget } from '../support/accounts.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head, response } from '../support/message.ts';
import type { RawClient } from '../support/raw-client.ts';
import { echo, type TargetRequest } from '../support/scripted-target.ts';
import { startStoppedTarget } from '../support/stopped-target.ts';
import { handshake, SWITCHED } from '../support/websocket.ts';

const bench = useBench();

const HOST = 'Host: gate.test';
const GET = head('GET /fault HTTP/1.1', HOST);
const POST = Buffer.concat([head('POST /fault HTTP/1.1', HOST, 'Content-Length: 5'), Buffer.from('hello')]);
const UNFINISHED = POST.subarray(0, -2);

/** How one misbehaviour must look from everywhere. */
interface Fault {
  readonly name: string;
  readonly request?: Buffer;
  /** What the target does with `/fault`; any other path it answers properly. */
  readonly script: (request: TargetRequest) => void | Promise<void>;
  /** Status the client sees; `cut`: a 200 whose end is missing. */
  readonly client: number | 'cut';
  readonly outcome: Outcome;
  /** The attempt was charged to the upstream. Default: it was tried and not an error. */
  readonly judged?: 'error' | 'ok' | 'not at all';
  /** The connection may serve the next request. Default false. */
  readonly reusable?: boolean;
}

const whole =
  (...bytes: (string | Buffer)[]) =>
  async (request: TargetRequest): Promise<void> => {
    if (await request.whole) request.send(...bytes);
  };

const then =
  (leave: 'end' | 'reset', ...bytes: (string | Buffer)[]) =>
  async (request: TargetRequest): Promise<void> => {
    if (!(await request.whole)) return;
    if (bytes.length > 0) {
      request.send(...bytes);
      // A reset must not overtake the octets: let them be taken first.
      await setTimeout(30);
    }
    request.connection[leave]();
  };

const OK_HEAD = head('HTTP/1.1 200 OK', 'Content-Length: 10');
const CHUNKED_HEAD = head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked');

const FAULTS: readonly Fault[] = [
  { name: 'never answers', script: () => {}, client: 504, outcome: 'timeout', judged: 'error' },
  {
    name: 'sends an interim answer and then nothing',
    script: whole(head('HTTP/1.1 102 Processing')),
    client: 504,
    outcome: 'timeout',
    judged: 'error',
  },
  {
    name: 'stops inside the head',
    script: whole('HTTP/1.1 200 OK\r\nX-A: '),
    client: 504,
    outcome: 'timeout',
    judged: 'error',
  },
  { name: 'resets before the head', script: then('reset'), client: 502, outcome: 'reset', judged: 'error' },
  { name: 'closes before the head', script: then('end'), client: 502, outcome: 'reset', judged: 'error' },
  {
    name: 'closes before the head of a POST',
    request: POST,
    script: then('end'),
    client: 502,
    outcome: 'reset',
    judged: 'error',
  },
  {
    name: 'resets inside the head',
    script: then('reset', 'HTTP/1.1 200 OK\r\nCont'),
    client: 502,
    outcome: 'reset',
    judged: 'error',
  },
  {
    name: 'closes inside the head',
    script: then('end', 'HTTP/1.1 200 OK\r\nCont'),
    client: 502,
    outcome: 'reset',
    judged: 'error',
  },
  { name: 'sends garbage', script: whole('\x00\x01garbage\r\n\r\n'), client: 502, outcome: 'reset', judged: 'error' },
  {
    name: 'sends a head with two lengths',
    script: whole(head('HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2'), 'ab'),
    client: 502,
    outcome: 'reset',
    judged: 'error',
  },
  {
    name: 'sends a head without end',
    script: whole('HTTP/1.1 200 OK\r\n', 'X-A: b\r\n'.repeat(50_000)),
    client: 502,
    outcome: 'reset',
    judged: 'error',
  },
  {
    name: 'resets after the head',
    script: then('reset', OK_HEAD),
    client: 'cut',
    outcome: 'truncated',
    judged: 'error',
  },
  { name: 'closes after the head', script: then('end', OK_HEAD), client: 'cut', outcome: 'truncated', judged: 'error' },
  {
    name: 'resets inside a body',
    script: then('reset', OK_HEAD, 'half'),
    client: 'cut',
    outcome: 'truncated',
    judged: 'error',
  },
  {
    name: 'closes inside a body',
    script: then('end', OK_HEAD, 'half'),
    client: 'cut',
    outcome: 'truncated',
    judged: 'error',
  },
  {
    name: 'closes inside chunks',
    script: then('end', CHUNKED_HEAD, '5\r\nhello\r\n'),
    client: 'cut',
    outcome: 'truncated',
    judged: 'error',
  },
  {
    name: 'resets inside a close-delimited body',
    script: then('reset', head('HTTP/1.1 200 OK'), 'half'),
    client: 'cut',
    outcome: 'truncated',
    judged: 'error',
  },
  {
    name: 'breaks its chunking',
    script: async (request) => {
      request.send(CHUNKED_HEAD, '5\r\nhello\r\n');
      await setTimeout(30);
      request.send('zz\r\n');
    },
    client: 'cut',
    outcome: 'truncated',
    judged: 'error',
  },
  { name: 'sends too much', script: whole(response('200 OK', [], 'hello'), 'and more'), client: 200, outcome: 'ok' },
  {
    name: 'sends another answer behind the first',
    script: whole(response('200 OK', [], 'hello'), response('200 OK', [], 'poison')),
    client: 200,
    outcome: 'ok',
  },
  {
    name: 'sends a body with a 204',
    script: whole(head('HTTP/1.1 204 No Content', 'Content-Length: 5'), 'hello'),
    client: 204,
    outcome: 'ok',
  },
  {
    name: 'answers before it has read the body',
    request: Buffer.concat([head('POST /fault HTTP/1.1', HOST, 'Content-Length: 9'), Buffer.from('half')]),
    script: (request) => void request.send(response('413 Content Too Large', [], 'no')),
    client: 413,
    outcome: 'client_error',
  },
  {
    name: 'answers one octet at a time',
    script: (request) => request.connection.sendByteByByte(response('200 OK', [], 'hello')),
    client: 200,
    outcome: 'ok',
    reusable: true,
  },
  {
    name: 'says it will close',
    script: whole(response('200 OK', ['Connection: close'], 'hello')),
    client: 200,
    outcome: 'ok',
  },
  {
    name: 'ends its body by closing',
    script: then('end', head('HTTP/1.1 200 OK'), 'hello'),
    client: 200,
    outcome: 'ok',
  },
  {
    name: 'speaks HTTP/1.0',
    script: whole('HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello'),
    client: 200,
    outcome: 'ok',
  },
  {
    name: 'answers 404',
    script: whole(response('404 Not Found')),
    client: 404,
    outcome: 'client_error',
    reusable: true,
  },
  {
    name: 'answers 500',
    script: whole(response('500 Internal Server Error')),
    client: 500,
    outcome: 'server_error',
    judged: 'error',
    reusable: true,
  },
  {
    name: 'answers 503',
    script: whole(response('503 Service Unavailable', ['Retry-After: 5'])),
    client: 503,
    outcome: 'server_error',
    judged: 'error',
    reusable: true,
  },
];

async function expectView(client: RawClient, view: Fault['client']): Promise<void> {
  if (view !== 'cut') {
    expect((await client.readFinal()).status).toBe(view);
    return;
  }
  const cut = await client.readCut();
  expect(cut?.status).toBe(200);
  expect(cut?.body.complete).toBe(false);
}

describe('a target that', () => {
  for (const fault of FAULTS) {
    it(`${fault.name}: the client gets ${fault.client}, the ledger says ${fault.outcome}`, async () => {
      const target = await bench.target((request) =>
        request.target === '/fault' ? fault.script(request) : echo(request),
      );
      await bench.serve({ upstreams: { blue: { targets: [target.port] } }, timeouts: { responseMs: 700 } });
      const client = await bench.send(fault.request ?? GET);
      await expectView(client, fault.client);
      client.destroy();

      const account = await bench.account();
      expect(account).toMatchObject({ accepted: 1, outcomes: { [fault.outcome]: 1 } });
      const judged = fault.judged ?? 'ok';
      const tried = judged === 'not at all' ? 0 : 1;
      expect(bench.trials()).toMatchObject({
        requests: 1,
        trials: tried,
        errors: judged === 'error' ? 1 : 0,
        retries: 0,
      });

      const next = await bench.send(head('GET /next HTTP/1.1', HOST));
      expect((await next.readFinal()).body.bytes.toString()).toBe('GET /next');
      expect(target.requests.map((request) => request.target)).toEqual(['/fault', '/next']);
      expect(target.requests[1]?.connection === target.requests[0]?.connection).toBe(fault.reusable ?? false);
      expect(await bench.account()).toMatchObject({ accepted: 2 });
      await bench.connectionsAgree(target);
      expect(bench.gauges()).toEqual({ inFlight: 0, upgrades: 0, connections: 1 });
    });
  }

  it('closes an idle connection: the pool forgets it', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(GET);
    await client.readFinal();
    const connection = await target.connection();
    connection.end();
    await connection.closed();
    await bench.connectionsAgree(target);
    expect(bench.gauges().connections).toBe(0);
    client.write(head('POST /next HTTP/1.1', HOST, 'Content-Length: 0'));
    expect((await client.readFinal()).body.bytes.toString()).toBe('POST /next');
    expect(target.connections).toHaveLength(2);
  });

  it('stalls inside its body costs nothing once the client has left', async () => {
    const target = await bench.target((request) => void request.send(OK_HEAD, 'half'));
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(GET);
    await client.peekHead();
    client.reset();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    await (await target.connection()).closed();
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
  });
});

describe('a target that cannot be reached', () => {
  for (const request of [GET, POST]) {
    it(`refuses: 502 and connect_failed (${request.subarray(0, 4).toString().trim()})`, async () => {
      const target = await bench.target();
      await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
      await target.close();
      const client = await bench.send(request);
      expect((await client.readFinal()).status).toBe(502);
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { connect_failed: 1 } });
      expect(bench.trials()).toMatchObject({ trials: 1, errors: 1 });
      expect(bench.gauges()).toEqual({ inFlight: 0, upgrades: 0, connections: 0 });
    });
  }

  it('accepts nothing: 504 after the connect timeout, and the half-open connection is given up', async () => {
    const stopped = await startStoppedTarget();
    try {
      await bench.serve({ upstreams: { blue: { targets: [stopped.port] } }, timeouts: { connectMs: 400 } });
      const client = await bench.send(GET);
      expect((await client.readFinal()).status).toBe(504);
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { timeout: 1 } });
      expect(bench.gauges()).toEqual({ inFlight: 0, upgrades: 0, connections: 0 });

      for (const [i, request] of [GET, UNFINISHED].entries()) {
        const leaving = await bench.send(request);
        await bench.gate.inFlight(bench.service, 1);
        leaving.reset();
        expect(await bench.account()).toMatchObject({ accepted: i + 2, outcomes: { timeout: 1, client_abort: i + 1 } });
        expect(bench.gauges()).toEqual({ inFlight: 0, upgrades: 0, connections: 0 });
      }
    } finally {
      await stopped.close();
    }
  });

  it('is not eligible: 503 with Retry-After, and no attempt is made', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port], ineligible: [target.port] } } });
    const client = await bench.send(GET);
    const answer = await client.readFinal();
    expect(answer.status).toBe(503);
    expect(answer.fields.map((field) => field.name.toLowerCase())).toContain('retry-after');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { no_target: 1 } });
    expect(target.connections).toHaveLength(0);
  });
});

describe('among several targets', () => {
  it('the time to answer runs for each attempt, and not while the next one is connecting', async () => {
    const stopped = await startStoppedTarget();
    try {
      const failing = await bench.target(async ({ connection }) => {
        await setTimeout(250);
        connection.reset();
      });
      await bench.serve({
        upstreams: { blue: { targets: [failing.port, stopped.port] } },
        timeouts: { responseMs: 400, connectMs: 600 },
        retries: { budget: 1 },
      });
      // Each goes to the target that the other one is not on, and then to that.
      const clients = [await bench.send(GET), await bench.send(GET)];
      const answers = await Promise.all(clients.map((client) => client.readFinal()));
      const errors = answers.map(({ fields }) => fields.find(({ name }) => name === 'Proxy-Status')?.value);
      expect(errors.sort()).toEqual(['gate; error=connection_terminated', 'gate; error=connection_timeout']);
      expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { reset: 1, timeout: 1 } });
    } finally {
      await stopped.close();
    }
  });

  const get = (i: number): Buffer => head(`GET /${i} HTTP/1.1`, HOST);
  const post = (i: number): Buffer =>
    Buffer.concat([head(`POST /${i} HTTP/1.1`, HOST, 'Content-Length: 2'), Buffer.from('ab')]);

  it('a request that never reached its target goes to another, POST too', async () => {
    const good = await bench.target();
    const gone = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [good.port, gone.port] } }, retries: { budget: 1 } });
    await gone.close();
    const client = await bench.client();
    for (let i = 0; i < 20; i++) {
      client.write(i % 2 === 0 ? get(i) : post(i));
      expect((await client.readFinal()).status).toBe(200);
    }
    expect(await bench.account()).toMatchObject({ accepted: 20, outcomes: { ok: 20 } });
    expect(good.whole).toHaveLength(20);
  });

  it('an idempotent request that failed before the head goes to another, a POST is never sent twice', async () => {
    const good = await bench.target();
    const bad = await bench.target(async (request) => {
      if (await request.whole) request.connection.reset();
    });
    await bench.serve({ upstreams: { blue: { targets: [good.port, bad.port] } }, retries: { budget: 1 } });
    const client = await bench.client();
    let failed = 0;
    for (let i = 0; i < 40; i++) {
      client.write(i % 2 === 0 ? get(i) : post(i));
      const { status } = await client.readFinal();
      if (i % 2 === 0) expect(status).toBe(200);
      else if (status === 502) failed++;
    }
    const times = new Map<string, number>();
    for (const { method, target } of [...good.requests, ...bad.requests]) {
      if (method === 'POST') times.set(target, (times.get(target) ?? 0) + 1);
    }
    expect(Math.max(...times.values())).toBe(1);
    expect(failed).toBe(bad.requests.filter(({ method }) => method === 'POST').length);
    expect(await bench.account()).toMatchObject({ accepted: 40, outcomes: { ok: 40 - failed } });
    const route = bench.gate.upstream(bench.service, 'blue').targets[1];
    expect(route && readTarget(route)).toMatchObject({ attempts: bad.requests.length, failures: bad.requests.length });
  });

  it('a WebSocket handshake that never reached its target goes to another', async () => {
    const good = await bench.target((request) => {
      request.connection.tunnel();
      request.send(SWITCHED);
    });
    const gone = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [good.port, gone.port] } }, retries: { budget: 1 } });
    await gone.close();
    for (let i = 0; i < 10; i++) {
      const client = await bench.send(handshake());
      expect((await client.readFinal()).status).toBe(101);
      client.destroy();
    }
    expect(await bench.account()).toMatchObject({ accepted: 10, outcomes: { ok: 10 } });
  });

  it('retries stay within their budget', async () => {
    const bad = [
      await bench.target(then('reset')),
      await bench.target(then('reset')),
      await bench.target(then('reset')),
    ];
    await bench.serve({
      upstreams: { blue: { targets: bad.map(({ port }) => port) } },
      retries: { attempts: 2, budget: 0.2 },
    });
    const startedMs = performance.now();
    const client = await bench.client();
    for (let i = 0; i < 50; i++) {
      client.write(get(i));
      expect((await client.readFinal()).status).toBe(502);
    }
    const sent = bad.reduce((sum, target) => sum + target.requests.length, 0);
    expect(await bench.account()).toMatchObject({ accepted: 50, outcomes: { reset: 50 } });
    expect(sent - 50).toBe(bench.trials().retries);
    // A fifth of the requests, and three to begin with and for each second that has begun since.
    const seconds = 1 + Math.ceil((performance.now() - startedMs) / 1_000);
    expect(bench.trials().retries).toBeLessThanOrEqual(0.2 * 50 + 3 * (1 + seconds));
    expect(bench.trials().retries).toBeGreaterThanOrEqual(3);
  });

  it('a body that was sent on in parts is not sent again', async () => {
    const good = await bench.target();
    const bad = await bench.target(async (request) => {
      await request.connection.inbox.wait('all of the body', () => request.complete || undefined);
      request.connection.reset();
    });
    await bench.serve({ upstreams: { blue: { targets: [good.port, bad.port] } }, retries: { budget: 1 } });
    for (let i = 0; i < 10; i++) {
      const client = await bench.send(head(`PUT /${i} HTTP/1.1`, HOST, 'Content-Length: 6'), 'ab');
      await eventually('a target has the first part', () => good.requests.length + bad.requests.length > i);
      client.write('cdef');
      expect([200, 502]).toContain((await client.readFinal()).status);
      client.destroy();
    }
    expect(good.requests.filter((request) => bad.requests.some(({ target }) => target === request.target))).toEqual([]);
    for (const request of good.whole) expect(request.body.bytes.toString()).toBe('abcdef');
  });
});

describe('the candidate of a rollout', () => {
  const rollout = (blue: number, green: number, weight = 100): Parameters<typeof bench.serve>[0] => ({
    upstreams: { blue: { weight: 100 - weight, targets: [blue] }, green: { weight, targets: [green] } },
    stable: 'blue',
    candidate: 'green',
  });

  for (const [name, script] of [
    ['answers 500', whole(response('500 Internal Server Error'))],
    ['resets', then('reset')],
    ['closes', then('end')],
    ['sends garbage', whole('garbage\r\n\r\n')],
  ] as const) {
    it(`${name}: stable answers what can be repeated, and the candidate is charged`, async () => {
      const blue = await bench.target();
      const green = await bench.target(script);
      await bench.serve(rollout(blue.port, green.port));
      const client = await bench.client();
      for (let i = 0; i < 10; i++) {
        client.write(head(`GET /${i} HTTP/1.1`, HOST));
        expect((await client.readFinal()).body.bytes.toString()).toBe(`GET /${i}`);
      }
      expect(await bench.account()).toMatchObject({ accepted: 10, outcomes: { ok: 10 } });
      expect(bench.trials('green')).toMatchObject({ trials: 10, errors: 10, shielded: 10 });
      expect(bench.trials('blue')).toMatchObject({ requests: 10, trials: 10, errors: 0 });
    });
  }

  it('never answers: stable does when its time is up, and the candidate is charged', async () => {
    const blue = await bench.target();
    const green = await bench.target(() => {});
    await bench.serve({ ...rollout(blue.port, green.port), timeouts: { responseMs: 300 } });
    const client = await bench.send(head('GET /late HTTP/1.1', HOST));
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /late');
    client.write(head('POST /late HTTP/1.1', HOST, 'Content-Length: 2'), 'ab');
    expect((await client.readFinal()).status).toBe(504);
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 1, timeout: 1 } });
    expect(bench.trials('green')).toMatchObject({ trials: 2, errors: 2, shielded: 1 });
  });

  it('fails a POST: it is not repeated, the client sees the failure, and the candidate is charged', async () => {
    const blue = await bench.target();
    const green = await bench.target(whole(response('500 Internal Server Error')));
    await bench.serve(rollout(blue.port, green.port));
    const client = await bench.send(head('POST /x HTTP/1.1', HOST, 'Content-Length: 2'), 'ab');
    expect((await client.readFinal()).status).toBe(500);
    expect(blue.requests).toEqual([]);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { server_error: 1 } });
    expect(bench.trials('green')).toMatchObject({ trials: 1, errors: 1, shielded: 0 });
  });

  it('is gone: every request is answered by stable, POST too', async () => {
    const blue = await bench.target();
    const green = await bench.target();
    await bench.serve(rollout(blue.port, green.port));
    await green.close();
    const client = await bench.client();
    for (const method of ['GET', 'POST', 'PUT']) {
      client.write(head(`${method} /x HTTP/1.1`, HOST, 'Content-Length: 2'), 'ab');
      expect((await client.readFinal()).body.bytes.toString()).toBe(`${method} /x`);
    }
    expect(bench.trials('green')).toMatchObject({ trials: 3, errors: 3, shielded: 3 });
  });

  it('is gone: stable takes the WebSocket handshakes too', async () => {
    const blue = await bench.target((request) => {
      request.connection.tunnel();
      request.send(SWITCHED);
    });
    const green = await bench.target();
    await bench.serve(rollout(blue.port, green.port));
    await green.close();
    const client = await bench.send(handshake());
    expect((await client.readFinal()).status).toBe(101);
    expect(bench.trials('green')).toMatchObject({ trials: 1, errors: 1, shielded: 1 });
  });

  it('blows its fuse: after that not one request reaches it', async () => {
    const blue = await bench.target();
    const green = await bench.target(whole(response('500 Internal Server Error')));
    // Three errors among the first trials stop it.
    const fuse = { id: 7, limits: Array.from({ length: 50 }, () => 3) };
    await bench.serve({ ...rollout(blue.port, green.port, 50), fuse });
    const client = await bench.client();
    for (let i = 0; i < 40; i++) {
      client.write(head(`GET /${i} HTTP/1.1`, HOST));
      expect((await client.readFinal()).status).toBe(200);
    }
    expect(green.requests).toHaveLength(3);
    expect(bench.gate.fuses).toContain(bench.service);
    // The same fuse stays blown through other snapshots; a new one is armed again.
    await bench.republish({ ...rollout(blue.port, green.port, 50), fuse });
    for (let i = 0; i < 10; i++) {
      client.write(head(`GET /again${i} HTTP/1.1`, HOST));
      expect((await client.readFinal()).status).toBe(200);
    }
    expect(green.requests).toHaveLength(3);
    await bench.republish({ ...rollout(blue.port, green.port, 50), fuse: { ...fuse, id: 8 } });
    for (let i = 0; i < 10; i++) {
      client.write(head(`GET /more${i} HTTP/1.1`, HOST));
      expect((await client.readFinal()).status).toBe(200);
    }
    expect(green.requests).toHaveLength(6);
  });
});
