import { describe, expect, it } from 'vitest';
import { readCell, UPSTREAM } from '../../src/traffic/ledger.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head, response, value } from '../support/message.ts';
import { obligation } from '../support/obligations.ts';
import type { RawClient } from '../support/raw-client.ts';
import type { ScriptedTarget, TargetRequest } from '../support/scripted-target.ts';
import { handshake } from '../support/websocket.ts';

const bench = useBench();

const HOST = 'Host: gate.test';
const get = (path: string): Buffer => head(`GET ${path} HTTP/1.1`, HOST);
const LIMITS = { inFlight: 1, queue: 2, queueTimeoutMs: 5_000 };

/** A target that answers when it is told to. */
async function held(): Promise<ScriptedTarget> {
  return bench.target(() => undefined);
}

function answer(request: TargetRequest | undefined): void {
  request?.send(response('200 OK', [], request.target));
}

async function queued(count: number, upstream = 'blue'): Promise<void> {
  const { ledger } = bench.gate.upstream(bench.service, upstream);
  await eventually(`${count} requests wait`, () => readCell(ledger, UPSTREAM.size, UPSTREAM.queued) === count);
}

async function bodyOf(client: RawClient): Promise<string> {
  const { status, body } = await client.readFinal();
  return `${status} ${body.bytes.toString()}`;
}

describe('a request to targets that have as many as they may', () => {
  it('waits for a place, first come, first served', async () => {
    const target = await held();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, limits: LIMITS });
    const clients = [await bench.send(get('/0'))];
    await bench.gate.inFlight(bench.service, 1);
    for (const n of [1, 2]) {
      clients.push(await bench.send(get(`/${n}`)));
      await queued(n);
    }
    for (const [n, client] of clients.entries()) {
      answer(await target.request(n));
      expect(await bodyOf(client)).toBe(`200 /${n}`);
    }
    expect(target.requests.map((request) => request.target)).toEqual(['/0', '/1', '/2']);
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 3 } });
    await queued(0);
  });

  it('goes to the candidate it asked for, though the fuse that holds back all others blew meanwhile', async () => {
    const target = await held();
    await bench.serve({
      upstreams: {
        blue: { weight: 0, targets: [(await bench.target()).port] },
        green: { weight: 1, targets: [target.port] },
      },
      stable: 'blue',
      candidate: 'green',
      fuse: { id: 1, limits: [1, 1, 1, 1] },
      limits: LIMITS,
      preview: { candidate: 'green', hosts: [], header: { name: 'x-preview', value: null }, cookie: null },
    });
    const charged = await bench.send(get('/charged'));
    const failing = await target.request(0);
    const preview = await bench.send(head('GET /preview HTTP/1.1', HOST, 'X-Preview: green'));
    await queued(1, 'green');
    failing.send(response('500 Internal Server Error', [], 'green failed'));
    expect((await charged.readFinal()).status).toBe(200);
    await eventually('the fuse blows', () => bench.gate.fuses.includes(bench.service));
    answer(await target.request(1));
    expect(await bodyOf(preview)).toBe('200 /preview');
  });

  it('goes to the target that has a place, however few those are', async () => {
    const [busy, free] = [await held(), await bench.target()];
    const targets = [busy.port, free.port];
    await bench.serve({ upstreams: { blue: { targets } }, limits: { ...LIMITS, queue: 0 } });
    const first = await bench.client();
    let sent = 0;
    while (busy.requests.length === 0) {
      first.write(get(`/${sent++}`));
      await eventually('a target has it', () => busy.requests.length + free.requests.length === sent);
      if (busy.requests.length === 0) await first.readFinal();
    }
    const client = await bench.client();
    for (let n = 0; n < 30; n++) {
      client.write(get('/x'));
      expect((await client.readFinal()).status).toBe(200);
    }
    answer(busy.requests[0]);
    await first.readFinal();
  });

  it('is refused at once with 503 and Retry-After when the queue is full', async () => {
    const target = await held();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, limits: { ...LIMITS, queue: 1 } });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    const second = await bench.send(get('/1'));
    await queued(1);
    const refused = await (await bench.send(get('/2'))).readFinal();
    expect([refused.status, value(refused, 'retry-after')]).toEqual([503, '1']);
    expect(value(refused, 'proxy-status')).toMatch(/error=connection_limit_reached$/);
    for (const [n, client] of [first, second].entries()) {
      answer(await target.request(n));
      expect(await bodyOf(client)).toBe(`200 /${n}`);
    }
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 2, overloaded: 1 } });
    expect(bench.trials()).toMatchObject({ trials: 2, errors: 0 });
  });

  it('is refused when no place comes in time', async () => {
    const target = await held();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, limits: { ...LIMITS, queueTimeoutMs: 150 } });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    expect((await (await bench.send(get('/1'))).readFinal()).status).toBe(503);
    answer(await target.request(0));
    expect(await bodyOf(first)).toBe('200 /0');
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 1, overloaded: 1 } });
    expect(target.requests).toHaveLength(1);
  });

  it('leaves the queue with its client', async () => {
    const target = await held();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, limits: LIMITS });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    const leaving = await bench.send(get('/1'));
    await queued(1);
    leaving.reset();
    await queued(0);
    const third = await bench.send(get('/2'));
    await queued(1);
    answer(await target.request(0));
    await first.readFinal();
    answer(await target.request(1));
    expect(await bodyOf(third)).toBe('200 /2');
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 2, client_abort: 1 } });
  });

  it('keeps its body until its turn', async () => {
    const target = await held();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, limits: LIMITS });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    const body = Buffer.alloc(300_000, 'b');
    const second = await bench.send(head('POST /1 HTTP/1.1', HOST, `Content-Length: ${body.length}`), body);
    await queued(1);
    answer(await target.request(0));
    await first.readFinal();
    const request = await target.request(1);
    expect(await request.whole).toBe(true);
    expect(request.body.bytes.equals(body)).toBe(true);
    answer(request);
    expect(await bodyOf(second)).toBe('200 /1');
  });

  it('is not waited for much longer than others once its client has closed its side behind a body', async () => {
    const target = await held();
    await bench.serve({
      upstreams: { blue: { targets: [target.port] } },
      limits: LIMITS,
      timeouts: { responseMs: 6_000 },
    });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    const second = await bench.send(head('POST /1 HTTP/1.1', HOST, 'Content-Length: 4'));
    await queued(1);
    second.write('body');
    second.halfClose();
    // Once another one has come and gone, all of that has been read.
    const third = await bench.send(get('/2'));
    await queued(2);
    third.reset();
    await queued(1);
    answer(await target.request(0));
    expect(await bodyOf(first)).toBe('200 /0');
    await (await target.request(1)).whole;
    await second.readUntilClosed();
    expect(second.inbox).toHaveLength(0);
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 1, client_abort: 2 } });
  });

  it('may be a WebSocket handshake; its tunnel, once it stands, takes no place', async () => {
    const target = await held();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, limits: LIMITS });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    const socket = await bench.send(handshake());
    await queued(1);
    answer(await target.request(0));
    await first.readFinal();
    const asked = await target.request(1);
    asked.connection.tunnel();
    asked.send(head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'));
    expect((await socket.readFinal()).status).toBe(101);
    const third = await bench.send(get('/2'));
    answer(await target.request(2));
    expect(await bodyOf(third)).toBe('200 /2');
    socket.destroy();
  });

  it('gets the place of one whose target failed or timed out', async () => {
    const target = await held();
    const timeouts = { responseMs: 300 };
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, limits: LIMITS, timeouts });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    const second = await bench.send(get('/1'));
    await queued(1);
    expect((await first.readFinal()).status).toBe(504);
    (await target.request(1)).connection.reset();
    const third = await bench.send(head('POST /2 HTTP/1.1', HOST, 'Content-Length: 0'));
    expect((await second.readFinal()).status).toBe(502);
    answer(await target.request(2));
    expect(await bodyOf(third)).toBe('200 /2');
  });

  it('follows the routes: to the limit that was raised, and to the other side after a switch', async () => {
    const [blue, green] = [await held(), await bench.target()];
    const sides = (blueOpen: boolean) => ({
      blue: { targets: [blue.port], weight: 1, admin: blueOpen ? 'enabled' : 'draining' } as const,
      green: { targets: [green.port], weight: blueOpen ? 0 : 1 },
    });
    await bench.serve({ upstreams: sides(true), limits: LIMITS });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    const second = await bench.send(get('/1'));
    await queued(1);
    const third = await bench.send(get('/2'));
    await queued(2);
    await bench.republish({ upstreams: sides(true), limits: { ...LIMITS, inFlight: 2 } });
    expect((await blue.request(1)).target).toBe('/1');
    await queued(1);
    await bench.republish({ upstreams: sides(false), limits: LIMITS });
    expect(await bodyOf(third)).toBe('200 GET /2');
    for (const request of blue.requests) answer(request);
    expect([await bodyOf(first), await bodyOf(second)]).toEqual(['200 /0', '200 /1']);
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 3 } });
  });

  it('is answered by stable when it was meant for the candidate, which is charged', async () => {
    const [blue, green] = [await bench.target(), await held()];
    const limits = { ...LIMITS, queue: 0 };
    const upstreams = { blue: { targets: [blue.port], weight: 0 }, green: { targets: [green.port], weight: 1 } };
    await bench.serve({ upstreams, candidate: 'green', limits });
    const first = await bench.send(get('/0'));
    await bench.gate.inFlight(bench.service, 1);
    expect(await bodyOf(await bench.send(get('/1')))).toBe('200 GET /1');
    answer(await green.request(0));
    expect(await bodyOf(first)).toBe('200 /0');
    await bench.account();
    expect(bench.trials('green')).toMatchObject({ trials: 2, errors: 1, shielded: 1 });
  });
});

describe('a thousand clients of a target that never answers', () => {
  it(obligation('S23-never-answers', 'limits on requests in flight and in the queue'), async () => {
    const [silent, lively] = [await held(), await bench.target()];
    const service = 'thousand';
    const limits = { inFlight: 20, queue: 50, queueTimeoutMs: 300 };
    await bench.gate.publish({
      [service]: {
        hosts: ['silent.test'],
        upstreams: { blue: { targets: [silent.port] } },
        limits,
        timeouts: { responseMs: 1_000 },
      },
      other: { hosts: ['lively.test'], upstreams: { blue: { targets: [lively.port] } }, limits },
    });
    let most = 0;
    silent.script = () => {
      most = Math.max(most, silent.openConnections);
    };
    const clients = await Promise.all(
      Array.from({ length: 1_000 }, () => bench.send(head('GET / HTTP/1.1', 'Host: silent.test'))),
    );
    const other = await bench.client();
    for (let n = 0; n < 50; n++) {
      other.write(head('GET / HTTP/1.1', 'Host: lively.test'));
      expect((await other.readFinal()).status).toBe(200);
    }
    const statuses = await Promise.all(clients.map(async (client) => (await client.readFinal()).status));
    expect(new Set(statuses)).toEqual(new Set([503, 504]));
    expect(most).toBeLessThanOrEqual(20);
    const { accepted, outcomes } = await bench.gate.settled(service);
    expect(accepted).toBe(1_000);
    expect((outcomes.overloaded ?? 0) + (outcomes.timeout ?? 0)).toBe(1_000);
    expect(outcomes.timeout).toBeGreaterThanOrEqual(20);
  });
});
