import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { Pool } from 'undici';
import type { NodeServerOptions } from '../peers/node-peers.ts';
import { requestId } from './request-id.ts';
import { portsByHost } from './weighted-ports.ts';

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'te', 'upgrade', 'proxy-connection']);

const options = JSON.parse(process.argv[2] ?? '{}') as NodeServerOptions;
const portFor = portsByHost(options);
const pools = new Map(
  options.targets.map(({ port }) => [port, new Pool(`http://127.0.0.1:${port}`, { connections: 256 })]),
);

const server = createServer((request, response) => {
  const pool = pools.get(portFor(request.headers.host) ?? 0);
  if (pool === undefined) {
    response.writeHead(404).end();
    return;
  }
  forward(pool, request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 600_000;
server.listen(options.port, '127.0.0.1');

async function forward(pool: Pool, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bodyless = request.method === 'GET' || request.method === 'HEAD';
  const answer = await pool.request({
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers: requestHeaders(request),
    body: bodyless ? null : request,
  });
  for (const name of HOP_BY_HOP) delete answer.headers[name];
  response.writeHead(answer.statusCode, answer.headers);
  pipeline(answer.body, response, () => {});
}

function requestHeaders(request: IncomingMessage): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) headers[name] = value;
  }
  headers['x-forwarded-for'] = request.socket.remoteAddress ?? '';
  headers['x-forwarded-proto'] = 'http';
  headers['x-forwarded-host'] = request.headers.host ?? '';
  headers['x-request-id'] = requestId();
  headers.via = '1.1 bench';
  return headers;
}
