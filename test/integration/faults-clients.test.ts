import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/traffic/ledger.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head, response } from '../support/message.ts';
import type { RawClient } from '../support/raw-client.ts';
import { TEST_LISTENER } from '../support/routes.ts';
import { echo, type ScriptedTarget, type TargetScript } from '../support/scripted-target.ts';
import { handshake, SWITCHED } from '../support/websocket.ts';

const bench = useBench({ listener: { timeouts: { ...TEST_LISTENER.timeouts, headMs: 700, bodyMs: 1_000 } } });

const HOST = 'Host: gate.test';
const GET = head('GET /left HTTP/1.1', HOST);
const OK_HEAD = head('HTTP/1.1 200 OK', 'Content-Length: 1000');
const HANDSHAKE = handshake('/left');

/** A point at which a client may leave. */
interface Leaving {
  readonly when: string;
  readonly bytes: readonly (string | Buffer)[];
  /** What the target does with `/left`. */
  readonly script?: TargetScript;
  /** Waits until the point is reached. */
  readonly reached?: (target: ScriptedTarget, client: RawClient) => Promise<unknown>;
  readonly outcome: Outcome | 'none';
  /** A FIN here may also mean a client that still reads: then it ends differently, or later. */
  readonly onlyReset?: boolean;
}

const hasRequest = (target: ScriptedTarget): Promise<unknown> => target.request();
const hasHead = (_: ScriptedTarget, client: RawClient): Promise<unknown> => client.peekHead();

const POINTS: readonly Leaving[] = [
  { when: 'before it sent anything', bytes: [], outcome: 'none' },
  { when: 'inside its request head', bytes: ['GET /left HTTP/1.1\r\nHost: gate'], outcome: 'none' },
  {
    when: 'inside a body of known length',
    bytes: [head('POST /left HTTP/1.1', HOST, 'Content-Length: 100'), 'half'],
    reached: hasRequest,
    outcome: 'client_abort',
  },
  {
    when: 'between two chunks of its body',
    bytes: [head('POST /left HTTP/1.1', HOST, 'Transfer-Encoding: chunked'), '5\r\nhello\r\n'],
    reached: hasRequest,
    outcome: 'client_abort',
  },
  {
    when: 'inside a chunk',
    bytes: [head('POST /left HTTP/1.1', HOST, 'Transfer-Encoding: chunked'), '5\r\nhel'],
    reached: hasRequest,
    outcome: 'client_abort',
  },
  {
    when: 'inside its trailers',
    bytes: [head('POST /left HTTP/1.1', HOST, 'Transfer-Encoding: chunked'), '5\r\nhello\r\n0\r\nX-T'],
    reached: hasRequest,
    outcome: 'client_abort',
  },
  { when: 'before the answer', bytes: [GET], reached: hasRequest, outcome: 'client_abort', onlyReset: true },
  {
    when: 'after an interim answer',
    bytes: [GET],
    script: (request) => void request.send(head('HTTP/1.1 103 Early Hints')),
    reached: (_, client) => client.readResponse(),
    outcome: 'client_abort',
    onlyReset: true,
  },
  {
    when: "after the answer's head",
    bytes: [GET],
    script: (request) => void request.send(OK_HEAD),
    reached: hasHead,
    outcome: 'client_abort',
    onlyReset: true,
  },
  {
    when: 'inside the answer',
    bytes: [GET],
    script: (request) => void request.send(OK_HEAD, 'half'),
    reached: hasHead,
    outcome: 'client_abort',
    onlyReset: true,
  },
  {
    when: 'with pipelined requests waiting',
    bytes: [GET, head('GET /never HTTP/1.1', HOST)],
    reached: hasRequest,
    outcome: 'client_abort',
    onlyReset: true,
  },
  { when: 'inside a WebSocket handshake', bytes: [HANDSHAKE], reached: hasRequest, outcome: 'client_abort' },
];

describe('a client that leaves', () => {
  for (const point of POINTS) {
    for (const how of point.onlyReset === true ? (['reset'] as const) : (['reset', 'destroy'] as const)) {
      it(`${point.when} (${how === 'reset' ? 'RST' : 'FIN'}): the target is let go and the ledger says ${point.outcome}`, async () => {
        const target = await bench.target((request) => {
          if (request.target === '/left') return point.script?.(request);
          return echo(request);
        });
        await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
        const client = await bench.client();
        if (point.bytes.length > 0) client.write(...point.bytes);
        await client.flushed();
        await point.reached?.(target, client);
        client[how]();

        const probe = await bench.send(head('GET /next HTTP/1.1', HOST));
        expect((await probe.readFinal()).body.bytes.toString()).toBe('GET /next');
        const account = await bench.account();
        const left = point.outcome === 'none' ? {} : { [point.outcome]: 1 };
        expect(account.outcomes).toEqual({ ok: 1, ...left });
        // Nobody is to blame: the guards see the probe alone.
        expect(bench.trials()).toMatchObject({ trials: 1, errors: 0 });
        for (const request of target.requests.filter((seen) => seen.target === '/left'))
          await request.connection.closed();
        expect(target.whole.map((request) => request.target)).not.toContain('/never');
        await bench.connectionsAgree(target);
        expect(bench.gauges()).toEqual({ inFlight: 0, upgrades: 0, connections: 1 });
      });
    }
  }

  it.each(['before the head', 'inside the body'])(
    'by a FIN %s of an answer that stalls: it is taken for gone when nothing comes any more',
    async (when) => {
      const target = await bench.target(async (request) => {
        if (when === 'before the head') await new Promise((resolve) => setTimeout(resolve, 100));
        request.send(OK_HEAD, 'half');
        await new Promise((resolve) => setTimeout(resolve, 600));
        request.send('more'); // and then no more
      });
      await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
      const client = await bench.send(GET);
      if (when === 'inside the body') await client.peekHead();
      client.halfClose();
      const cut = await client.readCut();
      expect(cut?.body.bytes.toString()).toBe('halfmore');
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
      await (await target.connection()).closed();
      expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
      expect(bench.gauges()).toEqual({ inFlight: 0, upgrades: 0, connections: 0 });
    },
  );

  it('after the answer: the request counts as ok, and its target connection is kept', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(GET);
    await client.readFinal();
    client.reset();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    expect(bench.gauges()).toEqual({ inFlight: 0, upgrades: 0, connections: 1 });
  });

  for (const how of ['reset', 'destroy'] as const) {
    it(`inside a tunnel (${how === 'reset' ? 'RST' : 'FIN'}): the tunnel is closed on both sides and counted as ok`, async () => {
      const target = await bench.target((request) => {
        request.connection.tunnel();
        request.send(SWITCHED);
      });
      await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
      const client = await bench.send(HANDSHAKE);
      expect((await client.readFinal()).status).toBe(101);
      await eventually('the tunnel is counted', () => bench.gauges().upgrades === 2); // of its upstream and its target
      client[how]();
      await (await target.connection()).closed();
      await eventually('the tunnel is gone', () => bench.gauges().upgrades === 0);
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    });
  }

  it('inside a tunnel to a target that ignores it: the tunnel is closed all the same', async () => {
    const target = await bench.target((request) => {
      request.connection.ignoresEnd = true;
      request.connection.tunnel();
      request.send(SWITCHED);
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(HANDSHAKE);
    expect((await client.readFinal()).status).toBe(101);
    await eventually('the tunnel is counted', () => bench.gauges().upgrades === 2);
    client.destroy();
    await eventually('the tunnel is gone', () => bench.gauges().upgrades === 0);
  });
});

describe('a client that is slow', () => {
  it('stalls inside its body: 408, and the target is not blamed', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, timeouts: { responseMs: 3_000 } });
    const client = await bench.send(head('POST /slow HTTP/1.1', HOST, 'Content-Length: 100'), 'half');
    expect((await client.readFinal()).status).toBe(408);
    await client.readUntilClosed();
    const account = await bench.account();
    expect(account.accepted).toBe(1);
    expect(['rejected', 'client_abort']).toContain(Object.keys(account.outcomes)[0]);
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
    await (await target.connection()).closed();
  });

  it('uploads with pauses longer than the response timeout: the target has its whole time from the end of the request', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, timeouts: { responseMs: 300 } });
    const client = await bench.send(head('POST /slow HTTP/1.1', HOST, 'Content-Length: 3'), 'a');
    for (const part of ['b', 'c']) {
      await new Promise((resolve) => setTimeout(resolve, 600));
      client.write(part);
    }
    expect((await client.readFinal()).status).toBe(200);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    expect(bench.trials()).toMatchObject({ trials: 1, errors: 0 });
  });

  it('stalls inside its body for longer than the response timeout: the target is not blamed for that either', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, timeouts: { responseMs: 300 } });
    const client = await bench.send(head('POST /slow HTTP/1.1', HOST, 'Content-Length: 100'), 'half');
    expect((await client.readFinal()).status).toBe(408);
    await bench.account();
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
  });

  it('takes nothing of its answer: it is cut, and the target is not blamed', async () => {
    const target = await bench.target(
      (request) =>
        void request.send(head('HTTP/1.1 200 OK', 'Content-Length: 67108864'), Buffer.alloc(64 * 1024 * 1024)),
    );
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.client();
    client.pause();
    client.write(GET);
    await (await target.request()).connection.closed();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
  });

  it('trickles a head for ever: it is cut, and nothing reaches a target', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send('GET /slow HTTP/1.1\r\n');
    const drip = setInterval(() => client.write('X-A: b\r\n'), 50);
    await client.readUntilClosed().finally(() => clearInterval(drip));
    expect(target.connections).toHaveLength(0);
    const unrouted = bench.unrouted();
    expect(unrouted.accepted).toBe(unrouted.ended);
  });
});

describe('a client that breaks the protocol', () => {
  it('is refused and counted as rejected, with nothing on any service', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    for (const bytes of [
      'garbage\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n',
    ]) {
      const client = await bench.send(bytes);
      expect((await client.readFinal()).status).toBe(400);
      await client.readUntilClosed();
    }
    expect(bench.unrouted()).toEqual({ accepted: 3, outcomes: { rejected: 3 }, ended: 3 });
    expect(await bench.account()).toMatchObject({ accepted: 0, outcomes: {} });
    expect(target.connections).toHaveLength(0);
  });

  it('breaks its chunking behind the first chunk: 400, the target sees no end, and is not blamed', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'), '5\r\nhello\r\n');
    const request = await target.request();
    client.write('zz\r\n');
    expect((await client.readFinal()).status).toBe(400);
    expect(await request.whole).toBe(false);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { rejected: 1 } });
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
  });

  it('breaks its chunking when the answer has begun: the answer is cut, the target is not blamed', async () => {
    const target = await bench.target(
      (request) => void request.send(head('HTTP/1.1 200 OK', 'Content-Length: 100'), 'half'),
    );
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'), '5\r\nhello\r\n');
    await client.peekHead();
    client.write('zz\r\n');
    expect((await client.readCut())?.body.complete).toBe(false);
    expect((await bench.account()).accepted).toBe(1);
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
  });

  it('sends a request that no service answers to: 404 and rejected', async () => {
    const target = await bench.target();
    await bench.serve({ hosts: ['known.test'], upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(head('GET /x HTTP/1.1', 'Host: unknown.test'));
    expect((await client.readFinal()).status).toBe(404);
    client.write(head('GET /x HTTP/1.1', 'Host: KNOWN.test:80'));
    expect((await client.readFinal()).status).toBe(200);
    expect(bench.unrouted()).toEqual({ accepted: 1, outcomes: { rejected: 1 }, ended: 1 });
  });
});

describe('an answer that is long under way', () => {
  it('is not cut by the response timeout once its head is there', async () => {
    const target = await bench.target(async (request) => {
      request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'));
      for (let i = 0; i < 4; i++) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        request.send(`5\r\nevent\r\n`);
      }
      request.send('0\r\n\r\n');
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, timeouts: { responseMs: 250 } });
    const client = await bench.send(GET);
    expect((await client.readFinal()).body.bytes.toString()).toBe('event'.repeat(4));
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('whose interim answers keep coming is bounded by the response timeout', async () => {
    const target = await bench.target((request) => {
      const drip = setInterval(() => request.send(head('HTTP/1.1 102 Processing')), 50);
      void request.connection.closed().finally(() => clearInterval(drip));
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, timeouts: { responseMs: 500 } });
    const client = await bench.send(GET);
    expect((await client.readFinal()).status).toBe(504);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { timeout: 1 } });
  });
});

describe('many at once', () => {
  it('clients that leave at random points and targets that fail at random leave nothing behind', async () => {
    let seed = 20261122;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % below;
    };
    const target = await bench.target(async (request) => {
      const fate = random(12);
      if (fate === 0) return request.connection.reset();
      if (fate === 1) return request.connection.end();
      if (fate === 2) return void request.send('garbage\r\n\r\n');
      if (fate === 3) return void request.send(response('500 Internal Server Error'));
      if (fate === 4) {
        request.send(OK_HEAD, 'half');
        return request.connection.end();
      }
      return echo(request);
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const one = async (i: number): Promise<void> => {
      const client = await bench.client();
      const body = 'x'.repeat(random(3_000));
      const bytes = Buffer.concat([
        head(`POST /${i} HTTP/1.1`, HOST, `Content-Length: ${body.length}`),
        Buffer.from(body),
      ]);
      const leaveAt = random(3);
      client.write(leaveAt === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
      if (leaveAt === 2) await client.readFinal().catch(() => {});
      else await new Promise((resolve) => setTimeout(resolve, random(8)));
      client[random(2) === 0 ? 'reset' : 'destroy']();
    };
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 30 }, (_, i) => one(round * 30 + i)));
    const account = await bench.account();
    expect(account.accepted).toBe(account.ended);
    expect(account.accepted).toBeGreaterThan(150);
    await bench.connectionsAgree(target);
    const probe = await bench.client();
    for (let i = 0; i < 5; i++) {
      target.script = echo;
      probe.write(head(`GET /after${i} HTTP/1.1`, HOST));
      expect((await probe.readFinal()).body.bytes.toString()).toBe(`GET /after${i}`);
    }
  });
});
