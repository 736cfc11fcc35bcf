import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { openTarget, type Target } from '../support/gate.ts';

/** What a target does with a request to `/NAME`. */
type Fate = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers with what it was sent. */
const echo: Fate = (request, response) => {
  response.writeHead(200, { 'x-name': 'echo' });
  request.pipe(response);
};

const raw =
  (bytes: string, then?: 'end' | 'reset'): Fate =>
  ({ socket }) => {
    socket.write(bytes, 'latin1', () => {
      if (then === 'end') socket.end();
      else if (then === 'reset') setTimeout(() => socket.resetAndDestroy(), 5); // it must not overtake the octets
    });
  };

/** One octet at a time. */
const trickle: Fate = (request, response) => {
  const { socket } = request;
  const bytes = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello';
  let at = 0;
  const next = (): void => {
    if (socket.destroyed) return;
    if (at === bytes.length) return void socket.end();
    socket.write(bytes.charAt(at++));
    setTimeout(next, 1);
  };
  next();
  response.on('error', () => {});
};

/** Statuses that a client may see; 0 for an answer whose end is missing, -1 for none at all. */
export const FAULTS: Readonly<Record<string, readonly number[]>> = {
  'reset-before': [502],
  'close-before': [502],
  'reset-in-head': [502],
  'close-in-head': [502],
  garbage: [502],
  'two-lengths': [502],
  'reset-in-body': [0],
  'close-in-body': [0],
  'close-in-chunks': [0],
  'bad-chunk': [0, 502],
  'too-much': [200],
  early: [413],
  trickle: [200],
  stall: [0, -1], // its client leaves, perhaps before the head
  'server-error': [500],
};

const FATES: Readonly<Record<string, Fate>> = {
  'reset-before': ({ socket }) => void socket.resetAndDestroy(),
  'close-before': ({ socket }) => void socket.end(),
  'reset-in-head': raw('HTTP/1.1 200 OK\r\nCont', 'reset'),
  'close-in-head': raw('HTTP/1.1 200 OK\r\nCont', 'end'),
  garbage: raw('\x00\x01garbage\r\n\r\n'),
  'two-lengths': raw('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
  'reset-in-body': raw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', 'reset'),
  'close-in-body': raw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', 'end'),
  'close-in-chunks': raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'end'),
  'bad-chunk': raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n'),
  'too-much': raw(
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
  ),
  early: (_, response) => response.writeHead(413).end('no'),
  trickle,
  stall: raw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  'server-error': (_, response) => response.writeHead(500).end('oh'),
};

const answer: RequestListener = (request, response) => {
  const fate = FATES[request.url?.slice(1) ?? ''] ?? echo;
  fate(request, response);
};

/** A target that misbehaves as it is asked to, and echoes everything else. */
export function openUnruly(): Promise<Target> {
  // Longer than the gate does, however late that is: a POST that meets the end of its connection is nobody's fault.
  return openTarget(answer, 0, 60_000);
}

/** A target that takes requests and never answers. */
export function openSilent(): Promise<Target> {
  return openTarget(() => undefined);
}

/** Echoes octets behind a WebSocket handshake. */
export async function openTunnels(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_, response) => response.writeHead(403).end('no'));
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
