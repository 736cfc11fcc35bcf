import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { DownstreamConnection } from '../../src/http1/downstream-connection.ts';
import type { RequestHandler } from '../../src/http1/request-handler.ts';

const ANSWER = Buffer.alloc(32 * 1024 * 1024, 'x');
const REQUEST = 'GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n';
/** Longer than a finished connection is kept for what its client may still send. */
const PAUSE_MS = 2_600;

let deadlines: Deadlines;
let sweeping: NodeJS.Timeout;
let server: Server;
let client: Socket;
let connections: DownstreamConnection[];
/** Requests that were handed over. */
let requests: number;
/** How long a connection may idle. */
let keepAliveMs: number;

/** Answers each request with far more than the kernel takes for a client that does not read, and sends `count` at once. */
async function serve(bodyMs: number, end: (connection: DownstreamConnection) => void, count = 1): Promise<void> {
  const handler: RequestHandler = {
    onRequest: (connection) => {
      requests++;
      connection.write(ANSWER);
      end(connection);
    },
    onRefused: (connection) => connection.close(),
    onConnectionClosed: () => undefined,
  };
  const options = {
    timeouts: { headMs: 5_000, bodyMs, keepAliveMs },
    limits: { headBytes: 4096, fields: 10 },
  };
  server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.push(new DownstreamConnection(socket, options, handler, deadlines));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  await once(client, 'connect');
  client.pause();
  client.write(REQUEST.repeat(count));
}

/** The client has more to read than the kernel takes. */
async function behind(): Promise<void> {
  while (connections[0]?.isWriting !== true) await sleep(5);
}

async function received(): Promise<number> {
  let octets = 0;
  client.on('data', (chunk: Buffer) => {
    octets += chunk.length;
  });
  client.resume();
  if (!client.closed) await new Promise((resolve) => client.once('close', resolve)); // also after a reset
  return octets;
}

beforeEach(() => {
  connections = [];
  requests = 0;
  keepAliveMs = 500;
  deadlines = new Deadlines();
  sweeping = setInterval(() => deadlines.sweep(performance.now()), 20);
});

afterEach(() => {
  clearInterval(sweeping);
  client.destroy();
  for (const connection of connections) connection.close();
  server.close();
});

describe('a client that reads nothing for a while', () => {
  it('still gets all of an answer that ends its connection', async () => {
    await serve(10_000, (connection) => connection.finish(false));
    await sleep(PAUSE_MS);
    expect(await received()).toBe(ANSWER.length);
  });

  it('still gets all of an answer that was cut behind it', async () => {
    await serve(10_000, (connection) => connection.cut());
    await sleep(PAUSE_MS);
    expect(await received()).toBe(ANSWER.length);
  });

  it('still gets all of an answer that its connection outlives, however short the keep-alive time', async () => {
    await serve(10_000, (connection) => connection.finish(true));
    await sleep(PAUSE_MS);
    expect(await received()).toBe(ANSWER.length);
  });

  it('is not idle while its answer waits to be sent', async () => {
    await serve(10_000, (connection) => connection.finish(true));
    await behind();
    expect(connections[0]?.idle).toBe(false);
  });

  it('is not served what it asks for meanwhile, until it has read', async () => {
    keepAliveMs = 60_000;
    await serve(10_000, (connection) => connection.finish(requests < 3));
    await behind();
    client.write(REQUEST + REQUEST);
    await sleep(PAUSE_MS);
    expect(requests).toBe(1);
    expect(await received()).toBe(3 * ANSWER.length);
  });

  it('is not served either what it had asked for at once', async () => {
    keepAliveMs = 60_000;
    await serve(10_000, (connection) => connection.finish(requests < 3), 3);
    await behind();
    expect(requests).toBe(1);
    expect(await received()).toBe(3 * ANSWER.length);
  });

  it('that ends its side gets all that it had asked for before', async () => {
    keepAliveMs = 60_000;
    await serve(10_000, (connection) => connection.finish(true), 3);
    client.end();
    await behind();
    expect(requests).toBe(1);
    expect(await received()).toBe(3 * ANSWER.length);
  });

  it('loses a connection that outlives its answers when that lasts longer than the body timeout', async () => {
    keepAliveMs = 60_000;
    await serve(300, (connection) => connection.finish(true));
    while (deadlines.size > 0 || connections.length === 0) await sleep(20);
    expect(await received()).toBeLessThan(ANSWER.length);
  });

  it('loses its connection when that lasts longer than the body timeout', async () => {
    await serve(300, (connection) => connection.finish(false));
    while (deadlines.size > 0 || connections.length === 0) await sleep(20);
    expect(await received()).toBeLessThan(ANSWER.length);
  });
});
