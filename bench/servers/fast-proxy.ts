import { createServer } from 'node:http';
import fastProxy from 'fast-proxy';
import type { NodeServerOptions } from '../peers/node-peers.ts';
import { requestId } from './request-id.ts';
import { portsByHost } from './weighted-ports.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as NodeServerOptions;
const portFor = portsByHost(options);
const { proxy } = fastProxy({ cacheURLs: 0 });

const server = createServer((request, response) => {
  const port = portFor(request.headers.host);
  if (port === null) {
    response.writeHead(404).end();
    return;
  }
  proxy(request, response, request.url ?? '/', {
    base: `http://127.0.0.1:${port}`,
    rewriteRequestHeaders: (_request: unknown, headers: Record<string, unknown>) => ({
      ...headers,
      host: request.headers.host,
      'x-forwarded-for': request.socket.remoteAddress,
      'x-forwarded-proto': 'http',
      'x-forwarded-host': request.headers.host,
      'x-request-id': requestId(),
      via: '1.1 bench',
    }),
  });
});
server.keepAliveTimeout = 600_000;
server.listen(options.port, '127.0.0.1');
