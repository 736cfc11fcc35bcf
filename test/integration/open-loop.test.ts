import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { OpenLoopOptions, OpenLoopResult } from '../../bench/load/open-loop.ts';
import { runCommand } from '../../bench/system/child.ts';
import { response } from '../support/message.ts';

const SCRIPT = fileURLToPath(new URL('../../bench/load/open-loop.ts', import.meta.url));
const REQUEST = 'GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n';

describe('the load of the bench at a fixed rate', () => {
  let server: Server;

  afterEach(() => {
    server.close();
  });

  /** `answer` is called for each request, with how many came before it. */
  async function load(
    options: Pick<OpenLoopOptions, 'rate' | 'connections'>,
    answer: (socket: Socket, before: number) => void,
  ): Promise<OpenLoopResult> {
    let count = 0;
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => answer(socket, count++));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // it listens on a port
    const all: OpenLoopOptions = { port, request: REQUEST, seconds: 1, warmUpSeconds: 0, ...options };
    return JSON.parse(await runCommand([process.execPath, SCRIPT, JSON.stringify(all)])) as OpenLoopResult; // our own output
  }

  it('charges a request for the time that it waited for a connection', async () => {
    const answer = response('200 OK');
    const result = await load({ rate: 200, connections: 1 }, (socket) => setTimeout(() => socket.write(answer), 20));
    expect(result.errors).toBe(0);
    expect(result.perSecond).toBeLessThan(100); // the one connection takes no more than 50 a second
    expect(result.p99Ms).toBeGreaterThan(200);
  });

  it('counts other answers and requests without one as errors', async () => {
    const good = response('200 OK');
    const bad = response('503 No');
    expect(bad.length).toBe(good.length);
    const result = await load({ rate: 100, connections: 4 }, (socket, before) => {
      if (before < 4 || before > 6) socket.write(good);
      else if (before === 4) socket.write(bad);
      else if (before === 5) socket.destroy();
    });
    expect(result.errors).toBe(3);
    expect(result.requests).toBeGreaterThan(10);
  });
});
