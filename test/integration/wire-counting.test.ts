import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { slotCounts } from '../../src/app/views/counts.ts';
import type { CountingRule } from '../../src/traffic/snapshot.ts';
import { useBench } from '../support/bench.ts';
import { head, value } from '../support/message.ts';
import { echo, type TargetScript } from '../support/scripted-target.ts';
import { handshake } from '../support/websocket.ts';

const GET = head('GET /x HTTP/1.1', 'Host: gate.test');
const RULE: CountingRule = {
  paths: [],
  methods: [],
  errors: [[500, 599]],
  ignored: [],
  grpc: null,
  client: null,
  slowMs: 0,
  timed: false,
  event: null,
};

/** Takes `ms` at least before it goes on. */
const late =
  (ms: number, script: TargetScript): TargetScript =>
  async (request) => {
    await delay(ms);
    await script(request);
  };

/** Answers with the status that the path names. */
const status: TargetScript = (request) => {
  const code = /\/(\d{3})$/.exec(request.head.startLine.split(' ')[1] ?? '')?.[1] ?? '200';
  request.send(`HTTP/1.1 ${code} X\r\nContent-Length: 0\r\n\r\n`);
};

const bench = useBench();

function slots(upstream = 'blue') {
  const route = bench.gate.service(bench.service).upstreams.find(({ name }) => name === upstream);
  if (route?.slots === undefined) throw new Error(`nothing is counted on ${upstream}`);
  return slotCounts(route.slots);
}

/** One after the other on one connection. */
async function send(...requests: readonly string[]): Promise<void> {
  const client = await bench.client();
  for (const request of requests) {
    client.write(head(`${request} HTTP/1.1`, 'Host: gate.test', 'Content-Length: 0'));
    await client.readFinal();
  }
  await bench.account();
}

describe('a counting rule counts an attempt as slow', () => {
  const counted = (upstream?: string) => {
    const [slot] = slots(upstream);
    return { trials: slot?.trials, slow: slot?.slow };
  };

  /** Three requests of one client, answered one after the other. */
  async function serveThree(slowMs: number, script: TargetScript): Promise<ReturnType<typeof counted>> {
    const target = await bench.target(script);
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, counting: [{ ...RULE, slowMs }] });
    await send('GET /x', 'GET /x', 'GET /x');
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
      counting: [{ ...RULE, slowMs: 20 }],
    });
    const client = await bench.send(GET);
    expect((await client.readFinal()).status).toBe(200);
    await bench.account();
    expect(counted('green')).toEqual({ trials: 1, slow: 1 });
    expect(counted('blue').trials).toBe(1);
  });
});

describe('a counting rule', () => {
  async function serve(...counting: readonly CountingRule[]): Promise<void> {
    const target = await bench.target(status);
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, counting });
  }

  it('counts the paths under its prefixes, on whole segments', async () => {
    await serve({ ...RULE, paths: ['/cart', '/pay'] }, RULE);
    await send('GET /cart', 'GET /cart/200?a=1', 'GET /carts', 'GET /pay/500', 'GET /');
    expect(slots().slice(0, 2)).toMatchObject([
      { trials: 3, errors: 1 },
      { trials: 5, errors: 1 },
    ]);
  });

  it('counts its methods, also those without a cell of their own', async () => {
    await serve({ ...RULE, methods: ['POST', 'PURGE'] }, { ...RULE, methods: ['GET'] });
    await send('GET /', 'POST /', 'PURGE /', 'REPORT /');
    expect(slots().slice(0, 2)).toMatchObject([{ trials: 2 }, { trials: 1 }]);
  });

  it('has its own opinion of what is an error and what does not count', async () => {
    await serve({
      ...RULE,
      errors: [
        [429, 429],
        [503, 599],
      ],
      ignored: [
        [404, 404],
        [401, 403],
      ],
    });
    await send('GET /200', 'GET /404', 'GET /403', 'GET /429', 'GET /500', 'GET /503');
    expect(slots()[0]).toMatchObject({ trials: 4, errors: 2 });
  });

  it('counts failures without an answer as errors, whatever the statuses', async () => {
    const target = await bench.target((request) => request.connection.reset());
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, counting: [{ ...RULE, errors: [] }] });
    await send('POST /');
    expect(slots()[0]).toMatchObject({ trials: 1, errors: 1 });
  });

  it('lets a few outcomes of a client count, on each side', async () => {
    const [blue, green] = [await bench.target(status), await bench.target(status)];
    const upstreams = { blue: { targets: [blue.port] }, green: { targets: [green.port] } };
    await bench.serve({ upstreams, counting: [{ ...RULE, client: { most: 2, perMs: 3_600_000 } }, RULE] });
    await send(...new Array<string>(20).fill('POST /500'));
    expect(slots('blue').slice(0, 2)).toMatchObject([{ trials: 2, errors: 2 }, { trials: 10 }]);
    expect(slots('green').slice(0, 2)).toMatchObject([{ trials: 2, errors: 2 }, { trials: 10 }]);
  });

  it('keeps latencies in buckets where it is asked to', async () => {
    await serve({ ...RULE, timed: true }, RULE);
    await send('GET /', 'GET /', 'GET /');
    const [timed, other] = slots();
    expect(Object.values(timed?.buckets ?? {}).reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(other?.buckets).toEqual({});
  });

  it('goes on where it was when other settings of the service change', async () => {
    const target = await bench.target(status);
    const spec = {
      upstreams: { blue: { targets: [target.port] } },
      counting: [{ ...RULE, client: { most: 1, perMs: 3_600_000 } }],
    };
    await bench.serve(spec);
    await send('GET /');
    await bench.republish({ ...spec, expose: true });
    await send('GET /');
    expect(slots()[0]).toMatchObject({ trials: 1 });
  });

  it('begins anew with its clients when another rollout does', async () => {
    const target = await bench.target(status);
    const spec = {
      upstreams: { blue: { targets: [target.port] } },
      counting: [{ ...RULE, client: { most: 1, perMs: 3_600_000 } }],
    };
    await bench.serve({ ...spec, salt: 'shop/r1' });
    await send('GET /', 'GET /');
    await bench.republish({ ...spec, salt: 'shop/r2' });
    await send('GET /', 'GET /');
    expect(slots()[0]).toMatchObject({ trials: 2 });
  });
});

describe('an event of the business', () => {
  it.each([101, 403])(
    'is counted and kept from the client in the answer to a WebSocket handshake (%i)',
    async (code) => {
      const target = await bench.target((request) => {
        request.connection.tunnel();
        const framing = code === 101 ? ['Upgrade: websocket', 'Connection: Upgrade'] : ['Content-Length: 0'];
        request.send(head(`HTTP/1.1 ${code} X`, 'Shop-Events: order=1', 'Shop-Events: visit', ...framing));
      });
      const counting = ['order', 'visit', 'refund'].map((event) => ({ ...RULE, event }));
      const business = { header: 'shop-events', forward: false };
      await bench.serve({ upstreams: { blue: { targets: [target.port] } }, counting, business });
      const client = await bench.send(handshake());
      const answer = await client.readFinal();
      expect([answer.status, value(answer, 'shop-events')]).toEqual([code, undefined]);
      client.destroy();
      await bench.account();
      expect(
        slots()
          .slice(0, 3)
          .map(({ events }) => events),
      ).toEqual([1, 1, 0]);
    },
  );
});
