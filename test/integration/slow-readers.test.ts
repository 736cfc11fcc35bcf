import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { DownstreamConnection, type RequestHandler } from '../../src/http1/downstream-connection.ts';

const ANSWER = Buffer.alloc(32 * 1024 * 1024, 'x');
/** Longer than a finished connection is kept for what its client may still send. */
const PAUSE_MS = 2_600;

let deadlines: Deadlines;
let sweeping: NodeJS.Timeout;
let server: Server;
let client: Socket;
let connections: DownstreamConnection[];

/** Answers each request with far more than the kernel takes for a client that does not read. */
async function serve(bodyMs: number, end: (connection: DownstreamConnection) => void): Promise<void> {
  const handler: RequestHandler = {
    onRequest: (connection) => {
      connection.write(ANSWER);
      end(connection);
    },
    onRefused: (connection) => connection.close(),
    onConnectionClosed: () => undefined,
  };
  const options = {
    timeouts: { headMs: 5_000, bodyMs, keepAliveMs: 500 },
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
  client.write('GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n');
}

async function received(): Promise<number> {
  let octets = 0;
  client.on('data', (chunk: Buffer) => {
    octets += chunk.length;
  });
  client.resume();
  await once(client, 'close');
  return octets;
}

beforeEach(() => {
  connections = [];
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

  it('is not idle while its answer waits to be sent', async () => {
    await serve(10_000, (connection) => connection.finish(true));
    while (connections[0]?.isWriting !== true) await sleep(5);
    expect(connections[0].idle).toBe(false);
  });

  it('loses its connection when that lasts longer than the body timeout', async () => {
    await serve(300, (connection) => connection.finish(false));
    while (deadlines.size > 0 || connections.length === 0) await sleep(20);
    expect(await received()).toBeLessThan(ANSWER.length);
  });
});
