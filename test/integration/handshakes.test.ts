import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { monotonicMs } from '../../src/platform/clock.ts';
import { readTarget } from '../support/accounts.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head, response, value } from '../support/message.ts';
import { handshake, SWITCHED } from '../support/websocket.ts';

const bench = useBench();

describe('a WebSocket handshake that is refused at length', () => {
  it('to a client that reads nothing holds the target back, and lets go of both when that lasts too long', async () => {
    const part = Buffer.alloc(256 * 1024, 'x');
    let sent = 0;
    const target = await bench.target(async (request) => {
      request.send(head('HTTP/1.1 403 Forbidden', 'Transfer-Encoding: chunked'));
      while (target.openConnections > 0) {
        if (request.send(`${part.length.toString(16)}\r\n`, part, '\r\n')) await new Promise(setImmediate);
        else await request.connection.drained();
        sent += part.length;
      }
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.client();
    client.pause();
    client.write(handshake());
    for (let before = -1; sent === 0 || sent !== before; ) {
      before = sent;
      await sleep(300);
    }
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    expect(target.openConnections).toBe(1);
    await eventually('the target is let go', () => target.openConnections === 0, 6_000);
  });
});

describe('a WebSocket handshake with more than Node.js takes', () => {
  const large = useBench({
    listener: { limits: { headBytes: 1024 * 1024, fields: 10_000, bodyBytes: 0, connections: 10 } },
  });
  const many = (count: number, length: number): string[] =>
    Array.from({ length: count }, (_, i) => `X-${i}: ${'v'.repeat(length)}`);

  it.each([
    ['fields', many(2_500, 1)],
    ['octets', many(90, 2_000)],
  ])('reaches its target with all %s', async (_, fields) => {
    const target = await large.target((request) => {
      request.connection.tunnel();
      request.send(SWITCHED);
    });
    await large.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await large.send(handshake().subarray(0, -2), `${fields.join('\r\n')}\r\n\r\n`);
    expect((await client.readFinal()).status).toBe(101);
    const got = (await target.request()).fields.filter(({ name }) => /^x-\d+$/i.test(name));
    expect(got).toHaveLength(fields.length);
  });

  it.each([
    ['fields', many(2_500, 1)],
    ['octets', many(30, 1_000)],
  ])('is answered with all %s', async (_, fields) => {
    const target = await large.target((request) => {
      request.send(response('403 Forbidden', fields, 'no'));
    });
    await large.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await large.send(handshake());
    const answer = await client.readFinal();
    expect(answer.status).toBe(403);
    expect(answer.fields.filter(({ name }) => /^x-\d+$/i.test(name))).toHaveLength(fields.length);
  });
});

describe('a WebSocket handshake whose client leaves', () => {
  it.each(['reset', 'destroy'] as const)('inside a refusal lets go of the target too (%s)', async (leave) => {
    const target = await bench.target((request) => {
      request.send(head('HTTP/1.1 403 Forbidden', 'Content-Length: 100'), 'half');
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.send(handshake());
    await client.inbox.wait('the refusal', () => (client.inbox.bytes.includes('half') ? true : undefined));
    expect(target.openConnections).toBe(1);
    client[leave]();
    await eventually('the target sees its connection closed', () => target.openConnections === 0);
  });
});

describe('a WebSocket handshake that its target has not answered', () => {
  it('at the end of a drain is answered 504, once, and both sides are let go', async () => {
    const target = await bench.target(() => undefined);
    const spec = { weight: 100, targets: [target.port] };
    await bench.serve({ upstreams: { blue: spec } });
    const client = await bench.send(handshake());
    const asked = await target.request();
    const sinceMs = monotonicMs();
    await bench.republish({
      upstreams: { blue: { ...spec, admin: 'draining', closing: { sinceMs, cutAtMs: sinceMs } } },
    });
    const answer = await client.readFinal();
    expect([answer.status, value(answer, 'connection')]).toEqual([504, 'close']);
    await asked.connection.closed();
    asked.send(SWITCHED);
    await client.readUntilClosed();
    expect(client.rest).toHaveLength(0);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { cut: 1 } });
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
  });

  it.each(['099', '600', '999'])('is answered 502 when what comes is no status (%s)', async (status) => {
    const target = await bench.target((request) => {
      request.send(response(`${status} Strange`, [], 'no secret'));
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.send(handshake());
    const answer = await client.readFinal();
    expect([answer.status, value(answer, 'proxy-status')]).toEqual([502, 'gate; error=http_protocol_error']);
    await client.readUntilClosed();
    expect(client.rest).toHaveLength(0);
    await eventually('the target is let go', () => target.openConnections === 0);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { reset: 1 } });
    expect(bench.gate.upstream(bench.service, 'blue').targets.map(readTarget)).toMatchObject([
      { attempts: 1, failures: 1 },
    ]);
  });
});

describe('the answer to a WebSocket handshake', () => {
  it.each([
    ['101 Switching', 'upgrade', ['Upgrade: websocket', 'Connection: Upgrade, X-Hop']],
    ['403 N\xf6', 'close', ['Content-Length: 0', 'Connection: keep-alive, X-Hop']],
  ])('keeps its octets and loses what was for the gate (%s)', async (status, connection, fields) => {
    const own = ['X-Hop: 1', 'Keep-Alive: timeout=5', 'X-Tealgate-Upstream: green', 'X-Name: \xe9\xc3\xa9'];
    const target = await bench.target((request) => {
      request.connection.tunnel();
      request.send(head(`HTTP/1.1 ${status}`, ...own, ...fields));
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.send(handshake());
    const answer = await client.readFinal();
    expect([answer.status, value(answer, 'connection')]).toEqual([Number(status.slice(0, 3)), connection]);
    expect(value(answer, 'x-name')).toBe('\xe9\xc3\xa9');
    for (const name of ['x-hop', 'keep-alive', 'x-tealgate-upstream']) expect(value(answer, name)).toBeUndefined();
    client.destroy();
  });

  it.each(['204 No Content', '304 Not Modified'])('has no body where its status says so (%s)', async (status) => {
    const target = await bench.target((request) => {
      request.send(head(`HTTP/1.1 ${status}`));
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.send(handshake());
    const answer = await client.readFinal();
    expect(value(answer, 'transfer-encoding')).toBeUndefined();
    await client.readUntilClosed();
    expect(client.rest).toHaveLength(0);
  });
});
