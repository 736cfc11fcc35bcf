import { describe, expect, it } from 'vitest';
import { bucket } from '../../src/traffic/bucket.ts';
import { useBench } from '../support/bench.ts';
import { load, named, tally } from '../support/load.ts';
import { head, value } from '../support/message.ts';
import { obligation } from '../support/obligations.ts';
import { WorkerGate } from '../support/worker-gate.ts';

const bench = useBench();

const HOST = 'Host: gate.test';

/** Upstreams of these weights, each with one target that answers with its name. */
async function upstreams(
  weights: Readonly<Record<string, number>>,
): Promise<Record<string, { weight: number; targets: number[] }>> {
  const described: Record<string, { weight: number; targets: number[] }> = {};
  for (const [name, weight] of Object.entries(weights)) {
    described[name] = { weight, targets: [(await bench.target(named(name))).port] };
  }
  return described;
}

describe('the weighted split', () => {
  it('gives green exactly its share of 2,000 keyless requests at 95/5', async () => {
    await bench.serve({ upstreams: await upstreams({ blue: 95, green: 5 }) });
    const { bodies, failures } = await load({ port: bench.gate.port, connections: 16, requests: 2_000 });
    expect(failures).toEqual([]);
    expect(tally(bodies)).toEqual({ blue: 1_900, green: 100 });
    expect(await bench.account()).toMatchObject({ accepted: 2_000, outcomes: { ok: 2_000 } });
    expect(bench.trials('green')).toMatchObject({ requests: 100, trials: 100 });
  });

  it('gives green its share within one per worker when two workers share the port', async () => {
    const specs = await upstreams({ blue: 95, green: 5 });
    const gate = await WorkerGate.start({ workers: 2, services: { shop: { upstreams: specs } } });
    try {
      const { bodies, failures } = await load({ port: gate.port, connections: 16, requests: 2_000 });
      expect(failures).toEqual([]);
      const green = tally(bodies).green ?? 0;
      expect(Math.abs(green - 100)).toBeLessThanOrEqual(2);
      expect(await gate.settled('shop')).toMatchObject({ accepted: 2_000, outcomes: { ok: 2_000 } });
      expect(gate.complaints).toEqual([]);
    } finally {
      await gate.stop();
    }
  });

  it('is within one of every share after any number of requests', async () => {
    const weights = { blue: 70, green: 20, red: 7, grey: 3 };
    await bench.serve({ upstreams: await upstreams(weights) });
    const { bodies } = await load({ port: bench.gate.port, connections: 1, requests: 300 });
    const counts: Record<string, number> = {};
    bodies.forEach((body, i) => {
      counts[body] = (counts[body] ?? 0) + 1;
      for (const [name, weight] of Object.entries(weights)) {
        expect(Math.abs((counts[name] ?? 0) - ((i + 1) * weight) / 100)).toBeLessThanOrEqual(1);
      }
    });
  });

  it('sends no new request to an upstream of weight 0', async () => {
    await bench.serve({ upstreams: await upstreams({ blue: 100, green: 0 }) });
    const { bodies } = await load({ port: bench.gate.port, connections: 8, requests: 1_000 });
    expect(tally(bodies)).toEqual({ blue: 1_000 });
  });

  it('holds at 1/99 over many requests and many snapshots that change nothing', async () => {
    const specs = await upstreams({ blue: 99, green: 1 });
    await bench.serve({ upstreams: specs });
    let done = false;
    const republishing = (async () => {
      while (!done) await bench.republish({ upstreams: specs });
    })();
    const { bodies, failures } = await load({ port: bench.gate.port, connections: 8, requests: 2_000 });
    done = true;
    await republishing;
    expect(failures).toEqual([]);
    expect(Math.abs((tally(bodies).green ?? 0) - 20)).toBeLessThanOrEqual(1);
  });

  it('shares the requests of an upstream between its targets', async () => {
    const targets = [await bench.target(named('a')), await bench.target(named('b')), await bench.target(named('c'))];
    await bench.serve({ upstreams: { blue: { targets: targets.map(({ port }) => port) } } });
    const { bodies } = await load({ port: bench.gate.port, connections: 8, requests: 900 });
    for (const count of Object.values(tally(bodies))) expect(count).toBeGreaterThan(200);
  });

  it('leaves out targets that are not eligible, and upstreams that have none left', async () => {
    const specs = await upstreams({ blue: 50, green: 50 });
    const [port = 0] = specs.green?.targets ?? [];
    await bench.serve({ upstreams: { ...specs, green: { weight: 50, targets: [port], ineligible: [port] } } });
    const { bodies } = await load({ port: bench.gate.port, connections: 4, requests: 200 });
    expect(tally(bodies)).toEqual({ blue: 200 });
  });
});

describe('the split by key', () => {
  const keys = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);
  const run = async (): Promise<readonly string[]> => {
    const fields = (i: number): string[] => [`X-User: ${keys[i]}`];
    const { bodies, failures } = await load({ port: bench.gate.port, connections: 8, requests: keys.length, fields });
    expect(failures).toEqual([]);
    return bodies;
  };

  it('follows the buckets: raising the weight only moves clients towards the candidate', async () => {
    const specs = await upstreams({ blue: 100, green: 0 });
    const spec = (green: number): Parameters<typeof bench.serve>[0] => ({
      upstreams: {
        blue: { ...specs.blue, weight: 100 - green, targets: specs.blue?.targets ?? [] },
        green: { weight: green, targets: specs.green?.targets ?? [] },
      },
      stable: 'blue',
      candidate: 'green',
      pins: { by: 'header', header: 'x-user' },
    });
    await bench.serve(spec(0));
    let before = new Set<number>();
    for (const share of [0, 10, 30, 60, 100]) {
      await bench.republish(spec(share));
      const bodies = await run();
      const onGreen = new Set(bodies.flatMap((body, i) => (body === 'green' ? [i] : [])));
      for (const i of before) expect(onGreen.has(i)).toBe(true);
      const { salt } = bench.gate.service(bench.service);
      const predicted = keys.flatMap((key, i) => (bucket(key, salt) < share / 100 ? [i] : []));
      expect([...onGreen]).toEqual(predicted);
      // Three standard deviations of a fair draw.
      expect(Math.abs(onGreen.size - share * 20)).toBeLessThanOrEqual(
        3 * Math.sqrt(2_000 * (share / 100) * (1 - share / 100)),
      );
      before = onGreen;
    }
  });

  it('by address: one client stays on one upstream', async () => {
    await bench.serve({ upstreams: await upstreams({ blue: 50, green: 50 }), pins: { by: 'ip' } });
    const { bodies } = await load({ port: bench.gate.port, connections: 8, requests: 200 });
    expect(Object.keys(tally(bodies))).toHaveLength(1);
  });

  it('spreads requests without the header by weight', async () => {
    await bench.serve({
      upstreams: await upstreams({ blue: 75, green: 25 }),
      pins: { by: 'header', header: 'x-user' },
    });
    const { bodies } = await load({ port: bench.gate.port, connections: 4, requests: 400 });
    expect(tally(bodies)).toEqual({ blue: 300, green: 100 });
  });
});

describe('a switch', () => {
  it('200 of them under 32 keep-alive connections lose nothing, and after each no request goes the old way', async () => {
    const specs = await upstreams({ blue: 100, green: 0 });
    const to = (active: string): Parameters<typeof bench.serve>[0] => ({
      upstreams: Object.fromEntries(
        Object.entries(specs).map(([name, spec]) => [name, { ...spec, weight: name === active ? 100 : 0 }]),
      ),
    });
    await bench.serve(to('blue'));
    let active = 'blue';
    let started = 0;
    let installed = 0;
    const wrong: string[] = [];
    const loading = load({
      port: bench.gate.port,
      connections: 32,
      requests: 1_000_000,
      until: () => installed === 200,
      onSend: () => {
        const [side, at] = [active, started];
        // Only what was sent and answered between two switches has but one right side.
        if (started !== installed) return () => {};
        return (body) => {
          if (started === at && body !== side) wrong.push(`${body} instead of ${side}`);
        };
      },
    });
    while (installed < 200) {
      started++;
      const next = active === 'blue' ? 'green' : 'blue';
      await bench.republish(to(next));
      active = next;
      installed++;
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    const { sent, bodies, failures } = await loading;
    expect(failures).toEqual([]);
    expect(wrong).toEqual([]);
    const { blue = 0, green = 0 } = tally(bodies);
    expect(blue + green).toBe(sent);
    expect(Math.min(blue, green)).toBeGreaterThan(0);
    expect(await bench.account()).toMatchObject({ accepted: sent, outcomes: { ok: sent } });
  });

  it(obligation('S07-keep-alive'), async () => {
    const specs = await upstreams({ blue: 100, green: 0 });
    await bench.serve({ upstreams: specs });
    const client = await bench.send(head('GET /1 HTTP/1.1', HOST));
    expect((await client.readFinal()).body.bytes.toString()).toBe('blue');
    await bench.republish({
      upstreams: {
        blue: { ...specs.blue, weight: 0, targets: specs.blue?.targets ?? [] },
        green: { weight: 100, targets: specs.green?.targets ?? [] },
      },
    });
    client.write(head('GET /2 HTTP/1.1', HOST));
    expect((await client.readFinal()).body.bytes.toString()).toBe('green');
  });

  it('names the upstream in the answer only where the service exposes it', async () => {
    const specs = await upstreams({ blue: 100 });
    await bench.serve({ upstreams: specs, expose: true });
    const client = await bench.send(head('GET /1 HTTP/1.1', HOST));
    expect(value(await client.readFinal(), 'x-tealgate-upstream')).toBe('blue');
    await bench.republish({ upstreams: specs });
    client.write(head('GET /2 HTTP/1.1', HOST));
    expect(value(await client.readFinal(), 'x-tealgate-upstream')).toBeUndefined();
  });
});

describe('services', () => {
  it('are found by host and by the longest path of whole segments', async () => {
    const ports = Object.fromEntries(
      await Promise.all(
        ['shop', 'api', 'wild', 'any'].map(async (name) => [name, (await bench.target(named(name))).port] as const),
      ),
    );
    const to = (name: string): { upstreams: { blue: { targets: number[] } } } => ({
      upstreams: { blue: { targets: [ports[name] ?? 0] } },
    });
    await bench.gate.publish({
      shop: { ...to('shop'), hosts: ['shop.test'] },
      api: { ...to('api'), hosts: ['shop.test'], paths: ['/api'] },
      wild: { ...to('wild'), hosts: ['*.shop.test'] },
      any: to('any'),
    });
    const client = await bench.client();
    for (const [host, path, service] of [
      ['shop.test', '/', 'shop'],
      ['SHOP.test:8080', '/x', 'shop'],
      ['shop.test.', '/', 'shop'],
      ['shop.test.:8080', '/api', 'api'],
      ['a.shop.test.', '/', 'wild'],
      ['shop.test', '/api', 'api'],
      ['shop.test', '/api/v1?x=/', 'api'],
      ['shop.test', '/api?x', 'api'],
      ['shop.test', '/apix', 'shop'],
      ['a.shop.test', '/', 'wild'],
      ['a.b.shop.test', '/api', 'wild'],
      ['other.test', '/api', 'any'],
      ['xshop.test', '/', 'any'],
    ] as const) {
      client.write(head(`GET ${path} HTTP/1.1`, `Host: ${host}`));
      expect(`${host}${path} ${(await client.readFinal()).body.bytes}`).toBe(`${host}${path} ${service}`);
    }
  });
});
