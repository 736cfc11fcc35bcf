import { Agent, createServer } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import type { NodeServerOptions } from '../peers/node-peers.ts';
import { requestId } from './request-id.ts';
import { portsByHost } from './weighted-ports.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as NodeServerOptions;
const portFor = portsByHost(options);
const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024 });
const proxy = createProxyServer({ agent, xfwd: true });
proxy.on('proxyReq', (request) => {
  request.setHeader('X-Request-Id', requestId());
  request.setHeader('Via', '1.1 bench');
});
proxy.on('error', (_error, _request, response) => response.destroy());

const server = createServer((request, response) => {
  const port = portFor(request.headers.host);
  if (port === null) {
    response.writeHead(404).end();
    return;
  }
  proxy.web(request, response, { target: `http://127.0.0.1:${port}` });
});
server.on('upgrade', (request, socket, head) => {
  const port = portFor(request.headers.host);
  if (port === null) socket.destroy();
  // An agent would keep the connection for another request.
  else proxy.ws(request, socket, head, { target: `http://127.0.0.1:${port}`, agent: false });
});
server.keepAliveTimeout = 600_000;
server.listen(options.port, '127.0.0.1');
