import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { answerOf, type Http2Client, useHttp2Clients } from '../support/http2-client.ts';
import { END_STREAM, FRAME, headers, rst, settings, windowUpdate } from '../support/http2-frames.ts';
import { framesOf, GET, HELLO } from '../support/http2-raw-client.ts';
import { response } from '../support/message.ts';
import { TEST_LISTENER } from '../support/routes.ts';
import { seeded } from '../support/seeded.ts';
import { type Asked, answerTo, pathOf, plan, SeededTargets } from '../support/seeded-bodies.ts';

/** What serves a stream serves the next one of its session, too: none may find anything left of the one before. */
const bench = useBench({
  listener: { http2: { streams: 100 }, limits: { ...TEST_LISTENER.limits, bodyBytes: 300_000 } },
});
const clients = useHttp2Clients();

const INITIAL_WINDOW_SIZE = 4;

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

describe('requests of one session, one after another', () => {
  /** Each is followed by a plain request, which must be served as if nothing had been. */
  const before: readonly [name: string, ask: (client: Http2Client) => Promise<void>][] = [
    ['a GET', async (client) => expect(await client.request()).toMatchObject({ status: 200, body: 'GET / ' })],
    ['a HEAD', async (client) => expect(await client.request({ ':method': 'HEAD' })).toMatchObject({ body: '' })],
    [
      'a body in chunks, with trailers',
      async (client) => {
        const answer = await client.request({ ':method': 'POST' }, { body: 'abc', trailers: { 'x-sum': '1' } });
        expect(answer).toMatchObject({ status: 200, body: 'POST / abc', code: 0 });
      },
    ],
    [
      'a body with a length',
      async (client) => {
        const answer = await client.request({ ':method': 'PUT', 'content-length': '4' }, { body: 'abcd' });
        expect(answer).toMatchObject({ status: 200, body: 'PUT / abcd' });
      },
    ],
    [
      'one that is malformed',
      async (client) => expect(await client.request({ ':scheme': 'ftp' })).toMatchObject({ status: 400 }),
    ],
    [
      'one that is malformed and has a body to come',
      async (client) => {
        const stream = client.open({ ':method': 'POST', ':scheme': 'ftp' });
        stream.write('more to come');
        expect(await answerOf(stream)).toMatchObject({ status: 400, code: constants.NGHTTP2_NO_ERROR });
      },
    ],
    [
      'one whose body is too large',
      async (client) => {
        const answer = client.request({ ':method': 'POST' }, { body: Buffer.alloc(300_001) });
        expect(await answer).toMatchObject({ status: 413 });
      },
    ],
    [
      'one that is cancelled before it is answered',
      async (client) => {
        const stream = client.open({ ':path': '/never' }, true);
        stream.close(constants.NGHTTP2_CANCEL);
        await answerOf(stream);
      },
    ],
    [
      'one that is cancelled in the middle of its body',
      async (client) => {
        const stream = client.open({ ':method': 'POST' });
        stream.write('abc');
        await new Promise((resolve) => setImmediate(resolve));
        stream.close(constants.NGHTTP2_CANCEL);
        await answerOf(stream);
      },
    ],
    [
      'an answer that breaks off',
      async (client) => {
        const answer = await client.request({ ':path': '/broken' });
        expect(answer.code).toBe(constants.NGHTTP2_INTERNAL_ERROR);
      },
    ],
    [
      'an answer with trailers',
      async (client) => {
        const answer = await client.request({ ':path': '/trailers' });
        expect(answer).toMatchObject({ body: 'hello', trailers: { 'x-last': 'yes' } });
      },
    ],
    [
      'an answer without a body',
      async (client) => expect(await client.request({ ':path': '/204' })).toMatchObject({ status: 204, body: '' }),
    ],
  ];

  async function serve(): Promise<void> {
    const target = await bench.target(async (request) => {
      const { connection } = request;
      switch (request.target) {
        case '/never':
          return;
        case '/broken':
          connection.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
          connection.destroy();
          return;
        case '/trailers':
          connection.send(
            'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Last: yes\r\n\r\n',
          );
          return;
        case '/204':
          connection.send(response('204 No Content'));
          return;
        default: {
          if (!(await request.whole)) return;
          const { method, body } = request;
          connection.send(response('200 OK', [], method === 'HEAD' ? '' : `${method} ${request.target} ${body.bytes}`));
        }
      }
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
  }

  it.each(before)('find nothing left of %s', async (_, ask) => {
    await serve();
    const client = clients.open(bench.gate.port);
    for (let i = 0; i < 3; i++) {
      await ask(client);
      expect(await client.request({ ':path': '/next' })).toMatchObject({ status: 200, body: 'GET /next ', code: 0 });
    }
  });

  it('find nothing left of any of them, in any order', async () => {
    await serve();
    const client = clients.open(bench.gate.port);
    const random = seeded(1);
    for (let i = 0; i < 60; i++) {
      const [, ask] = before[Math.floor(random() * before.length)] ?? [];
      await ask?.(client);
    }
    expect(await client.request({ ':path': '/next' })).toMatchObject({ status: 200, body: 'GET /next ', code: 0 });
  });
});

describe('answers of one session, many at once', () => {
  it('keep their octets while others are given up', async () => {
    const targets = new SeededTargets();
    const port = await targets.http1();
    await bench.serve({ upstreams: { blue: { targets: [port] } } });
    const client = clients.open(bench.gate.port);
    const random = seeded(7);
    const ask = async (asked: Asked): Promise<void> => {
      const stream = client.open({ ':path': pathOf(asked) }, true);
      const answer = answerOf(stream);
      if (random() < 0.4) {
        const code = random() < 0.5 ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_NO_ERROR;
        stream.once('data', () => stream.close(code));
        await answer;
        return;
      }
      expect(Buffer.from((await answer).body, 'latin1').equals(answerTo(asked))).toBe(true);
    };
    for (let round = 0; round < 8; round++) {
      const asked = Array.from({ length: 25 }, (_, i) => ({ ...plan(random, 'gate.test', round * 25 + i), up: 0 }));
      await Promise.all(asked.map(ask));
    }
    expect(targets.faults).toEqual([]);
    targets.close();
  });

  it('keep theirs where they were given up while they waited to be sent', async () => {
    const targets = new SeededTargets();
    const port = await targets.http1();
    await bench.serve({ upstreams: { blue: { targets: [port] } } });
    const asks = (seed: number): Asked => {
      return { host: 'gate.test', seed, up: 0, down: 700_000, chunkedUp: false, chunkedDown: false };
    };
    const ids = Array.from({ length: 90 }, (_, i) => 2 * i + 1);
    const raw = await bench.client();
    raw.pause();
    const fields = (id: number): (readonly [string, string])[] => [...GET.slice(0, 3), [':path', pathOf(asks(id))]];
    raw.write(HELLO, settings([INITIAL_WINDOW_SIZE, 2 ** 31 - 1]), windowUpdate(0, 2 ** 31 - 65_536));
    raw.write(...ids.map((id) => headers(id, fields(id), END_STREAM)));
    await atRest(() => bench.gate.account().accepted);
    raw.write(...ids.map((id) => rst(id, constants.NGHTTP2_CANCEL)));
    const client = clients.open(bench.gate.port);
    const others = Array.from({ length: 40 }, (_, i) => asks(1000 + i));
    const bodies = await Promise.all(others.map((asked) => client.request({ ':path': pathOf(asked) })));
    expect(bodies.every(({ body }, i) => body === answerTo(others[i] as Asked).latin1Slice())).toBe(true);
    raw.resume();
    await atRest(() => raw.inbox.bytes.length);
    const frames = framesOf(raw.inbox.bytes).filter(({ type }) => type === FRAME.data);
    expect(frames.length).toBeGreaterThan(100);
    const wrong = ids.filter((id) => {
      const came = Buffer.concat(frames.filter(({ stream }) => stream === id).map(({ payload }) => payload));
      return !came.equals(answerTo(asks(id)).subarray(0, came.length));
    });
    expect(wrong).toEqual([]);
    targets.close();
  });
});
