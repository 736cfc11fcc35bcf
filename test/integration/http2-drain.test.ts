import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { monotonicMs } from '../../src/platform/clock.ts';
import type { ListenerOptions } from '../../src/proxy/messages.ts';
import { useBench } from '../support/bench.ts';
import { answerOf, type Http2Client, useHttp2Clients } from '../support/http2-client.ts';
import { FRAME, type Frame } from '../support/http2-frames.ts';
import { framesOf, get, HELLO, received } from '../support/http2-raw-client.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';
import { TEST_LISTENER } from '../support/routes.ts';
import { echo, type TargetScript } from '../support/scripted-target.ts';
import { GATE, serving, useSecureClients } from '../support/tls.ts';
import { WorkerGate } from '../support/worker-gate.ts';

const HTTP2 = { http2: { streams: 100 } };
const HIGHEST = 2 ** 31 - 1;

const bench = useBench({ listener: HTTP2 });
const clients = useHttp2Clients();
const secure = useSecureClients();

/** A gate that may be drained. */
async function withGate(
  script: TargetScript,
  run: (gate: WorkerGate) => Promise<void>,
  tls: Partial<ListenerOptions> = {},
): Promise<void> {
  const target = await bench.target(script);
  const services = { shop: { upstreams: { blue: { targets: [target.port] } } } };
  const gate = await WorkerGate.start({ listener: { ...HTTP2, ...tls }, services });
  try {
    await run(gate);
    expect(gate.complaints).toEqual([]);
  } finally {
    await gate.stop();
  }
}

const lastStreams = (client: RawClient): number[] =>
  framesOf(client.inbox.bytes)
    .filter(({ type }: Frame) => type === FRAME.goaway)
    .map(({ payload }) => payload.readUInt32BE(0));

describe('a gate that stops', () => {
  it('asks its HTTP/2 clients to go, serves what crosses that, and finishes what is in flight', async () => {
    const release = Promise.withResolvers<void>();
    const script: TargetScript = async (request) => {
      if (request.target === '/slow') await release.promise;
      await echo(request);
    };
    await withGate(script, async (gate) => {
      const client = await RawClient.connect(gate.port);
      const slow = clients.open(gate.port);
      const answer = slow.request({ ':path': '/slow' });
      client.write(HELLO, get(1));
      await received(client, 'an answer', ({ stream, type }) => stream === 1 && type === FRAME.data);
      await gate.inFlight('shop', 1);
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 10_000, spreadMs: 10_000 });
      await received(client, 'the notice', ({ type }) => type === FRAME.goaway);
      expect(lastStreams(client)).toEqual([HIGHEST]);
      client.write(get(3)); // sent before the client has read it
      await received(
        client,
        'the answer to what crossed it',
        ({ stream, type }) => stream === 3 && type === FRAME.data,
      );
      await client.readUntilClosed();
      expect(new Set(lastStreams(client))).toEqual(new Set([HIGHEST, 3]));
      release.resolve();
      expect(await answer).toMatchObject({ status: 200, body: 'GET /slow', code: 0 });
      await slow.ended();
      await gate.drained();
      expect(await gate.settled('shop')).toMatchObject({ accepted: 3, outcomes: { ok: 3 } });
    });
  });

  it('fails no request of clients that heed it, one after another', async () => {
    await withGate(echo, async (gate) => {
      const busy = Array.from({ length: 30 }, () => clients.open(gate.port));
      const idle = Array.from({ length: 10 }, () => clients.open(gate.port));
      await Promise.all([...busy, ...idle].map((client) => client.request()));
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 30_000, spreadMs: 10_000 });
      const requests = (await Promise.all(busy.map(useUntilTold))).reduce((sum, each) => sum + each, 0);
      await Promise.all([...busy, ...idle].map((client) => client.ended()));
      await gate.drained();
      const ok = requests + busy.length + idle.length;
      expect(await gate.settled('shop')).toMatchObject({ accepted: ok, outcomes: { ok } });
      expect([...busy, ...idle].map(({ goaway }) => goaway)).toEqual(Array.from({ length: 40 }, () => 0));
    });
  });

  it('asks them over TLS, too', async () => {
    const run = async (gate: WorkerGate): Promise<void> => {
      const { socket } = await secure.open(gate.port, { ALPNProtocols: ['h2'] });
      const client = clients.open(gate.port, socket);
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 10_000, spreadMs: 10_000 });
      const requests = await useUntilTold(client);
      await client.ended();
      await gate.drained();
      expect(await gate.settled('shop')).toMatchObject({ accepted: requests, outcomes: { ok: requests } });
    };
    await withGate(echo, run, { tls: serving(GATE) });
  });

  it('cuts what is left at the deadline, never as if it were whole', async () => {
    const script: TargetScript = (request) => {
      if (request.target === '/stream')
        request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n');
    };
    await withGate(script, async (gate) => {
      const client = clients.open(gate.port);
      const stream = client.open({ ':path': '/stream' }, true);
      const cut = answerOf(stream);
      const late = client.request({ ':path': '/never' });
      await gate.inFlight('shop', 2);
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 600, spreadMs: 10_000 });
      expect(await late).toMatchObject({ status: 504 });
      expect(await cut).toMatchObject({ status: 200, body: 'hello', code: constants.NGHTTP2_INTERNAL_ERROR });
      await gate.drained();
      expect(await gate.settled('shop')).toMatchObject({ accepted: 2, outcomes: { cut: 2 } });
    });
  });

  it('does not wait for clients that stay', async () => {
    await withGate(echo, async (gate) => {
      const client = await RawClient.connect(gate.port);
      client.write(HELLO, get(1));
      await received(client, 'an answer', ({ stream, type }) => stream === 1 && type === FRAME.data);
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 60_000, spreadMs: 0 });
      await gate.drained();
      await client.readUntilClosed();
      expect(lastStreams(client).at(-1)).toBe(1);
    });
  });
});

describe('a listener that a reload takes out', () => {
  it('lets its HTTP/2 clients finish and go', async () => {
    const release = Promise.withResolvers<void>();
    const script: TargetScript = async (request) => {
      if (request.target === '/slow') await release.promise;
      await echo(request);
    };
    await withGate(script, async (gate) => {
      const [idle, slow] = [clients.open(gate.port), clients.open(gate.port)];
      await idle.request();
      const answer = slow.request({ ':path': '/slow' });
      await gate.inFlight('shop', 1);
      gate.post({ type: 'listeners', listeners: [{ ...TEST_LISTENER, id: 2 }], spreadMs: 500 });
      await idle.ended();
      expect(idle.goaway).toBe(0);
      await eventually('the other is told', () => slow.goaway === 0);
      release.resolve();
      expect(await answer).toMatchObject({ status: 200, code: 0 });
      await slow.ended();
      expect(await gate.settled('shop')).toMatchObject({ accepted: 2, outcomes: { ok: 2 } });
    });
  });
});

describe('a switch', () => {
  it('moves the next request of an HTTP/2 connection, and lets those in flight finish', async () => {
    const release = Promise.withResolvers<void>();
    const blue = await bench.target(async (request) => {
      await release.promise;
      await echo(request);
    });
    const green = await bench.target();
    const targets = { blue: { targets: [blue.port] }, green: { targets: [green.port] } };
    await bench.serve({ upstreams: { blue: { ...targets.blue, weight: 1 }, green: { ...targets.green, weight: 0 } } });
    const client = clients.open(bench.gate.port);
    const before = client.request();
    await blue.request();
    await bench.republish({
      upstreams: { blue: { ...targets.blue, weight: 0 }, green: { ...targets.green, weight: 1 } },
    });
    expect(await client.request()).toMatchObject({ status: 200 });
    expect([blue.requests.length, green.requests.length]).toEqual([1, 1]);
    release.resolve();
    expect(await before).toMatchObject({ status: 200 });
    expect(client.goaway).toBe(null);
  });
});

/** Sends one request after another until the client is told to go; returns how many were sent, all of them answered. */
async function useUntilTold(client: Http2Client): Promise<number> {
  let answered = 0;
  while (client.goaway === null) {
    const { status, code } = await client.request();
    // Node's client has read the GOAWAY before it had sent the request: it never left.
    if (code === constants.NGHTTP2_REFUSED_STREAM && client.goaway !== null) break;
    expect([status, code]).toEqual([200, 0]);
    answered++;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return answered;
}
