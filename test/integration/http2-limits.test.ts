import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { answerOf, useHttp2Clients } from '../support/http2-client.ts';
import { data, END_HEADERS, END_STREAM, FRAME, frame, headers, rst, settings } from '../support/http2-frames.ts';
import { framesOf, GET, get, goawayCode, HELLO, POST, received, resetCode } from '../support/http2-raw-client.ts';
import { eventually } from '../support/inbox.ts';
import { head, response } from '../support/message.ts';
import type { ScriptedTarget, TargetScript } from '../support/scripted-target.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
const STREAMS = 20;

const bench = useBench({
  listener: {
    http2: { streams: STREAMS },
    timeouts: { headMs: 1_000, bodyMs: 1_000, keepAliveMs: 600 },
    limits: { headBytes: 2_048, fields: 20, bodyBytes: 1_000, connections: 40 },
  },
});
const clients = useHttp2Clients();

const silent: TargetScript = () => {};
const ok: TargetScript = (request) => void request.send(response('200 OK', [], 'hello'));

async function serve(script: TargetScript = ok): Promise<ScriptedTarget> {
  const target = await bench.target(script);
  await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
  return target;
}

/** Odd numbers, as clients number their streams. */
const ids = (count: number, from = 1): number[] => Array.from({ length: count }, (_, i) => from + 2 * i);

const windowUpdate = (stream: number, octets: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(octets);
  return frame(FRAME.windowUpdate, 0, stream, payload);
};

/** Nothing of the abuse is left: another client is served. */
async function servesOthers(target: ScriptedTarget): Promise<void> {
  target.script = ok;
  expect(await clients.open(bench.gate.port).request()).toMatchObject({ status: 200, body: 'hello' });
}

describe('the limit of streams', () => {
  it('refuses those beyond it, and they may be repeated', async () => {
    const target = await serve(silent);
    const client = await bench.send(HELLO, ...ids(STREAMS + 1).map(get));
    expect(await resetCode(client, 2 * STREAMS + 1)).toBe(NGHTTP2_REFUSED_STREAM);
    await target.request(STREAMS - 1);
    for (const request of target.requests) request.send(response('200 OK'));
    await received(client, 'the last answer', ({ stream }) => stream === 2 * STREAMS - 1);
    client.write(get(2 * STREAMS + 3));
    await target.request(STREAMS);
    client.destroy();
    expect(await bench.account()).toMatchObject({ accepted: STREAMS + 1, outcomes: { ok: STREAMS, client_abort: 1 } });
  });

  it('is told to the client', async () => {
    await serve();
    const client = clients.open(bench.gate.port);
    await client.request();
    expect(client.session.remoteSettings).toMatchObject({ maxConcurrentStreams: STREAMS, maxHeaderListSize: 2_688 });
  });
});

describe('requests that are reset as soon as they are made (CVE-2023-44487)', () => {
  it('end the connection', async () => {
    const target = await serve(silent);
    const client = await bench.send(HELLO);
    let last = 1;
    while (!client.closed && last < 2 * 400) {
      const round = ids(STREAMS, last);
      client.write(...round.map(get));
      await eventually('they have come', () => client.closed || target.requests.length >= (last - 1) / 2 + STREAMS);
      client.write(...round.map((id) => rst(id, 8)));
      last += 2 * STREAMS;
    }
    expect(await goawayCode(client)).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
    await client.readUntilClosed();
    await eventually('no connection to the target is left', () => target.openConnections === 0);
    const { accepted, outcomes } = await bench.account();
    expect(outcomes).toEqual({ client_abort: accepted });
    expect(accepted).toBeGreaterThanOrEqual(200);
    expect(accepted).toBeLessThanOrEqual(260);
    await servesOthers(target);
  });

  it('never begin where the reset comes with them, and end it all the same', async () => {
    const target = await serve(silent);
    const client = await bench.send(HELLO, ...ids(400).flatMap((id) => [get(id), rst(id, 8)]));
    expect(await goawayCode(client)).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
    await client.readUntilClosed();
    expect(target.connections).toEqual([]);
    expect(await bench.account()).toMatchObject({ accepted: 0 });
    await servesOthers(target);
  });

  it('end it, too, when it is a fault of theirs that has the gate reset them (CVE-2025-8671)', async () => {
    const target = await serve(silent);
    const client = await bench.send(HELLO, ...ids(400).flatMap((id) => [get(id), windowUpdate(id, 0)]));
    expect(await goawayCode(client)).not.toBe(NGHTTP2_NO_ERROR);
    await client.readUntilClosed();
    expect(target.connections).toEqual([]);
    expect(await bench.account()).toMatchObject({ accepted: 0 });
    await servesOthers(target);
  });

  it('are no abuse of a client that waits for as many answers', async () => {
    await serve((request) => {
      if (request.target === '/answered') request.send(response('200 OK'));
    });
    const client = clients.open(bench.gate.port);
    for (let i = 0; i < 260; i++) {
      const cancelled = client.open({ ':path': '/cancelled' }, true);
      await client.request({ ':path': '/answered' });
      cancelled.close(constants.NGHTTP2_CANCEL);
    }
    expect(await client.request({ ':path': '/answered' })).toMatchObject({ status: 200 });
    expect(client.goaway).toBe(null);
    expect(await bench.account()).toMatchObject({ accepted: 521, outcomes: { ok: 261, client_abort: 260 } });
  });
});

describe('a flood', () => {
  it.each([
    ['PING', frame(FRAME.ping, 0, 0, Buffer.alloc(8)), FRAME.ping],
    ['SETTINGS', settings([3, 100]), FRAME.settings],
  ])('of %s ends the connection', async (_, flooding, type) => {
    const target = await serve();
    const client = await bench.send(HELLO);
    const answered = (): number => framesOf(client.inbox.bytes).filter((each) => each.type === type).length;
    for (let sent = 100; !client.closed && sent <= 3_000; sent += 100) {
      client.write(...Array.from({ length: 100 }, () => flooding));
      await eventually('they are answered', () => client.closed || answered() >= sent);
    }
    expect(await goawayCode(client)).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
    await client.readUntilClosed();
    expect(answered()).toBeLessThan(2_000);
    await servesOthers(target);
  });

  it('of PING whose answers are not read ends the connection', async () => {
    const target = await serve();
    const client = await bench.send(HELLO);
    client.pause();
    const pings = Buffer.concat(Array.from({ length: 20_000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
    client.write(pings);
    await servesOthers(target);
    client.resume();
    await client.readUntilClosed();
  });

  it('of empty DATA ends the connection', async () => {
    const target = await serve(silent);
    const client = await bench.send(HELLO, headers(1, POST));
    await target.request();
    client.write(...Array.from({ length: 3_000 }, () => data(1, '')));
    await client.readUntilClosed();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    await servesOthers(target);
  });

  it('of CONTINUATION ends the connection', async () => {
    const target = await serve();
    const fields = headers(1, GET).subarray(9);
    const more = headers(1, [['x-more', 'y'.repeat(100)]]).subarray(9);
    const client = await bench.send(
      HELLO,
      frame(FRAME.headers, END_STREAM, 1, fields),
      ...Array.from({ length: 5_000 }, () => frame(FRAME.continuation, 0, 1, more)),
    );
    await client.readUntilClosed();
    expect(target.requests).toEqual([]);
    await servesOthers(target);
  });

  it('of fields that a few octets stand for is refused', async () => {
    const target = await serve();
    const bomb = Buffer.concat([
      headers(1, GET).subarray(9),
      Buffer.of(0x40), // a literal that is put into the table …
      headers(1, [['x-bomb', 'y'.repeat(2_000)]]).subarray(10),
      Buffer.alloc(10_000, 0x80 | 62), // … and is meant from then on
    ]);
    const client = await bench.send(HELLO, frame(FRAME.headers, END_HEADERS | END_STREAM, 1, bomb));
    expect(await resetCode(client, 1)).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
    expect(target.requests).toEqual([]);
    client.write(get(3));
    await received(client, 'the answer to another request', ({ stream }) => stream === 3);
  });
});

describe('the timeouts', () => {
  it('close a connection that carries no request any more, with a goodbye', async () => {
    await serve();
    const client = clients.open(bench.gate.port);
    await client.request();
    await client.ended();
    expect(client.goaway).toBe(NGHTTP2_NO_ERROR);
  });

  it('close a connection that has not even begun', async () => {
    await serve();
    const client = await bench.client();
    await client.readUntilClosed();
    const partly = await bench.send('PRI * HTTP/2.0\r\n\r\nSM\r\n');
    expect((await partly.readResponse()).status).toBe(505); // as any head that is not HTTP/1
    await partly.readUntilClosed();
  });

  it('close a connection whose first request never becomes whole', async () => {
    const target = await serve();
    const client = await bench.send(HELLO, frame(FRAME.headers, END_STREAM, 1, headers(1, GET).subarray(9)));
    await client.readUntilClosed();
    expect(target.requests).toEqual([]);
  });

  it('keep a connection that carries a request, and its other requests', async () => {
    const target = await serve(silent);
    const client = clients.open(bench.gate.port);
    const slow = client.request({ ':path': '/slow' });
    const request = await target.request();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    request.send(response('200 OK', [], 'late'));
    expect(await slow).toMatchObject({ status: 200, body: 'late' });
  });

  it('end what served earlier requests, and later ones are served all the same', async () => {
    const target = await serve(silent);
    const client = clients.open(bench.gate.port);
    const slow = client.request({ ':path': '/slow' });
    const request = await target.request();
    target.script = ok;
    expect(await client.request()).toMatchObject({ status: 200, body: 'hello' });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await client.request()).toMatchObject({ status: 200, body: 'hello' });
    request.send(response('200 OK', [], 'late'));
    expect(await slow).toMatchObject({ status: 200, body: 'late' });
  });

  it('answer 408 where a body stalls, and the other requests go on', async () => {
    const target = await serve(silent);
    const client = clients.open(bench.gate.port);
    const stalled = client.open({ ':method': 'POST', ':path': '/stalled' });
    stalled.write('part');
    await target.request();
    target.script = ok;
    expect(await answerOf(stalled)).toMatchObject({ status: 408, code: 0 });
    expect(await client.request()).toMatchObject({ status: 200 });
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 1, rejected: 1 } });
  });

  it('end a request that is answered and that its client does not end, and not with an error', async () => {
    await serve(async (request) => {
      await request.whole;
      request.send(response('200 OK', [], 'hello'));
    });
    const client = await bench.send(HELLO, headers(1, [...POST, ['content-length', '5']]), data(1, 'hello'));
    expect(await resetCode(client, 1)).toBe(NGHTTP2_NO_ERROR);
    expect(framesOf(client.inbox.bytes).some(({ type, flags }) => type === FRAME.data && flags === END_STREAM)).toBe(
      true,
    );
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('leave alone who is silent in a request whose answer has begun', async () => {
    const target = await serve((request) => {
      request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '1\r\na\r\n');
    });
    const stream = clients.open(bench.gate.port).open({ ':method': 'POST' });
    const answer = answerOf(stream);
    stream.write('part');
    const request = await target.request();
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    stream.end('rest');
    expect(await request.whole).toBe(true);
    request.send('0\r\n\r\n');
    expect(await answer).toMatchObject({ status: 200, body: 'a', code: 0 });
  });

  it('cut a request whose client takes nothing of its answer', async () => {
    const target = await serve((request) => {
      request.send(head('HTTP/1.1 200 OK', 'Content-Length: 10000000'), Buffer.alloc(10_000_000, 'x'));
    });
    const client = await bench.send(HELLO, get(1)); // and no WINDOW_UPDATE behind the first 65,535 octets
    expect(await resetCode(client, 1)).not.toBe(NGHTTP2_NO_ERROR);
    const taken = framesOf(client.inbox.bytes).filter(({ type }) => type === FRAME.data);
    expect(taken.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(65_535);
    await (await target.connection()).closed();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    await client.readUntilClosed();
  });

  it('cut a connection whose client reads nothing at all', async () => {
    const target = await serve((request) => {
      request.send(head('HTTP/1.1 200 OK', 'Content-Length: 10000000'), Buffer.alloc(10_000_000, 'x'));
    });
    const client = await bench.send(HELLO, windowUpdate(0, 1 << 30), get(1), windowUpdate(1, 1 << 30));
    client.pause();
    await target.request();
    await (await target.connection()).closed();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    client.resume();
    await client.readUntilClosed();
    await servesOthers(target);
  });

  it('are not needed where a client leaves in the middle of many answers', async () => {
    const target = await serve((request) => {
      request.send(head('HTTP/1.1 200 OK', 'Content-Length: 10000000'), Buffer.alloc(1_000_000, 'x'));
    });
    const all = ids(STREAMS);
    const windows = all.map((id) => windowUpdate(id, 1 << 30));
    for (let i = 0; i < 5; i++) {
      const client = await bench.send(HELLO, windowUpdate(0, 1 << 30), ...all.map(get), ...windows);
      await client.readBytes(1_000);
      client.pause();
      await target.request(STREAMS * (i + 1) - 1);
      client.reset();
    }
    await eventually('the targets are let go', () => target.openConnections === 0);
    expect(await bench.account()).toMatchObject({ accepted: 100, outcomes: { client_abort: 100 } });
    await servesOthers(target);
  });

  it('end an answer that is complete and that nobody takes', async () => {
    const target = await serve((request) => void request.send(response('200 OK', [], 'x'.repeat(60_000))));
    const client = await bench.send(Buffer.concat([HELLO, settings([4, 10])]), get(1)); // a window of 10 octets
    await target.request();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    await resetCode(client, 1);
    await client.readUntilClosed();
  });
});

describe('the body limit', () => {
  it('answers 413, by the length or by the octets', async () => {
    const target = await serve(silent);
    const client = clients.open(bench.gate.port);
    const body = Buffer.alloc(1_001);
    expect(await client.request({ ':method': 'POST', 'content-length': 1_001 }, { body })).toMatchObject({
      status: 413,
    });
    expect(await client.request({ ':method': 'POST' }, { body })).toMatchObject({ status: 413 });
    await eventually('no target has a whole request', () => target.openConnections === 0);
    expect(target.whole).toEqual([]);
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { rejected: 2 } });
  });

  it('is what a length says: other octets are no part of the request', async () => {
    const target = await serve(silent);
    const sized = headers(1, [...POST, ['content-length', '5']]);
    const less = await bench.send(HELLO, sized, data(1, '1234', END_STREAM));
    expect(await resetCode(less, 1)).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
    const more = await bench.send(HELLO, sized, data(1, '123456', END_STREAM));
    await more.readUntilClosed();
    await eventually('no target has a connection', () => target.openConnections === 0);
    expect(target.whole).toEqual([]);
    await bench.account();
  });
});

describe('the limit of connections', () => {
  it('counts those of HTTP/2', async () => {
    await serve();
    const all = Array.from({ length: 40 }, () => clients.open(bench.gate.port));
    await Promise.all(all.map((client) => client.request()));
    const another = await bench.client();
    another.write(HELLO);
    await another.readUntilClosed();
  });
});

describe('a request body that breaks a limit while its answer is under way', () => {
  it.each(['chunked', 'sized'])('ends its stream alone (%s answer)', async (framing) => {
    const begun = framing === 'chunked' ? ['Transfer-Encoding: chunked'] : ['Content-Length: 100000'];
    const target = await serve((request) => {
      request.send(head('HTTP/1.1 200 OK', ...begun), framing === 'chunked' ? '5\r\nbegun\r\n' : 'begun');
    });
    const client = await bench.send(HELLO, headers(1, POST));
    await received(client, 'the answer begins', ({ type, stream }) => type === FRAME.data && stream === 1);
    client.write(data(1, 'x'.repeat(600)), data(1, 'x'.repeat(600)), data(1, 'x'.repeat(600)));
    expect(await resetCode(client, 1)).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    await servesOthers(target);
  });
});
