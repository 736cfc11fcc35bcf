import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import type { RawClient } from '../support/raw-client.ts';
import { TEST_LISTENER } from '../support/routes.ts';
import type { TargetConnection } from '../support/scripted-target.ts';
import { GATE, serving, useSecureClients } from '../support/tls.ts';
import { handshake, SWITCHED } from '../support/websocket.ts';

/** More than the kernel and the gate hold for one who does not read. */
const BULK = randomBytes(24 * 1024 * 1024);
const DEADLINE_MS = 20_000;

describe.each(['TCP', 'TLS'] as const)('a tunnel from a client over %s', (over) => {
  const bench = useBench({ listener: over === 'TCP' ? TEST_LISTENER : { ...TEST_LISTENER, tls: serving(GATE) } });
  const secure = useSecureClients();

  async function open(early = ''): Promise<{ client: RawClient; peer: TargetConnection }> {
    const target = await bench.target((request) => {
      request.connection.tunnel();
      request.send(SWITCHED, early);
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = over === 'TCP' ? await bench.client() : (await secure.open(bench.gate.port)).client;
    client.write(handshake());
    expect((await client.readFinal()).status).toBe(101);
    return { client, peer: await target.connection() };
  }

  it('brings what a target says for as long as its client does not read, and holds the target back meanwhile', async () => {
    const { client, peer } = await open('early');
    client.pause();
    peer.send(BULK);
    await eventually('the target is held up', () => peer.unsentBytes > 0);
    client.resume();
    const received = await client.readBytes(5 + BULK.length, DEADLINE_MS);
    expect(received.equals(Buffer.concat([Buffer.from('early'), BULK]))).toBe(true);
  });

  it('brings what a client says for as long as its target does not read, and holds the client back meanwhile', async () => {
    const { client, peer } = await open();
    peer.pause();
    client.write(BULK);
    await eventually('the client is held up', () => client.unsentBytes > 0);
    peer.resume();
    await peer.inbox.wait('all octets', () => (peer.rest.length >= BULK.length ? true : undefined), DEADLINE_MS);
    expect(peer.rest.equals(BULK)).toBe(true);
  });

  it('ends on both sides when the target ends, behind what it said', async () => {
    const { client, peer } = await open();
    peer.send('goodbye');
    peer.end();
    expect(await client.readUntilClosed()).toBe('fin');
    expect(client.rest.toString()).toBe('goodbye');
  });

  it('ends on both sides when the client ends, behind what it said', async () => {
    const { client, peer } = await open();
    client.write('goodbye');
    client.halfClose();
    expect(await peer.closed()).toBe('fin');
    expect(peer.rest.toString()).toBe('goodbye');
  });
});
