import { constants } from 'node:http2';
import { expect, it } from 'vitest';
import type { BodyReader } from '../../src/http1/body-reader.ts';
import { ByteWriter } from '../../src/http1/byte-writer.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import type { UpstreamFailure, UpstreamHandler, UpstreamLink } from '../../src/http1/upstream-link.ts';
import { UpstreamSessions } from '../../src/http2/upstream-sessions.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  FRAME,
  type FrameTarget,
  frame,
  goaway,
  headers,
  settings,
} from '../support/http2-frames.ts';
import { useHttp2Targets } from '../support/http2-targets.ts';
import { eventually } from '../support/inbox.ts';

const targets = useHttp2Targets();
const writer = new ByteWriter(1024);

function sessionsWith(
  { port }: FrameTarget,
  deadlines = new Deadlines(),
  onOpenChange: (open: number) => void = () => {},
): UpstreamSessions {
  return new UpstreamSessions({ host: '127.0.0.1', port, idleMs: 600_000, deadlines, onOpenChange });
}

/** One request and what comes of it. */
class Asking implements UpstreamHandler {
  readonly link: UpstreamLink;
  isWhole = false;
  octets = 0;
  failure: UpstreamFailure | null = null;
  /** Takes no more than what comes first, until it is told to go on. */
  readonly #isSlow: boolean;
  readonly #lines: string;

  constructor(sessions: UpstreamSessions, { isSlow = false, lines = '', connectMs = 5_000 } = {}) {
    this.#isSlow = isSlow;
    this.#lines = lines;
    const idle = sessions.takeIdle(this);
    this.link = idle ?? sessions.connect(this, connectMs);
    if (idle !== null) this.onConnected();
  }

  onConnected(): void {
    writer.begin();
    writer.text(`GET / HTTP/1.1\r\nHost: gate.test\r\n${this.#lines}\r\n`);
    this.link.begin(writer, { isHead: false, trailers: false });
  }

  onHead(): void {}

  onBody(_: Buffer, reader: BodyReader): void {
    this.octets += reader.runBytes();
    if (this.#isSlow && this.octets === reader.runBytes()) this.link.pause();
    if (!reader.done) return;
    this.isWhole = true;
    this.link.release(true);
  }

  onUpstreamDrain(): void {}

  onUpstreamFailure(failure: UpstreamFailure): void {
    this.failure = failure;
  }

  async whole(): Promise<void> {
    await eventually('the answer is whole', () => this.isWhole);
  }
}

it('a stream that is answered and never ended is cancelled after a minute', async () => {
  const target = await targets.frames({
    onRequest: (connection, stream) =>
      connection.send(
        headers(stream, [
          [':status', '200'],
          ['content-length', '3'],
        ]),
        data(stream, 'all'),
      ),
  });
  const deadlines = new Deadlines();
  const sessions = sessionsWith(target, deadlines);
  await new Asking(sessions).whole();
  deadlines.sweep(performance.now() + 59_000);
  await new Asking(sessions).whole(); // on the same connection, behind whatever came of that
  expect(target.connections.map((connection) => connection.of(FRAME.rst))).toEqual([[]]);
  deadlines.sweep(performance.now() + 60_001);
  const resets = await target.seen(FRAME.rst, 2);
  expect(resets.map(({ payload }) => payload.readUInt32BE())).toEqual(Array(2).fill(constants.NGHTTP2_CANCEL));
  sessions.closing = true;
});

for (const [how, code] of [
  ['lost', null],
  ['given up', constants.NGHTTP2_INTERNAL_ERROR],
] as const) {
  it(`a response that was whole when its connection was ${how} is for a slow reader to take, all of it`, async () => {
    const part = 'x'.repeat(16_000);
    const target = await targets.frames({
      onRequest: (connection, stream) => {
        const parts = Array.from({ length: 9 }, () => data(stream, part));
        connection.send(headers(stream, [[':status', '200']]), ...parts, data(stream, part, END_STREAM));
        connection.send(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
      },
      // By the answer to the ping, all that was sent before it has been read.
      onFrame: ({ type }, connection) => {
        if (type !== FRAME.ping) return;
        if (code !== null) connection.send(goaway(1, code));
        else connection.reset();
      },
    });
    const open: number[] = [];
    const asking = new Asking(
      sessionsWith(target, undefined, (count) => open.push(count)),
      { isSlow: true },
    );
    await eventually('its connection has come and gone', () => open.length === 2);
    expect([asking.isWhole, asking.failure]).toEqual([false, null]);
    asking.link.resume();
    expect([asking.isWhole, asking.octets]).toEqual([true, 160_000]);
  });
}

it('a connection that somebody has waited for in vain gets no more requests, and may open yet for the others', async () => {
  const target = await targets.frames({
    greeting: [],
    acknowledges: false,
    onFrame: ({ type }, connection) => {
      if (type === FRAME.settings && connection !== target.connections[0]) connection.send(settings());
    },
    onRequest: (connection, stream) => connection.send(headers(stream, [[':status', '200']], END_STREAM)),
  });
  const deadlines = new Deadlines();
  const sessions = sessionsWith(target, deadlines);
  const first = new Asking(sessions, { connectMs: 1_000 });
  const second = new Asking(sessions, { connectMs: 600_000 });
  await target.seen(FRAME.settings);
  deadlines.sweep(performance.now() + 2_000);
  expect([first.failure, second.failure]).toEqual(['connect_timeout', null]);
  await new Asking(sessions).whole();
  expect(target.connections).toHaveLength(2);
  target.connections[0]?.send(settings());
  await second.whole();
  expect(target.connections.map((connection) => connection.of(FRAME.headers).length)).toEqual([1, 1]);
  sessions.closing = true;
});

it('a connection is not taken for dead while something comes by it, however long it takes to answer a ping', async () => {
  const target = await targets.frames({
    acknowledges: false,
    onRequest: (connection, stream, count) => {
      if (count === 1) connection.send(headers(stream, [[':status', '200']]), data(stream, 'a'));
    },
  });
  const deadlines = new Deadlines();
  const sessions = sessionsWith(target, deadlines);
  const first = new Asking(sessions);
  await eventually('the answer has begun', () => first.octets === 1);
  new Asking(sessions).link.destroy(); // it is not answered, which calls for a ping
  await target.seen(FRAME.ping);
  target.connections[0]?.send(data(1, 'b'));
  await eventually('more has come', () => first.octets === 2);
  deadlines.sweep(performance.now() + 5_001);
  target.connections[0]?.send(data(1, 'c', END_STREAM));
  await eventually('the answer is whole, or never will be', () => first.isWhole || first.failure !== null);
  expect(first.failure).toBeNull();
  sessions.closing = true;
});

it('a connection outlives any number of requests that are given up before a ping is answered', async () => {
  const target = await targets.frames({
    acknowledges: false,
    onRequest: (connection, stream, count) => {
      if (count === 1) connection.send(headers(stream, [[':status', '200']]), data(stream, 'a'));
    },
  });
  const sessions = sessionsWith(target);
  const first = new Asking(sessions);
  for (let i = 1; i <= 20; i++) {
    await eventually('more has come, or nothing will', () => first.octets === i || first.failure !== null);
    new Asking(sessions).link.destroy();
    target.connections[0]?.send(data(1, 'b'));
  }
  target.connections[0]?.send(data(1, 'c', END_STREAM));
  await eventually('the answer is whole, or never will be', () => first.isWhole || first.failure !== null);
  expect(first.failure).toBeNull();
  expect(target.connections.map((connection) => connection.of(FRAME.ping).length)).toEqual([1]);
  sessions.closing = true;
});

it('a connection is taken for dead when nothing comes by it, not even the answer to a ping', async () => {
  const target = await targets.frames({ acknowledges: false });
  const deadlines = new Deadlines();
  const sessions = sessionsWith(target, deadlines);
  const asking = new Asking(sessions);
  await target.seen(FRAME.headers);
  deadlines.sweep(performance.now() + 5_001);
  await target.seen(FRAME.ping);
  expect(asking.failure).toBeNull();
  deadlines.sweep(performance.now() + 5_001);
  await eventually('the request has failed', () => asking.failure === 'reset');
});

it('a request head may be as large as the gate lets it be', async () => {
  const target = await targets.frames({
    onFrame: ({ type, flags, stream }, connection) => {
      const isLast = type === FRAME.continuation && (flags & END_HEADERS) !== 0;
      if (isLast) connection.send(headers(stream, [[':status', '200']], END_STREAM));
    },
  });
  const sessions = sessionsWith(target);
  await new Asking(sessions, { lines: `X-Large: ${'x'.repeat(1024 * 1024)}\r\n` }).whole();
  sessions.closing = true;
});
