import { createServer, type Socket } from 'node:net';

/**
 * A raw target in a process of its own that answers as the path of a request says, and says its port on standard output: a
 * thread that floods has no time for anything else.
 */
const PART = Buffer.alloc(64 * 1024, 'x');

/** Sends until the peer is gone, as fast as it takes it. */
function pour(socket: Socket, part: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.writable && socket.write(part));
  };
  socket.on('drain', more);
  more();
}

const FIELDS = Buffer.from('X-A: bbbbbbbbbbbbbbbb\r\n'.repeat(500));

/** What is sent first, and then again and again. */
const FLOODS: Readonly<Record<string, readonly [string, Buffer]>> = {
  '/endless': ['HTTP/1.1 200 OK\r\n\r\n', PART],
  '/endless-chunks': [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    Buffer.concat([Buffer.from('10000\r\n'), PART, Buffer.from('\r\n')]),
  ],
  '/endless-head': ['HTTP/1.1 200 OK\r\n', FIELDS],
  '/interims': ['', Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(500))],
  '/trailers': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', FIELDS],
};

const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (chunk: Buffer) => {
    const path = chunk.toString('latin1').split(' ')[1] ?? '';
    const flood = FLOODS[path];
    if (path === '/deaf') socket.pause();
    if (flood === undefined) return;
    socket.write(flood[0]);
    pour(socket, flood[1]);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
