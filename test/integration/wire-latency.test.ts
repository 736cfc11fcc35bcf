import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readCell, UPSTREAM } from '../../src/traffic/ledger.ts';
import { useBench } from '../support/bench.ts';
import { head } from '../support/message.ts';
import { echo, type TargetScript } from '../support/scripted-target.ts';

const GET = head('GET /x HTTP/1.1', 'Host: gate.test');

/** Takes `ms` at least before it goes on. */
const late =
  (ms: number, script: TargetScript): TargetScript =>
  async (request) => {
    await delay(ms);
    await script(request);
  };

describe('the latency guard counts an attempt as slow', () => {
  const bench = useBench();

  const counted = (upstream = 'blue') => {
    const route = bench.gate.service(bench.service).upstreams.find(({ name }) => name === upstream);
    if (route === undefined) throw new Error(`no upstream ${upstream}`);
    const cell = (index: number): number => readCell(route.ledger, UPSTREAM.size, index);
    return { trials: cell(UPSTREAM.trials), slow: cell(UPSTREAM.slow) };
  };

  /** Three requests of one client, answered one after the other. */
  async function serveThree(slowMs: number, script: TargetScript): Promise<ReturnType<typeof counted>> {
    const target = await bench.target(script);
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, slowMs });
    const client = await bench.client();
    for (let n = 0; n < 3; n++) {
      client.write(GET);
      expect((await client.readFinal()).status).toBe(200);
    }
    await bench.account();
    return counted();
  }

  it('when its response head comes later than the bound', async () => {
    expect(await serveThree(20, late(60, echo))).toEqual({ trials: 3, slow: 3 });
  });

  it('but not when only its body takes long', async () => {
    const trickle: TargetScript = async (request) => {
      request.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na');
      await delay(60);
      request.send('b');
    };
    // The bound is far above what the head can take and far below the request timeouts.
    expect(await serveThree(10_000, trickle)).toEqual({ trials: 3, slow: 0 });
  });

  it('while a bound is set, and never without one', async () => {
    expect(await serveThree(0, late(60, echo))).toEqual({ trials: 3, slow: 0 });
  });

  it('when the target fails late, on the books of the upstream that failed it', async () => {
    const blue = await bench.target();
    const green = await bench.target(late(60, (request) => request.connection.reset()));
    await bench.serve({
      upstreams: { blue: { targets: [blue.port], weight: 0 }, green: { targets: [green.port] } },
      stable: 'blue',
      candidate: 'green',
      slowMs: 20,
    });
    const client = await bench.send(GET);
    expect((await client.readFinal()).status).toBe(200);
    await bench.account();
    expect(counted('green')).toEqual({ trials: 1, slow: 1 });
    expect(counted('blue').trials).toBe(1);
  });
});
