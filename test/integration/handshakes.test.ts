import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';

const bench = useBench();

const HANDSHAKE = head(
  'GET /ws HTTP/1.1',
  'Host: gate.test',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
);

describe('a WebSocket handshake whose client leaves', () => {
  it.each(['reset', 'destroy'] as const)('inside a refusal lets go of the target too (%s)', async (leave) => {
    const target = await bench.target((request) => {
      request.send(head('HTTP/1.1 403 Forbidden', 'Content-Length: 100'), 'half');
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = await bench.send(HANDSHAKE);
    await client.inbox.wait('the refusal', () => (client.inbox.bytes.includes('half') ? true : undefined));
    expect(target.openConnections).toBe(1);
    client[leave]();
    await eventually('the target sees its connection closed', () => target.openConnections === 0);
  });
});
