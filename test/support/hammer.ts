import { connect, type Socket } from 'node:net';

export interface HammerOptions {
  readonly port: number;
  readonly connections: number;
  /** Requests in all. */
  readonly requests: number;
  /** Of every so many connections, one is reset in the middle of what it asked for, and replaced; 0 for none. */
  readonly abortEvery: number;
  /** What each answer ends with, and nothing else has. */
  readonly mark: string;
}

/** In flight on one connection, pipelined. */
const BATCH = 20;
/** After so many batches a connection is given up for another. */
const BATCHES = 25;

/** Many small requests, as fast as one thread can send them; resolves with how many were answered. */
export async function hammer(options: HammerOptions): Promise<number> {
  const request = 'GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n'.repeat(BATCH);
  let left = options.requests;
  let answered = 0;
  let opened = 0;
  const drive = async (): Promise<void> => {
    while (left > 0) {
      const aborts = options.abortEvery > 0 && ++opened % options.abortEvery === 0;
      const socket = connect(options.port, '127.0.0.1').setNoDelay();
      socket.on('error', () => {});
      for (let batch = 0; batch < BATCHES && left > 0 && !socket.destroyed; batch++) {
        left -= BATCH;
        socket.write(request);
        if (aborts && batch === 3) {
          socket.resetAndDestroy();
          break;
        }
        const seen = await marks(socket, options.mark, BATCH);
        answered += seen;
      }
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: options.connections }, drive));
  return answered;
}

/** Reads until `count` marks have come or the connection is closed; how many came. */
function marks(socket: Socket, mark: string, count: number): Promise<number> {
  return new Promise((resolve) => {
    let seen = 0;
    let tail = '';
    const onData = (chunk: Buffer): void => {
      const text = tail + chunk.toString('latin1');
      let at = text.indexOf(mark);
      let end = 0;
      for (; at >= 0; at = text.indexOf(mark, end)) {
        seen++;
        end = at + mark.length;
      }
      tail = text.slice(Math.max(end, text.length - mark.length + 1));
      if (seen >= count) finish();
    };
    const finish = (): void => {
      socket.off('data', onData);
      socket.off('close', finish);
      resolve(seen);
    };
    socket.on('data', onData);
    socket.on('close', finish);
    if (socket.destroyed) finish();
  });
}
