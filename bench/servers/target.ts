/**
 * A target in Node.js: bodies of a size by path (`/1k`, `/100k`, `/10m`), whole uploads read, WebSocket messages echoed.
 * Used for uploads and WebSockets, and for everything where nginx is missing. Argument: the ports, as a JSON array.
 */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { BODIES } from '../bodies.ts';

const bodies = new Map(Object.entries(BODIES).map(([path, bytes]) => [path, Buffer.alloc(bytes, 'x')]));
const small = Buffer.from('hello world, this is a small response body\n');

for (const port of JSON.parse(process.argv[2] ?? '[]') as number[]) {
  const server = createServer((request, response) => {
    request.on('end', () => {
      const body = bodies.get(request.url ?? '') ?? small;
      response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length }).end(body);
    });
    request.resume();
  });
  server.keepAliveTimeout = 600_000;
  new WebSocketServer({ server }).on('connection', (client) => {
    client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }));
    client.on('error', () => client.terminate());
  });
  server.listen(port, '127.0.0.1');
}
