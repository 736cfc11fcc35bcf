import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/http1/byte-writer.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import type { UpstreamHandler, UpstreamLink } from '../../src/http1/upstream-link.ts';
import { UpstreamPool } from '../../src/http1/upstream-pool.ts';
import { readClockMs } from '../../src/platform/clock.ts';
import { eventually } from '../support/inbox.ts';
import { response } from '../support/message.ts';

const IDLE_MS = 60_000;
const BURST = 400;
const KEPT = 256;

describe('the connections to a target', () => {
  let server: Server;
  let accepted: Set<Socket>;
  /** Ever accepted. */
  let connections: number;
  let pool: UpstreamPool;
  let deadlines: Deadlines;
  const writer = new ByteWriter(1024);

  beforeEach(async () => {
    accepted = new Set();
    connections = 0;
    server = createServer((socket) => {
      connections++;
      accepted.add(socket);
      socket.on('close', () => accepted.delete(socket));
      socket.on('data', () => socket.write(response('200 OK', [], 'ok')));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // it listens on a port
    deadlines = new Deadlines();
    pool = new UpstreamPool({ host: '127.0.0.1', port, idleMs: IDLE_MS, deadlines, onOpenChange: () => {} });
  });

  afterEach(() => {
    pool.closing = true;
    for (const socket of accepted) socket.destroy();
    server.close();
  });

  /** So many requests at once: none gives its connection back before all are answered. */
  async function burst(requests: number): Promise<void> {
    readClockMs();
    const links = await Promise.all(Array.from({ length: requests }, ask));
    readClockMs();
    for (const link of links) link.release(true);
  }

  function ask(): Promise<UpstreamLink> {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamLink>();
    const send = (): void => {
      writer.begin();
      writer.text('GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n');
      link.begin(writer, { isHead: false, trailers: false });
    };
    const handler: UpstreamHandler = {
      onConnected: send,
      onHead: () => {},
      onBody: (_, { done }) => done && resolve(link),
      onUpstreamDrain: () => {},
      onUpstreamFailure: reject,
    };
    const idle = pool.takeIdle(handler);
    const link = idle ?? pool.connect(handler, 5000);
    if (idle !== null) send();
    return promise;
  }

  it('of a burst are there for the next one, however many they are', async () => {
    await burst(BURST);
    expect(pool.open).toBe(BURST);
    await burst(BURST);
    expect(pool.open).toBe(BURST);
    await eventually('all were accepted', () => accepted.size === BURST);
  });

  it('above those that are kept close after a moment, the topmost first', async () => {
    await burst(BURST);
    const idleSinceMs = readClockMs();
    deadlines.sweep(idleSinceMs + 3000);
    expect(pool.open).toBe(BURST);
    deadlines.sweep(idleSinceMs + 3700);
    expect(pool.open).toBeGreaterThan(KEPT);
    expect(pool.open).toBeLessThan(BURST);
    deadlines.sweep(idleSinceMs + 4000);
    expect(pool.open).toBe(KEPT);
    await eventually('the target sees them closed', () => accepted.size === KEPT);
    await burst(KEPT);
    expect(pool.open).toBe(KEPT);
    deadlines.sweep(readClockMs() + IDLE_MS);
    expect(pool.open).toBe(0);
  });

  it('that have idled for as long as they may are not used, however late the sweep is', async () => {
    await burst(2);
    pool.idleMs = 1;
    await burst(1);
    const idleSinceMs = readClockMs();
    while (readClockMs() < idleSinceMs + 1);
    pool.idleMs = IDLE_MS;
    await burst(2);
    expect(pool.open).toBe(2);
    await eventually('the target has seen one more', () => connections === 3);
  });
});
