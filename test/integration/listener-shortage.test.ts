import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { Listener } from '../../src/proxy/entrance/listener.ts';
import { Gateway } from '../../src/proxy/gateway.ts';
import { RoutingTable } from '../../src/proxy/routing-table.ts';
import { createBlock, SERVICE } from '../../src/traffic/ledger.ts';
import { head } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';
import { TEST_LISTENER } from '../support/routes.ts';

/** Where Node.js tells of servers that listen. */
const LISTENING = 'tracing:net.server.listen:asyncStart';

let gateway: Gateway;
let listeners: Listener[];
let servers: Server[];

const onServer = (message: unknown): void => void servers.push((message as { server: Server }).server); // as documented

beforeEach(async () => {
  const deadlines = new Deadlines();
  const options = { worker: 0, deadlines, clockOffsetMs: 0 };
  gateway = new Gateway({
    ...options,
    table: new RoutingTable({ version: 0, services: [], retired: [] }, null, options),
    unrouted: createBlock(SERVICE.size, 1),
    accessLog: null,
    instance: 'test',
    idPrefix: 'test-',
    onFuse: () => {},
    warn: () => {},
  });
  servers = [];
  subscribe(LISTENING, onServer);
  listeners = [1, 2].map((id) => new Listener({ ...TEST_LISTENER, id }, gateway, Buffer.alloc(48)));
  for (const listener of listeners) await listener.listen(false);
});

afterEach(() => {
  unsubscribe(LISTENING, onServer);
  for (const listener of listeners) {
    listener.close();
    listener.closeAll();
  }
  gateway.spare.release();
});

/** What a worker does a few times a second. */
function sweep(): void {
  if (!gateway.short) return;
  gateway.relieve();
  for (const listener of listeners) listener.relieve();
}

describe('a listener that could not accept a client', () => {
  it('takes clients again after the next sweep, whatever the others could not do meanwhile', async () => {
    const shortage = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
    expect(servers).toHaveLength(2);
    for (const server of servers) server.emit('error', shortage);
    sweep();
    for (const { port } of listeners) {
      const client = await RawClient.connect(port);
      client.write(head('GET / HTTP/1.1', 'Host: gate.test'));
      expect((await client.readFinal()).status).toBe(404);
      client.destroy();
    }
  });
});
