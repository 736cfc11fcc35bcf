import { afterAll, beforeAll, expect, it } from 'vitest';
import { head } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';
import type { ServiceSpec } from '../support/routes.ts';
import { Sockets } from '../support/sockets.ts';
import { WorkerGate } from '../support/worker-gate.ts';

const GET = head('GET / HTTP/1.1', 'Host: gate.test');
/** Snapshots of so many services, so often, keep a worker busy for much longer than its clients may idle. */
const SERVICES = 1_000;
const SNAPSHOTS = 20;
const KEEP_ALIVE_MS = 100;

let gate: WorkerGate;
const sockets = new Sockets();

beforeAll(async () => {
  gate = await WorkerGate.start({
    listener: { timeouts: { headMs: 2_000, bodyMs: 2_000, keepAliveMs: KEEP_ALIVE_MS } },
  });
});

afterAll(async () => {
  await gate.stop();
  await sockets.closeTargets();
});

it('serves a request that came in time, though the worker is late to look at it', async () => {
  const target = await sockets.target();
  const spec = (path: string): ServiceSpec => ({ paths: [path], upstreams: { blue: { targets: [target.port] } } });
  const services = Object.fromEntries(Array.from({ length: SERVICES }, (_, i) => [`s${i}`, spec(`/${i}`)]));
  const client = await RawClient.connect(gate.port);
  try {
    const begun = gate.publish({ ...services, shop: spec('/') });
    const { snapshot } = gate;
    await begun;
    client.write(GET);
    expect((await client.readFinal()).status).toBe(200);
    const busy = gate.publish({ ...services, shop: spec('/') });
    for (let i = 0; i < SNAPSHOTS; i++) gate.post({ type: 'snapshot', snapshot });
    await busy; // the first of them
    client.write(GET);
    expect((await client.readFinal()).status).toBe(200);
  } finally {
    client.destroy();
  }
});
