import { constants } from 'node:http2';
import { expect, it } from 'vitest';
import { ByteWriter } from '../../src/http1/byte-writer.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import type { UpstreamHandler } from '../../src/http1/upstream-link.ts';
import { UpstreamSessions } from '../../src/http2/upstream-sessions.ts';
import { data, FRAME, headers } from '../support/http2-frames.ts';
import { useHttp2Targets } from '../support/http2-targets.ts';

const targets = useHttp2Targets();
const writer = new ByteWriter(1024);

/** One request, until its answer is whole. */
function ask(sessions: UpstreamSessions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const send = (): void => {
    writer.begin();
    writer.text('GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n');
    link.begin(writer, { isHead: false, trailers: false });
  };
  const handler: UpstreamHandler = {
    onConnected: send,
    onHead: () => {},
    onBody: (_, { done }) => {
      if (!done) return;
      link.release(true);
      resolve();
    },
    onUpstreamDrain: () => {},
    onUpstreamFailure: reject,
  };
  const idle = sessions.takeIdle(handler);
  const link = idle ?? sessions.connect(handler, 5000);
  if (idle !== null) send();
  return promise;
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
  const { port } = target;
  const options = { host: '127.0.0.1', port, idleMs: 600_000, deadlines, onOpenChange: () => {} };
  const sessions = new UpstreamSessions(options);
  await ask(sessions);
  deadlines.sweep(performance.now() + 59_000);
  await ask(sessions); // on the same connection, behind whatever came of that
  expect(target.connections.map((connection) => connection.of(FRAME.rst))).toEqual([[]]);
  deadlines.sweep(performance.now() + 60_001);
  const resets = await target.seen(FRAME.rst, 2);
  expect(resets.map(({ payload }) => payload.readUInt32BE())).toEqual(Array(2).fill(constants.NGHTTP2_CANCEL));
  sessions.closing = true;
});
