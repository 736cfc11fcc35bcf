import proxy from '@fastify/http-proxy';
import fastify from 'fastify';
import type { NodeServerOptions } from '../peers/node-peers.ts';
import { requestId } from './request-id.ts';
import { portsByHost } from './weighted-ports.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as NodeServerOptions;
const portFor = portsByHost(options);

const server = fastify({ keepAliveTimeout: 600_000, bodyLimit: Number.MAX_SAFE_INTEGER });
await server.register(proxy, {
  upstream: '',
  undici: { connections: 256 },
  replyOptions: {
    getUpstream: (request) => `http://127.0.0.1:${portFor(request.headers.host) ?? 0}`,
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      host: request.headers.host,
      'x-forwarded-for': request.socket.remoteAddress,
      'x-forwarded-proto': 'http',
      'x-forwarded-host': request.headers.host,
      'x-request-id': requestId(),
      via: '1.1 bench',
    }),
  },
});
await server.listen({ port: options.port, host: '127.0.0.1' });
