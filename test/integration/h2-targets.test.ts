import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { readCell, UPSTREAM } from '../../src/traffic/ledger.ts';
import { readTarget } from '../support/accounts.ts';
import { useBench } from '../support/bench.ts';
import { data, END_STREAM, FRAME, goaway, headers, rst, settings } from '../support/http2-frames.ts';
import { echo, type StreamHandler, useHttp2Targets } from '../support/http2-targets.ts';
import { eventually } from '../support/inbox.ts';
import { chunked, head, type ParsedResponse, value, values } from '../support/message.ts';
import type { ServiceSpec } from '../support/routes.ts';

const bench = useBench();
const targets = useHttp2Targets();

const GET = head('GET /x HTTP/1.1', 'Host: gate.test');
const POST = Buffer.concat([head('POST /x HTTP/1.1', 'Host: gate.test', 'Content-Length: 5'), Buffer.from('hello')]);
const OK = [[':status', '200']] as const;

/** Of a chunked body. */
const PART = '5\r\nhello\r\n';

async function route(ports: readonly number[], spec: Partial<ServiceSpec> = {}): Promise<void> {
  await bench.serve({ upstreams: { blue: { targets: ports, http2: true } }, ...spec });
}

/** A gate in front of Node's own server. */
async function serve(onStream: StreamHandler, options = {}) {
  const target = await targets.node(onStream, options);
  await route([target.port]);
  return target;
}

async function ask(request: Buffer = GET): Promise<ParsedResponse> {
  return (await bench.send(request)).readFinal();
}

const text = ({ body }: ParsedResponse): string => body.bytes.toString();
const target = () => readTarget(bench.gate.upstream(bench.service, 'blue').targets[0] as never);

describe('an h2c: target', () => {
  it('is spoken to by HTTP/2 and answers as any other', async () => {
    await serve(echo);
    expect(text(await ask(POST))).toBe('POST /x hello');
    expect(text(await ask())).toBe('GET /x ');
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 2 } });
  });

  it('gets the request as HTTP/2 has it, and no field of the connection', async () => {
    let seen: IncomingHttpHeaders = {};
    await serve((stream, fields) => {
      seen = fields;
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    const client = await bench.send(
      head(
        'DELETE /a?b=c HTTP/1.1',
        'Host: Gate.test:80',
        'TE: gzip, trailers',
        'Connection: x-hop',
        'X-Hop: 1',
        'X-A: 1',
      ),
    );
    expect((await client.readFinal()).status).toBe(204);
    expect(seen).toMatchObject({
      ':method': 'DELETE',
      ':scheme': 'http',
      ':authority': 'Gate.test:80',
      ':path': '/a?b=c',
      te: 'trailers',
      'x-a': '1',
      via: expect.stringMatching(/^1\.1 tealgate-/),
      'x-forwarded-for': '127.0.0.1',
    });
    for (const name of ['host', 'connection', 'x-hop', 'transfer-encoding', 'upgrade'])
      expect(Object.keys(seen)).not.toContain(name);
  });

  it('serves many clients over one connection', async () => {
    const server = await serve(echo);
    expect(text(await ask())).toBe('GET /x ');
    const answers = await Promise.all(Array.from({ length: 80 }, () => ask(POST)));
    expect(new Set(answers.map(text))).toEqual(new Set(['POST /x hello']));
    expect(server.opened).toBe(1);
    expect(target().connections).toBe(1);
  });

  it('gets further connections where it allows few streams on each', async () => {
    const waiting: (() => void)[] = [];
    const server = await serve(
      (stream) => waiting.push(() => stream.respond({ ':status': 204 }, { endStream: true })),
      { settings: { maxConcurrentStreams: 2 } },
    );
    const answers = Array.from({ length: 6 }, () => ask());
    await eventually('all six are there', () => waiting.length === 6);
    expect(server.opened).toBe(3);
    for (const answer of waiting) answer();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(6).fill(204));
  });

  it('takes chunked bodies without their trailers, and its own arrive behind a chunked body', async () => {
    let trailers = 0;
    await serve((stream) => {
      stream.on('trailers', () => trailers++);
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': ['a', 'b'] }));
      stream.pipe(stream);
    });
    const body = Buffer.concat([chunked('hello ', 'trailers').subarray(0, -2), Buffer.from('X-Digest: 1\r\n\r\n')]);
    const answer = await ask(
      Buffer.concat([
        head('POST /x HTTP/1.1', 'Host: gate.test', 'Transfer-Encoding: chunked', 'Trailer: X-Digest'),
        body,
      ]),
    );
    expect(text(answer)).toBe('hello trailers');
    expect(answer.body.framing).toBe('chunked');
    expect(answer.body.trailers).toEqual([
      { name: 'x-sum', value: 'a' },
      { name: 'x-sum', value: 'b' },
    ]);
    expect(trailers).toBe(0);
  });

  it('is relayed field by field, repeated ones and Latin-1 octets included', async () => {
    await serve((stream) => {
      stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'], 'x-name': 'J\xf6rg', date: 'now' });
      stream.end('x');
    });
    const answer = await ask();
    expect(values(answer, 'set-cookie')).toEqual(['a=1', 'b=2']);
    expect(value(answer, 'x-name')).toBe('J\xf6rg');
    expect(value(answer, 'date')).toBe('now');
  });

  it('is relayed in one piece with the body that came with it', async () => {
    await serve((stream) => {
      stream.respond({ ':status': 200, 'content-length': 5 });
      stream.end('hello');
    });
    const client = await bench.client();
    for (let asked = 1; asked <= 20; asked++) {
      client.write(GET);
      await client.peekHead();
      expect(client.rest.toString('latin1')).toMatch(/\r\n\r\nhello$/);
      await client.readFinal();
    }
  });

  it('answers HEAD, 204 and 304 without a body, and an empty 200 with Content-Length: 0', async () => {
    await serve((stream, { ':path': path, ':method': method }) => {
      if (method === 'HEAD') stream.respond({ ':status': 200, 'content-length': '17' }, { endStream: true });
      else stream.respond({ ':status': Number(path?.slice(1)) }, { endStream: true });
    });
    const client = await bench.client();
    client.write(head('HEAD /200 HTTP/1.1', 'Host: gate.test'));
    const answer = await client.readFinal({ method: 'HEAD' });
    expect([answer.status, value(answer, 'content-length')]).toEqual([200, '17']);
    for (const status of [204, 304, 200]) {
      client.write(head(`GET /${status} HTTP/1.1`, 'Host: gate.test'));
      const { framing } = (await client.readFinal()).body;
      expect([status, framing]).toEqual([status, status === 200 ? 'length' : 'none']);
    }
    expect(target().connections).toBe(1);
  });

  it('may send interim responses, and a hundred at most', async () => {
    await serve((stream, { ':path': path }) => {
      for (let i = 0; i < Number(path?.slice(1)); i++) stream.additionalHeaders({ ':status': 103, link: `</${i}>` });
      stream.respond({ ':status': 200 });
      stream.end('done');
    });
    const few = await (await bench.send(head('GET /3 HTTP/1.1', 'Host: gate.test'))).readFinal();
    expect(few.interim.map((interim) => [interim.status, value(interim, 'link')])).toEqual([
      [103, '</0>'],
      [103, '</1>'],
      [103, '</2>'],
    ]);
    const many = await (await bench.send(head('POST /10000 HTTP/1.1', 'Host: gate.test'))).readFinal();
    expect([many.status, many.interim.length]).toEqual([502, 100]);
    expect(value(many, 'proxy-status')).toBe('gate; error=http_protocol_error');
  });

  it('asks for the body of an expectation itself', async () => {
    await serve((stream) => {
      stream.additionalHeaders({ ':status': 100 });
      echo(stream, { ':method': 'POST', ':path': '/x' });
    });
    const client = await bench.send(
      head('POST /x HTTP/1.1', 'Host: gate.test', 'Content-Length: 5', 'Expect: 100-continue'),
    );
    expect((await client.readResponse()).status).toBe(100);
    client.write('hello');
    expect(text(await client.readFinal())).toBe('POST /x hello');
  });

  it('answers a WebSocket handshake as the plain request that is left of it', async () => {
    await serve(echo);
    const answer = await ask(
      head(
        'GET /ws HTTP/1.1',
        'Host: gate.test',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ),
    );
    expect([answer.status, text(answer)]).toEqual([200, 'GET /ws ']);
  });
});

describe('back-pressure with an h2c: target', () => {
  const SIZE = 24 * 1024 * 1024;

  it('holds a target back while the client does not read, and gives all of it then', async () => {
    let written = 0;
    await serve((stream) => {
      stream.respond({ ':status': 200, 'content-length': SIZE });
      give(stream, SIZE, (octets) => {
        written += octets;
      });
    });
    const client = await bench.client();
    client.pause();
    client.write(GET);
    await settledAt(() => written);
    expect(written).toBeLessThan(SIZE / 2);
    client.resume();
    expect((await client.readFinal()).body.bytes.length).toBe(SIZE);
  });

  it('holds a client back while the target does not read, and lets other requests of the connection pass', async () => {
    const stalled: (() => void)[] = [];
    await serve((stream, { ':method': method, ':path': path }) => {
      if (method === 'GET') echo(stream, { ':method': method, ':path': path });
      else {
        stalled.push(() => {
          stream.respond({ ':status': 200, 'content-length': SIZE });
          stream.pipe(stream);
        });
      }
    });
    const client = await bench.send(head('POST /x HTTP/1.1', 'Host: gate.test', `Content-Length: ${SIZE}`));
    client.write(Buffer.alloc(SIZE, 'x'));
    await eventually('the request is there', () => stalled.length === 1);
    await settledAt(() => client.unsentBytes);
    expect(client.unsentBytes).toBeGreaterThan(SIZE / 2);
    expect(text(await ask())).toBe('GET /x ');
    stalled[0]?.();
    expect((await client.readFinal()).body.bytes.length).toBe(SIZE);
  });

  it('lets other responses pass a client that does not read', async () => {
    await serve((stream, { ':path': path }) => {
      stream.respond({ ':status': 200, 'content-length': path === '/x' ? 5 : SIZE });
      if (path === '/x') stream.end('small');
      else give(stream, SIZE);
    });
    const slow = await bench.client();
    slow.pause();
    slow.write(head('GET /large HTTP/1.1', 'Host: gate.test'));
    await bench.gate.inFlight(bench.service, 1);
    for (let i = 0; i < 20; i++) expect(text(await ask())).toBe('small');
    expect(target().connections).toBe(1);
    slow.resume();
    expect((await slow.readFinal()).body.bytes.length).toBe(SIZE);
  });
});

/** Writes so many octets, no faster than they are taken, and ends. */
function give(stream: ServerHttp2Stream, size: number, onWritten: (octets: number) => void = () => {}): void {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  let left = size;
  const more = (): void => {
    while (left > 0) {
      left -= chunk.length;
      onWritten(chunk.length);
      if (!stream.write(chunk)) return void stream.once('drain', more);
    }
    stream.end();
  };
  more();
}

/** Waits until a number has stood still for a while. */
async function settledAt(read: () => number): Promise<void> {
  for (let before = -1; before !== read(); ) {
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

describe('an HTTP/2 target that fails', () => {
  const { NGHTTP2_REFUSED_STREAM: REFUSED, NGHTTP2_INTERNAL_ERROR: INTERNAL, NGHTTP2_NO_ERROR: NO_ERROR } = constants;

  async function frames(script: Parameters<typeof targets.frames>[0], spec: Partial<ServiceSpec> = {}) {
    const opened = await targets.frames(script);
    await route([opened.port], spec);
    return opened;
  }

  async function fails(error: string, status = 502, request: Buffer = POST): Promise<void> {
    const answer = await ask(request);
    expect([answer.status, value(answer, 'proxy-status')]).toEqual([status, `gate; error=${error}`]);
  }

  it('is not waited for beyond the connect timeout if its SETTINGS never come', async () => {
    const silent = await frames({ greeting: [], acknowledges: false }, { timeouts: { connectMs: 200 } });
    await fails('connection_timeout', 504);
    expect(silent.requests).toBe(0);
    await eventually('the connection is closed', () => silent.connections.every(({ closed }) => closed));
    expect(await bench.account()).toMatchObject({ outcomes: { timeout: 1 } });
  });

  it('is known for one that speaks something else', async () => {
    const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await route([(server.address() as { port: number }).port]);
    await fails('http_protocol_error');
    expect(await bench.account()).toMatchObject({ outcomes: { connect_failed: 1 } });
    server.close();
  });

  it('gets a request that it refused once more, on another connection, whatever its method', async () => {
    const refusing = await frames({
      onRequest: (connection, stream, count) => {
        if (count === 2) connection.send(rst(stream, REFUSED));
        else connection.send(headers(stream, OK, END_STREAM));
      },
    });
    expect((await ask(POST)).status).toBe(200);
    expect((await ask(POST)).status).toBe(200);
    expect([refusing.requests, refusing.connections.length]).toEqual([3, 2]);
    expect(target().failures).toBe(0);
    await bench.account();
    expect(bench.trials()).toMatchObject({ errors: 0, retries: 1 });
  });

  it('is left for another target when it refuses on a new connection, too', async () => {
    const refusing = await targets.frames({ onRequest: (connection, stream) => connection.send(rst(stream, REFUSED)) });
    const good = await targets.node(echo);
    await route([refusing.port, good.port], { retries: { budget: 1 } });
    for (let i = 0; i < 10; i++) expect(text(await ask(POST))).toBe('POST /x hello');
    expect(refusing.requests).toBeGreaterThan(0);
    await bench.account();
    expect(target().failures).toBeGreaterThan(0);
  });

  it('is asked again, on another connection, for what its GOAWAY says was not processed', async () => {
    const leaving = await frames({
      onRequest: (connection, stream, count) => {
        if (count === 1) connection.send(headers(stream, OK, END_STREAM));
        else if (count === 2) connection.send(goaway(1));
        else connection.send(headers(stream, [[':status', '201']], END_STREAM));
      },
    });
    expect((await ask(POST)).status).toBe(200);
    expect((await ask(POST)).status).toBe(201);
    expect(leaving.requests).toBe(3);
    await bench.account();
    expect(bench.trials()).toMatchObject({ errors: 0, retries: 1 });
  });

  it('is asked again for a request whose body came later, as long as it is short', async () => {
    for (const [size, expected] of [
      [5, 201],
      [30_000, 201],
      [40_000, 502],
    ] as const) {
      const leaving = await frames({
        takesBodies: true,
        onRequest: (connection, stream, count) => {
          if (count === 1) connection.send(headers(stream, OK, END_STREAM));
          else if (count > 2) connection.send(headers(stream, [[':status', '201']], END_STREAM));
        },
        onFrame: ({ type, flags, stream }, connection) => {
          if (type === FRAME.data && flags === END_STREAM && stream === 3) connection.send(goaway(1));
        },
      });
      expect((await ask(GET)).status).toBe(200);
      const client = await bench.send(head('POST /x HTTP/1.1', 'Host: gate.test', `Content-Length: ${size}`));
      await leaving.seen(FRAME.headers, 2);
      client.write(Buffer.alloc(size, 'x'));
      expect((await client.readFinal()).status).toBe(expected);
    }
  });

  it('finishes what it had begun before its GOAWAY, and gets no more on that connection', async () => {
    const leaving = await frames({
      onRequest: (connection, stream, count) => {
        if (count > 1) connection.send(headers(stream, [[':status', '201']], END_STREAM));
        else connection.send(headers(stream, OK), data(stream, 'part '), goaway(stream));
      },
    });
    const first = await bench.send(POST);
    await first.peekHead();
    expect((await ask(POST)).status).toBe(201);
    expect(leaving.connections).toHaveLength(2);
    leaving.connections[0]?.send(data(1, 'rest', END_STREAM));
    expect(text(await first.readFinal())).toBe('part rest');
    await eventually('the connection is closed', () => leaving.connections[0]?.closed === true);
  });

  it('answers for what an unclean GOAWAY drops, and not for what it had not begun', async () => {
    await frames({
      onRequest: (connection, stream, count) => {
        if (count === 3) connection.send(headers(stream, [[':status', '201']], END_STREAM));
        else if (count === 2) connection.send(goaway(1, INTERNAL));
      },
    });
    const [first, second] = [await bench.send(POST), await bench.client()];
    await bench.gate.inFlight(bench.service, 1);
    second.write(POST);
    expect((await first.readFinal()).status).toBe(502);
    expect((await second.readFinal()).status).toBe(201);
    expect(await bench.account()).toMatchObject({ outcomes: { ok: 1, reset: 1 } });
  });

  it('has failed a POST that it reset, and is asked again for a GET', async () => {
    const resetting = await frames({
      onRequest: (connection, stream, count) => {
        if (count === 1) connection.send(headers(stream, OK, END_STREAM));
        else connection.send(rst(stream, INTERNAL));
      },
    });
    expect((await ask()).status).toBe(200);
    await fails('connection_terminated');
    expect(resetting.requests).toBe(2);
    await fails('connection_terminated', 502, GET);
    expect(resetting.requests).toBe(4);
  });

  for (const [what, code] of [
    ['an error', INTERNAL],
    ['CANCEL', constants.NGHTTP2_CANCEL],
    ['NO_ERROR', NO_ERROR],
  ] as const) {
    it(`cuts the answer where it resets within the body, by ${what}`, async () => {
      const resetting = await frames({
        onRequest: (connection, stream) => connection.send(headers(stream, OK), data(stream, 'part')),
      });
      const client = await bench.send(GET);
      await client.peekHead();
      resetting.connections[0]?.send(rst(1, code));
      const cut = await client.readCut();
      expect([cut?.status, cut?.body.complete]).toEqual([200, false]);
      expect(await bench.account()).toMatchObject({ outcomes: { truncated: 1 } });
    });
  }

  it('has answered when its reset follows the end of the answer', async () => {
    await frames({
      onRequest: (connection, stream) =>
        connection.send(headers(stream, OK), data(stream, 'all', END_STREAM), rst(stream, NO_ERROR)),
    });
    const client = await bench.send(head('POST /x HTTP/1.1', 'Host: gate.test', 'Content-Length: 50'), 'a part');
    expect(text(await client.readFinal())).toBe('all');
    expect(await bench.account()).toMatchObject({ outcomes: { ok: 1 } });
  });

  it('has answered with the last octet of its Content-Length, and may end the stream when it likes', async () => {
    const slow = await frames({
      onRequest: (connection, stream) =>
        connection.send(headers(stream, [...OK, ['content-length', '3']]), data(stream, 'all')),
    });
    const client = await bench.send(GET, GET);
    expect(text(await client.readFinal())).toBe('all');
    expect(text(await client.readFinal())).toBe('all');
    client.destroy();
    expect(await bench.account()).toMatchObject({ outcomes: { ok: 2 } });
    slow.connections[0]?.send(data(1, '', END_STREAM), data(3, '', END_STREAM));
    expect(text(await ask())).toBe('all');
    expect(slow.connections.map((connection) => connection.of(FRAME.rst))).toEqual([[]]);
  });

  it('loses its connection when it goes on behind its Content-Length', async () => {
    const long = await frames({
      onRequest: (connection, stream) =>
        connection.send(headers(stream, [...OK, ['content-length', '3']]), data(stream, 'all')),
    });
    expect(text(await ask())).toBe('all');
    long.connections[0]?.send(data(1, 'more', END_STREAM));
    await long.seen(FRAME.goaway);
    expect(text(await ask())).toBe('all');
    expect(await bench.account()).toMatchObject({ outcomes: { ok: 2 } });
  });

  it('is not left with a request that it has answered without taking it', async () => {
    const heedless = await frames({
      onRequest: (connection, stream) => connection.send(headers(stream, OK), data(stream, 'all', END_STREAM)),
    });
    const body = Buffer.alloc(200_000, 'x');
    const client = await bench.send(head('PUT /x HTTP/1.1', 'Host: gate.test', `Content-Length: ${body.length}`), body);
    expect(text(await client.readFinal())).toBe('all');
    const [reset] = await heedless.seen(FRAME.rst, 1);
    expect(reset?.payload.readUInt32BE()).toBe(constants.NGHTTP2_CANCEL);
    expect((await ask(GET)).status).toBe(200);
    expect(heedless.connections).toHaveLength(1);
  });

  it('cuts what a lost connection has not finished, and fails what it had not begun', async () => {
    const lost = await frames({
      onRequest: (connection, stream, count) => {
        if (count === 1) connection.send(headers(stream, OK), data(stream, 'part'));
      },
    });
    const begun = await bench.send(GET);
    await begun.peekHead();
    const waiting = await bench.send(POST);
    await lost.seen(FRAME.headers, 2);
    lost.connections[0]?.reset();
    expect((await begun.readCut())?.body.complete).toBe(false);
    expect((await waiting.readFinal()).status).toBe(502);
    expect(await bench.account()).toMatchObject({ outcomes: { truncated: 1, reset: 1 } });
  });

  for (const [what, fields, body] of [
    ['more than its Content-Length', [...OK, ['content-length', '3']], 'hello'],
    ['less than its Content-Length', [...OK, ['content-length', '10']], 'hello'],
  ] as const) {
    it(`is not believed when it sends ${what}, whether at once or later`, async () => {
      const wrong = await frames({
        onRequest: (connection, stream, count) => {
          connection.send(headers(stream, fields), ...(count === 1 ? [data(stream, body, END_STREAM)] : []));
        },
      });
      expect((await ask(POST)).status).toBe(502);
      const client = await bench.send(POST);
      await client.peekHead();
      const [, { stream = 0 } = {}] = await wrong.seen(FRAME.headers, 2);
      wrong.connections.at(-1)?.send(data(stream, body, END_STREAM));
      const cut = await client.readCut();
      expect([cut?.status, cut?.body.complete]).toEqual([200, false]);
      expect(await bench.account()).toMatchObject({ outcomes: { reset: 1, truncated: 1 } });
    });
  }

  for (const [what, fields] of [
    ['a name in upper case', [...OK, ['X-A', 'b']]],
    ['a field of the connection', [...OK, ['connection', 'close']]],
    ['Transfer-Encoding', [...OK, ['transfer-encoding', 'chunked']]],
    ['two lengths', [...OK, ['content-length', '1'], ['content-length', '2']]],
    ['no status', [['x-a', 'b']]],
    ['two statuses', [...OK, [':status', '404']]],
    ['a status of letters', [[':status', 'abc']]],
    ['101', [[':status', '101']]],
    ['a status that is none, 600', [[':status', '600']]],
    ['a status that is none, 999', [[':status', '999']]],
    ['2,000 fields', [...OK, ...Array.from({ length: 2_000 }, (_, i) => [`x-${i}`, 'y'] as const)]],
  ] as const) {
    it(`is refused for ${what} in its head`, async () => {
      await frames({ onRequest: (connection, stream) => connection.send(headers(stream, fields, END_STREAM)) });
      const answer = await ask(POST);
      expect(answer.status).toBe(502);
      expect(answer.fields.map(({ name }) => name)).not.toContain('x-c');
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { reset: 1 } });
    });
  }

  it('cannot put a line end into a field: such a field is left out', async () => {
    const fields = [...OK, ['x-a', 'b\r\nx-c: d'], ['x-e', 'f\r\n\r\nsmuggled'], ['x-g', 'h\0']] as const;
    await frames({ onRequest: (connection, stream) => connection.send(headers(stream, fields, END_STREAM)) });
    const answer = await ask();
    expect(answer.fields.map(({ name }) => name)).toEqual(['content-length', 'Date']);
  });

  it('is refused for a push, which it was asked not to send', async () => {
    const promise = Buffer.concat([Buffer.from([0, 0, 0, 2]), headers(1, [[':method', 'GET']]).subarray(9)]);
    await frames({
      onRequest: (connection, stream) => connection.send(Buffer.concat([pushHead(promise.length, stream), promise])),
    });
    await fails('connection_terminated');
  });

  it.each([
    ['whose client has left', []],
    ['whose client has left in the middle of the answer', [headers(1, OK), data(1, 'part')]],
    ['that it has answered', [headers(1, OK, END_STREAM)]],
  ] as const)('never takes a request for whole %s before it was', async (_, answer) => {
    const taking = await frames({
      onFrame: ({ type }, connection) => {
        if (type === FRAME.data) connection.send(...answer);
      },
    });
    const client = await bench.send(head('POST /x HTTP/1.1', 'Host: gate.test', 'Transfer-Encoding: chunked'), PART);
    await taking.seen(FRAME.data);
    if (answer.length > 0) await client.peekHead();
    client.reset();
    const [reset] = await taking.seen(FRAME.rst);
    expect(reset?.payload.readUInt32BE()).toBe(constants.NGHTTP2_CANCEL);
    const ending = taking.connections[0]?.frames.filter(
      ({ type, flags }) => type <= FRAME.headers && (flags & END_STREAM) !== 0,
    );
    expect(ending).toEqual([]);
    await bench.account();
  });

  it('is told when a client leaves, and its other requests go on', async () => {
    const held = await frames({
      onRequest: (connection, stream, count) => {
        if (count === 2) connection.send(headers(stream, OK), data(stream, 'part '));
      },
    });
    const leaving = await bench.send(GET);
    await held.seen(FRAME.headers, 1);
    const staying = await bench.send(GET);
    await staying.peekHead();
    leaving.destroy();
    const [reset] = await held.seen(FRAME.rst, 1);
    expect([reset?.stream, reset?.payload.readUInt32BE()]).toEqual([1, constants.NGHTTP2_CANCEL]);
    held.connections[0]?.send(data(3, 'rest', END_STREAM));
    expect(text(await staying.readFinal())).toBe('part rest');
    expect(await bench.account()).toMatchObject({ outcomes: { ok: 1, client_abort: 1 } });
  });

  it('is given up when it does not answer in time, and its connection when it does not even answer a ping', async () => {
    const dead = await frames({ acknowledges: false }, { timeouts: { responseMs: 200 } });
    await fails('http_response_timeout', 504);
    expect(await dead.seen(FRAME.ping, 1)).toHaveLength(1);
    await eventually('the connection is closed', () => dead.connections[0]?.closed === true, 15_000);
    await eventually('it is off the books', () => target().connections === 0);
  }, 20_000);

  it('keeps a connection that answers the ping, and is asked once until it says something', async () => {
    const slow = await frames({}, { timeouts: { responseMs: 100 } });
    for (let i = 0; i < 4; i++) await fails('http_response_timeout', 504);
    expect(slow.connections).toHaveLength(1);
    expect(await slow.seen(FRAME.ping, 1)).toHaveLength(1);
  });

  it('that takes no stream at all is passed over', async () => {
    await frames({ greeting: [settings([3, 0])] });
    await fails('destination_unavailable');
  });
});

function pushHead(length: number, stream: number): Buffer {
  const octets = Buffer.alloc(9);
  octets.writeUIntBE(length, 0, 3);
  octets.writeUInt8(5, 3);
  octets.writeUInt8(4, 4);
  octets.writeUInt32BE(stream, 5);
  return octets;
}

describe('a candidate that is an HTTP/2 target', () => {
  it('gets copies of requests, on its own account, and a gRPC failure among them is one', async () => {
    const seen: (string | undefined)[] = [];
    const candidate = await targets.node((stream, fields) => {
      seen.push(fields['x-tealgate-mirror'] as string | undefined);
      const failing = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '13' };
      if (fields[':path'] === '/fail') stream.respond(failing, { endStream: true });
      else echo(stream, fields);
    });
    const stable = await targets.node(echo);
    await bench.serve({
      upstreams: {
        blue: { targets: [stable.port], http2: true },
        green: { targets: [candidate.port], http2: true, weight: 0 },
      },
      candidate: 'green',
      mirror: { to: 'green', share: 1, methods: ['GET'], requestBytes: 65_536, compare: null },
    });
    const cell = (name: 'mirrored' | 'mirrorErrors' | 'inFlight') =>
      readCell(bench.gate.upstream(bench.service, 'green').ledger, UPSTREAM.size, UPSTREAM[name]);
    expect(text(await ask())).toBe('GET /x ');
    expect(text(await ask(head('GET /fail HTTP/1.1', 'Host: gate.test')))).toBe('GET /fail ');
    await eventually('both copies are answered', () => cell('mirrored') === 2 && cell('inFlight') === 0);
    expect(seen).toEqual(['candidate', 'candidate']);
    expect(cell('mirrorErrors')).toBe(1);
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 2 } });
  });
});

describe('connections to HTTP/2 targets', () => {
  it('are closed when they have been idle', async () => {
    const server = await targets.node(echo);
    await route([server.port], { timeouts: { idleMs: 200 } });
    await ask();
    expect(target().connections).toBe(1);
    await eventually('it is closed', () => server.sessions.size === 0);
    await eventually('it is not counted', () => target().connections === 0);
    expect(text(await ask())).toBe('GET /x ');
  });

  it('end with their last request while their target drains', async () => {
    const held: (() => void)[] = [];
    const server = await serve((stream) => {
      held.push(() => {
        stream.respond({ ':status': 200 });
        stream.end('late');
      });
    });
    const client = await bench.send(GET);
    await eventually('it is there', () => held.length === 1);
    const other = await targets.node(echo);
    const closing = { sinceMs: 0, cutAtMs: Number.MAX_SAFE_INTEGER };
    await bench.republish({
      upstreams: {
        blue: { targets: [server.port], http2: true, weight: 0, admin: 'draining', closing },
        green: { targets: [other.port], http2: true },
      },
      stable: 'green',
    });
    expect(text(await ask())).toBe('GET /x ');
    expect(server.sessions.size).toBe(1);
    held[0]?.();
    expect(text(await client.readFinal())).toBe('late');
    await eventually('the connection is closed', () => server.sessions.size === 0);
  });

  it('carry every request through targets that restart every 100 ms, none of them twice', async () => {
    let seen = 0;
    const count: StreamHandler = (stream, fields) => {
      seen++;
      echo(stream, fields);
    };
    const servers = [await targets.node(count), await targets.node(count)];
    const ports = servers.map(({ port }) => port);
    await route(ports, { retries: { budget: 1 } });
    let sent = 0;
    let failed = 0;
    const until = performance.now() + 1_500;
    const client = async (): Promise<void> => {
      while (performance.now() < until) {
        sent++;
        if ((await ask(POST)).status !== 200) failed++;
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    for (let i = 0; performance.now() < until; i = 1 - i) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const old = servers[i];
      for (const session of old?.sessions ?? []) session.close();
      await new Promise((resolve) => old?.server.close(resolve));
      servers[i] = await targets.node(count, {}, ports[i]);
    }
    await clients;
    expect(failed).toBe(0);
    expect(seen).toBe(sent);
    const account = await bench.account();
    expect(account).toMatchObject({ accepted: sent, outcomes: { ok: sent } });
  });
});
