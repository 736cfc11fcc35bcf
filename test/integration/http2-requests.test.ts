import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { answerOf, useHttp2Clients } from '../support/http2-client.ts';
import { data, END_HEADERS, END_STREAM, FRAME, type Frame, headers, rst } from '../support/http2-frames.ts';
import { framesOf, get, HELLO, POST, received, resetCode } from '../support/http2-raw-client.ts';
import { eventually } from '../support/inbox.ts';
import { chunked, head, response, value, values } from '../support/message.ts';
import type { ScriptedTarget, TargetScript } from '../support/scripted-target.ts';

/** HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3). */
const bench = useBench({ listener: { http2: { streams: 100 } }, accessLog: true });
const clients = useHttp2Clients();

async function serve(script?: TargetScript): Promise<ScriptedTarget> {
  const target = await bench.target(script);
  await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
  return target;
}

const answering = (...parts: (string | Buffer)[]): TargetScript => {
  return async (request) => {
    await request.whole;
    request.connection.send(...parts);
  };
};

const endsStream = (flags: number): boolean => (flags & END_STREAM) !== 0;

/** What is left when it has not changed for a while. */
async function atRest(read: () => number): Promise<number> {
  let last = Number.NaN;
  for (let unchanged = 0; unchanged < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = read();
    unchanged = now === last ? unchanged + 1 : 0;
    last = now;
  }
  return last;
}

describe('a request over HTTP/2', () => {
  it('reaches its target as HTTP/1.1 and is answered', async () => {
    const target = await serve(answering(response('200 OK', ['X-Answer: yes', 'Keep-Alive: timeout=9'], 'hello')));
    const client = clients.open(bench.gate.port);
    const answer = await client.request({ ':path': '/a?b', 'x-asked': 'yes', cookie: ['a=1', 'b=2'] });
    expect(answer).toMatchObject({ status: 200, body: 'hello', code: 0 });
    expect(answer.headers).toMatchObject({ 'x-answer': 'yes', 'content-length': '5' });
    expect(Object.keys(answer.headers)).not.toContain('keep-alive');
    const [request] = target.requests;
    if (request === undefined) throw new Error('no request came');
    expect(request.head.startLine).toBe('GET /a?b HTTP/1.1');
    expect(values(request.head, 'host')).toEqual([`gate.test:${bench.gate.port}`]);
    expect(values(request.head, 'x-asked')).toEqual(['yes']);
    expect(values(request.head, 'cookie')).toEqual(['a=1; b=2']);
    expect(values(request.head, 'te')).toEqual([]);
    expect(value(request.head, 'via')).toMatch(/^2\.0 tealgate-/);
    expect(value(request.head, 'x-forwarded-for')).toBe('127.0.0.1');
    expect(value(request.head, 'x-forwarded-proto')).toBe('http');
    expect(value(request.head, 'forwarded')).toContain('for=127.0.0.1');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    await eventually('the access line is there', () => bench.gate.accessLines.length > 0);
    expect(bench.gate.accessLines.join('')).toContain('"path":"/a","status":200,"bytes":5');
  });

  it('is one of many on its connection, answered as they come', async () => {
    const target = await serve((request) => {
      const path = request.head.startLine.split(' ')[1] ?? '';
      const answer = (): boolean => request.connection.send(response('200 OK', [], path));
      if (path !== '/0') answer();
      if (path === '/59') target.requests.find((before) => before.target === '/0')?.send(response('200 OK', [], '/0'));
    });
    const client = clients.open(bench.gate.port);
    const ask = async (i: number): Promise<string> => (await client.request({ ':path': `/${i}` })).body;
    const bodies = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(i)));
    expect(bodies).toEqual(Array.from({ length: 60 }, (_, i) => `/${i}`));
    expect(await bench.account()).toMatchObject({ accepted: 60, outcomes: { ok: 60 } });
  });

  it('carries a body without a length in chunks, with its trailers', async () => {
    const target = await serve(answering(response('200 OK')));
    const client = clients.open(bench.gate.port);
    await client.request({ ':method': 'POST' }, { body: 'abc', trailers: { 'x-sum': '6' } });
    const [request] = target.whole;
    expect(value(request?.head ?? { fields: [] }, 'transfer-encoding')).toBe('chunked');
    expect(request?.body.bytes.toString()).toBe('abc');
    expect(request?.body.trailers).toEqual([{ name: 'x-sum', value: '6' }]);
  });

  it('carries a body with its length as it is', async () => {
    const target = await serve(answering(response('201 Created')));
    const client = clients.open(bench.gate.port);
    const body = Buffer.alloc(300_000, 'x');
    const answer = await client.request({ ':method': 'PUT', 'content-length': body.length }, { body });
    expect(answer.status).toBe(201);
    const [request] = target.whole;
    expect(value(request?.head ?? { fields: [] }, 'content-length')).toBe('300000');
    expect(request?.body.bytes.equals(body)).toBe(true);
  });

  it('is told what a target says before its answer', async () => {
    await serve(
      answering(
        head('HTTP/1.1 103 Early Hints', 'Link: </a.css>', 'Link: </b.css>'),
        head('HTTP/1.1 103 Early Hints', 'Link: </c.css>'),
        response('200 OK', [], 'done'),
      ),
    );
    const answer = await clients.open(bench.gate.port).request();
    expect(answer.interim.map((hints) => [hints[':status'], hints.link])).toEqual([
      [103, '</a.css>, </b.css>'],
      [103, '</c.css>'],
    ]);
    expect(answer).toMatchObject({ status: 200, body: 'done' });
  });

  it('is not told of HTTP/2 itself, which is the affair of each connection', async () => {
    const settings = 'HTTP2-Settings: AAMAAABk';
    await serve(
      answering(
        head('HTTP/1.1 103 Early Hints', 'Link: </a.css>', settings),
        response('200 OK', [settings, 'X-A: b'], 'done'),
      ),
    );
    const answer = await clients.open(bench.gate.port).request();
    expect(answer).toMatchObject({ status: 200, body: 'done', code: 0, headers: { 'x-a': 'b' } });
    expect(answer.interim.map((hints) => hints.link)).toEqual(['</a.css>']);
    for (const fields of [answer.headers, ...answer.interim]) expect(fields).not.toHaveProperty('http2-settings');
  });

  it('is told a hundred times at most that its answer is to come', async () => {
    const hints = Array.from({ length: 1_000 }, (_, i) => head('HTTP/1.1 103 Early Hints', `Link: </${i}>`));
    await serve(answering(...hints, response('200 OK', [], 'done')));
    const answer = await clients.open(bench.gate.port).request();
    expect(answer).toMatchObject({ status: 200, body: 'done', code: 0 });
    expect(answer.interim.map((hint) => hint.link)).toEqual(Array.from({ length: 100 }, (_, i) => `</${i}>`));
  });

  it('that expects 100 Continue gets it from the target', async () => {
    await serve(async (request) => {
      request.connection.send(head('HTTP/1.1 100 Continue'));
      await request.whole;
      request.connection.send(response('200 OK', [], request.body.bytes));
    });
    const stream = clients.open(bench.gate.port).open({ ':method': 'POST', expect: '100-continue' });
    stream.once('continue', () => stream.end('body'));
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'body' });
  });

  it('is answered in chunks with trailers', async () => {
    const fields = ['Transfer-Encoding: chunked', 'Trailer: x-sum'];
    const body = '3\r\nabc\r\n3\r\ndef\r\n0\r\nX-Sum: 6\r\nX-More: 7\r\n\r\n';
    await serve(answering(head('HTTP/1.1 200 OK', ...fields), body));
    const client = clients.open(bench.gate.port);
    const answer = await client.request();
    expect(answer).toMatchObject({ status: 200, body: 'abcdef', trailers: { 'x-sum': '6', 'x-more': '7' } });
    expect(answer.headers).not.toHaveProperty('transfer-encoding');
  });

  it('is answered with trailers that come later than all else', async () => {
    await serve(async (request) => {
      request.connection.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '3\r\nabc\r\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      request.connection.send('0\r\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      request.connection.send('X-Sum: 6\r\n\r\n');
    });
    const answer = await clients.open(bench.gate.port).request();
    expect(answer).toMatchObject({ status: 200, body: 'abc', trailers: { 'x-sum': '6' }, code: 0 });
  });

  it('is answered in chunks without trailers', async () => {
    await serve(answering(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), chunked('abc', 'def')));
    const answer = await clients.open(bench.gate.port).request();
    expect(answer).toMatchObject({ status: 200, body: 'abcdef', trailers: {}, code: 0 });
  });

  it('is answered by a body that ends with the connection', async () => {
    await serve((request) => {
      request.connection.send(head('HTTP/1.1 200 OK'), 'to the end');
      request.connection.end();
    });
    expect(await clients.open(bench.gate.port).request()).toMatchObject({ status: 200, body: 'to the end', code: 0 });
  });

  it.each([
    ['HEAD', head('HTTP/1.1 200 OK', 'Content-Length: 5'), 200, '5'],
    ['GET', head('HTTP/1.1 204 No Content'), 204, undefined],
    ['GET', head('HTTP/1.1 304 Not Modified', 'ETag: "x"', 'Content-Length: 5'), 304, '5'],
    ['GET', response('205 Reset Content'), 205, undefined],
    ['GET', response('200 OK'), 200, '0'],
  ])('%s is answered without a body', async (method, answer, status, length) => {
    await serve(answering(answer));
    const got = await clients.open(bench.gate.port).request({ ':method': method });
    expect(got).toMatchObject({ status, body: '', code: 0 });
    expect(got.headers['content-length']).toBe(length);
  });

  it.each(['600', '999'])(
    'is answered as over HTTP/1.1 where the target answers with a status that is none: %s',
    async (status) => {
      await serve(answering(response(`${status} Odd`, ['X-A: 1'], 'hello')));
      const answer = await clients.open(bench.gate.port).request();
      expect(answer).toMatchObject({ status: 502, code: 0 });
      expect(answer.headers['proxy-status']).toBe('gate; error=http_protocol_error');
      const [client, asked] = [await bench.client(), head('GET / HTTP/1.1', 'Host: gate.test')];
      client.write(asked);
      const same = await client.readFinal();
      expect([same.status, value(same, 'proxy-status')]).toEqual([502, 'gate; error=http_protocol_error']);
    },
  );

  it('is answered with fields that a target repeats', async () => {
    await serve(answering(response('200 OK', ['Set-Cookie: a=1', 'ETag: "a"', 'ETag: "b"', 'Set-Cookie: b=2'])));
    const answer = await clients.open(bench.gate.port).request();
    expect(answer.status).toBe(200);
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  });

  it('is answered by a head as large as targets may send', async () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `x-${i}: ${'y'.repeat(50)}`);
    await serve((request) => void request.send(response('200 OK', lines, 'hello')));
    const client = await bench.send(HELLO, get(1));
    const isLast = ({ type, flags }: Frame): boolean => type === FRAME.continuation && (flags & END_HEADERS) !== 0;
    await received(client, 'the end of the head', isLast);
    await received(client, 'the body', ({ type, payload }) => type === FRAME.data && payload.toString() === 'hello');
  });

  it('is answered by the gate itself where there is no service', async () => {
    await bench.gate.publish({});
    const answer = await clients.open(bench.gate.port).request();
    expect(answer.status).toBe(404);
    expect(answer.body).toContain('no service answers');
    expect(answer.code).toBe(0);
  });

  it.each([
    ['Content-Length: 100', 'half'],
    ['Transfer-Encoding: chunked', '4\r\nhalf\r\n'],
  ])('ends with an error, never as if it were whole, where the target breaks off: %s', async (field, half) => {
    await serve((request) => {
      request.connection.send(head('HTTP/1.1 200 OK', field), half);
      request.connection.end();
    });
    const client = await bench.send(HELLO, get(1));
    expect(await resetCode(client, 1)).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    const frames = framesOf(client.inbox.bytes).filter(({ stream }) => stream === 1);
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.headers, END_HEADERS],
      [FRAME.data, 0],
      [FRAME.rst, 0],
    ]);
    expect(frames[1]?.payload.toString()).toBe('half');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { truncated: 1 } });
  });

  it('that its client cancels is cancelled at its target', async () => {
    const target = await serve(() => {});
    const client = clients.open(bench.gate.port);
    const stream = client.open({}, true);
    await target.request();
    stream.close(constants.NGHTTP2_CANCEL);
    await (await target.connection()).closed();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    target.script = answering(response('200 OK', [], 'next'));
    expect(await client.request()).toMatchObject({ status: 200, body: 'next' });
  });

  it.each([
    ['POST', 0],
    ['POST', 8],
    ['HEAD', 0],
    ['HEAD', 8],
  ])('that its client cancels in its body, %s with code %i, is cancelled at its target', async (method, code) => {
    const target = await serve(() => {});
    const fields = POST.map(([name, text]) => [name, name === ':method' ? method : text] as const);
    const client = await bench.send(HELLO, headers(1, fields), data(1, 'part'));
    const request = await target.request();
    await eventually('a part has come', () => request.body.bytes.length === 4);
    client.write(rst(1, code));
    await (await target.connection()).closed();
    expect(request.complete).toBe(false);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
  });

  it('ends with its connection', async () => {
    const target = await serve(() => {});
    const client = clients.open(bench.gate.port);
    client.open({}, true);
    client.open({ ':method': 'POST' }).write('part');
    await target.request(1);
    client.session.destroy();
    await (await target.connection(0)).closed();
    await (await target.connection(1)).closed();
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { client_abort: 2 } });
  });

  it('is answered while it still goes on, and both go on', async () => {
    const target = await serve((request) => {
      request.connection.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'));
    });
    const stream = clients.open(bench.gate.port).open({ ':method': 'POST' });
    const answer = answerOf(stream);
    stream.write('ping');
    const request = await target.request();
    for (let i = 1; i <= 5; i++) {
      await eventually(`ping ${i} has come`, () => request.body.bytes.length === 4 * i);
      const { promise, resolve } = Promise.withResolvers<void>();
      stream.once('data', () => resolve());
      request.connection.send(chunked('pong').subarray(0, -5));
      await promise;
      if (i < 5) stream.write('ping');
    }
    stream.end();
    await request.whole;
    request.connection.send('0\r\nGrpc-Status: 0\r\n\r\n');
    expect(await answer).toMatchObject({
      status: 200,
      body: 'pong'.repeat(5),
      trailers: { 'grpc-status': '0' },
      code: 0,
    });
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('may be answered before it has ended: then the client is told to stop', async () => {
    const target = await serve((request) => {
      request.connection.send(response('200 OK', [], 'enough'));
    });
    const client = clients.open(bench.gate.port);
    const stream = client.open({ ':method': 'POST' });
    stream.write('part');
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'enough', code: constants.NGHTTP2_NO_ERROR });
    await (await target.connection()).closed(); // it cannot be used for another request
    expect(await client.request()).toMatchObject({ status: 200, body: 'enough' });
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 2 } });
  });

  it.each([
    ['with trailers', 'X-Last: yes\r\n', FRAME.headers],
    ['without', '', FRAME.data],
  ] as const)('may be answered in chunks before it has ended, %s: the answer ends first', async (_, trailer, last) => {
    const target = await serve((request) => {
      request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n');
    });
    const client = await bench.send(HELLO, headers(1, POST), data(1, 'part'));
    await received(client, 'the answer', ({ type }) => type === FRAME.data);
    (await target.request()).send(`0\r\n${trailer}\r\n`);
    expect(await resetCode(client, 1)).toBe(constants.NGHTTP2_NO_ERROR);
    const [before, reset] = framesOf(client.inbox.bytes)
      .filter(({ stream }) => stream === 1)
      .slice(-2);
    expect([before?.type, before?.flags, reset?.type]).toEqual([last, expect.toSatisfy(endsStream), FRAME.rst]);
    expect(await bench.account()).toMatchObject({ outcomes: { ok: 1 } });
  });

  it('is answered as fast as its client reads, and no faster', async () => {
    const target = await serve((request) => {
      request.connection.send(head('HTTP/1.1 200 OK', `Content-Length: ${64 << 20}`), Buffer.alloc(64 << 20, 'x'));
    });
    const stream = clients.open(bench.gate.port).open({}, true);
    stream.on('response', () => stream.pause());
    await target.request();
    const connection = await target.connection();
    expect(await atRest(() => connection.unsentBytes)).toBeGreaterThan(50 << 20);
    let octets = 0;
    stream.on('data', (chunk: Buffer) => {
      octets += chunk.length;
    });
    stream.resume();
    await eventually('all has come', () => octets === 64 << 20, 20_000);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('is sent on as fast as its target reads, and no faster', async () => {
    const target = await serve(() => {});
    const stream = clients.open(bench.gate.port).open({ ':method': 'POST', 'content-length': 32 << 20 });
    const request = await target.request();
    request.connection.pause();
    stream.end(Buffer.alloc(32 << 20, 'x'));
    expect(await atRest(() => stream.bufferSize)).toBeGreaterThan(20 << 20);
    expect(request.complete).toBe(false);
    request.connection.resume();
    await request.whole;
    request.connection.send(response('200 OK', [], 'thanks'));
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'thanks' });
  });
});

describe('a malformed request over HTTP/2', () => {
  it.each([
    ['a scheme that is not HTTP', { ':scheme': 'ftp' }, 400],
    ['a Host that differs from :authority', { ':authority': 'gate.test', host: 'other.test' }, 400],
    ['an authority that is none', { ':authority': 'gate.test:99999' }, 400],
    ['a target that is too long', { ':path': `/${'x'.repeat(20_000)}` }, 414],
    ['a field that is too large', { 'x-large': 'x'.repeat(18_000) }, 431],
    ['TRACE', { ':method': 'TRACE' }, 405],
  ])('is answered and never forwarded: %s', async (_, fields, status) => {
    const target = await serve();
    const client = clients.open(bench.gate.port);
    expect(await client.request(fields)).toMatchObject({ status, code: 0 });
    expect(target.requests).toEqual([]);
    target.script = answering(response('200 OK'));
    expect(await client.request()).toMatchObject({ status: 200 }); // the connection goes on
    const refused = [await bench.account(), bench.unrouted()].map(({ outcomes }) => outcomes.rejected ?? 0);
    expect(refused.reduce((sum, count) => sum + count)).toBe(1);
  });

  it('with too many fields is told so', async () => {
    await serve();
    const fields = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-${i}`, 'y']));
    expect(await clients.open(bench.gate.port).request(fields)).toMatchObject({ status: 431 });
  });
});

describe('the same port', () => {
  it('goes on speaking HTTP/1.1, whether its octets come at once or one by one', async () => {
    await serve(answering(response('200 OK', [], 'hello')));
    const request = 'POST / HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 3\r\n\r\nabc';
    expect((await (await bench.send(request, request)).readResponse()).body.bytes.toString()).toBe('hello');
    const slow = await bench.client();
    await slow.writeByteByByte(request);
    expect((await slow.readResponse()).status).toBe(200);
  });

  it('takes the preface octet by octet, too', async () => {
    await serve();
    const client = await bench.client();
    await client.writeByteByByte('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    client.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    const settings = await client.readBytes(9);
    expect(settings[3]).toBe(4); // SETTINGS
  });

  it('ignores an upgrade to HTTP/2, which is not the way any more (RFC 9113 §3.1)', async () => {
    const target = await serve(answering(response('200 OK', [], 'hello')));
    const client = await bench.send(
      head(
        'GET / HTTP/1.1',
        'Host: gate.test',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAAQAAP__',
      ),
    );
    expect((await client.readResponse()).status).toBe(200);
    const [request] = target.requests;
    expect(request?.head.fields.map(({ name }) => name.toLowerCase())).not.toContain('http2-settings');
  });
});

describe('a listener without HTTP/2', () => {
  const plain = useBench();

  it('refuses the preface', async () => {
    await plain.serve({ upstreams: {} });
    const client = await plain.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect((await client.readResponse()).status).toBe(505);
  });
});
