import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { head, response } from '../support/message.ts';
import type { RawClient } from '../support/raw-client.ts';
import type { ServiceSpec } from '../support/routes.ts';

const bench = useBench();

const HOST = 'Host: gate.test';
const GET = head('GET / HTTP/1.1', HOST);
/** More than are sent to targets at once. */
const BURST = 200;
/** They keep the worker busy for longer than a burst takes to be written. */
const SNAPSHOTS = 1_000;

/** Clients whose connections stand, as do those that the gate needs for all of them. */
async function clients(): Promise<RawClient[]> {
  const all = await Promise.all(Array.from({ length: BURST }, () => bench.send(GET)));
  for (const client of all) expect((await client.readFinal()).status).toBe(200);
  return all;
}

/** What is written until this returns comes to the worker at once. */
function whileBusy(write: () => void): void {
  const { snapshot } = bench.gate;
  for (let n = 0; n < SNAPSHOTS; n++) bench.gate.post({ type: 'snapshot', snapshot });
  write();
}

describe('a burst of requests, more than are sent at once', () => {
  it('is answered whole', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const all = await clients();
    whileBusy(() => {
      for (const client of all) client.write(GET);
    });
    for (const client of all) expect((await client.readFinal()).status).toBe(200);
    expect(await bench.account()).toMatchObject({ accepted: 2 * BURST, outcomes: { ok: 2 * BURST } });
  });

  it('keeps its bodies until they are sent', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const all = await clients();
    const body = Buffer.alloc(100_000, 'b');
    whileBusy(() => {
      for (const client of all) client.write(head('POST / HTTP/1.1', HOST, `Content-Length: ${body.length}`), body);
    });
    for (const client of all) expect((await client.readFinal()).status).toBe(200);
    const posted = target.whole.filter((request) => request.head.startLine.startsWith('POST'));
    expect(posted).toHaveLength(BURST);
    for (const request of posted) expect(request.body.bytes.equals(body)).toBe(true);
  });

  it('is not held up by clients that leave it', async () => {
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const all = await clients();
    whileBusy(() => {
      for (const client of all) client.write(GET);
    });
    for (const [n, client] of all.entries()) {
      if (n % 3 === 1) client.halfClose();
      if (n % 3 === 2) client.reset();
    }
    for (const [n, client] of all.entries()) if (n % 3 < 2) expect((await client.readFinal()).status).toBe(200);
    const { accepted, outcomes } = await bench.account();
    expect((outcomes.ok ?? 0) + (outcomes.client_abort ?? 0)).toBe(accepted);
    expect(outcomes.ok).toBeGreaterThanOrEqual(BURST + (BURST * 2) / 3);
  });

  it('brings a candidate that has answered nothing yet no more than the few that may wait for it', async () => {
    const [blue, green] = [await bench.target(), await bench.target(() => undefined)];
    const upstreams = (weight: number): ServiceSpec['upstreams'] => ({
      blue: { weight: 100 - weight, targets: [blue.port] },
      green: { weight, targets: [green.port] },
    });
    const rest = { stable: 'blue', candidate: 'green', fuse: { id: 1, limits: Array<number>(50).fill(10) } };
    await bench.serve({ upstreams: upstreams(0), ...rest });
    const all = await clients();
    await bench.republish({ upstreams: upstreams(10), ...rest });
    whileBusy(() => {
      for (const client of all) client.write(GET);
    });
    await blue.request(2 * BURST - 9);
    for (const request of green.requests) request.send(response('200 OK'));
    for (const client of all) expect((await client.readFinal()).status).toBe(200);
    expect(green.requests).toHaveLength(8);
  });
});
