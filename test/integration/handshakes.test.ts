import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';
import { handshake } from '../support/websocket.ts';

const bench = useBench();

describe('a WebSocket handshake that is refused at length', () => {
  it('to a client that reads nothing holds the target back, and lets go of both when that lasts too long', async () => {
    const part = Buffer.alloc(256 * 1024, 'x');
    let sent = 0;
    const target = await bench.target(async (request) => {
      request.send(head('HTTP/1.1 403 Forbidden', 'Transfer-Encoding: chunked'));
      while (target.openConnections > 0) {
        if (request.send(`${part.length.toString(16)}\r\n`, part, '\r\n')) await new Promise(setImmediate);
        else await request.connection.drained();
        sent += part.length;
      }
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.client();
    client.pause();
    client.write(handshake());
    for (let before = -1; sent === 0 || sent !== before; ) {
      before = sent;
      await sleep(300);
    }
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    expect(target.openConnections).toBe(1);
    await eventually('the target is let go', () => target.openConnections === 0, 6_000);
  });
});

describe('a WebSocket handshake whose client leaves', () => {
  it.each(['reset', 'destroy'] as const)('inside a refusal lets go of the target too (%s)', async (leave) => {
    const target = await bench.target((request) => {
      request.send(head('HTTP/1.1 403 Forbidden', 'Content-Length: 100'), 'half');
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.send(handshake());
    await client.inbox.wait('the refusal', () => (client.inbox.bytes.includes('half') ? true : undefined));
    expect(target.openConnections).toBe(1);
    client[leave]();
    await eventually('the target sees its connection closed', () => target.openConnections === 0);
  });
});
