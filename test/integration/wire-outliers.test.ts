import { describe, expect, it } from 'vitest';
import { monotonicMs } from '../../src/platform/clock.ts';
import { readCell, TARGET } from '../../src/traffic/ledger.ts';
import { useBench } from '../support/bench.ts';
import { head, response } from '../support/message.ts';

const bench = useBench();

const HOST = 'Host: gate.test';
const get = (path: string): Buffer => head(`GET ${path} HTTP/1.1`, HOST);

/** What outlier detection reads of the first target of blue. */
function judged() {
  const target = bench.gate.upstream(bench.service, 'blue').targets[0];
  const cell = (index: number): number => (target === undefined ? 0 : readCell(target.ledger, TARGET.size, index));
  const [trials, errors] = [cell(TARGET.trials), cell(TARGET.errors)];
  return { trials, errors, streak: cell(TARGET.streak), runs: cell(TARGET.runs) };
}

describe('a target that warms up', () => {
  const ask = async (times: number): Promise<void> => {
    const client = await bench.client();
    for (let n = 0; n < times; n++) {
      client.write(get('/'));
      await client.readFinal();
    }
  };

  it('gets about a tenth of what the others get, though it is always less busy', async () => {
    const [cold, warm, other] = [await bench.target(), await bench.target(), await bench.target()];
    const nowMs = monotonicMs();
    const targets = [cold.port, warm.port, other.port];
    await bench.serve({
      upstreams: { blue: { targets, warm: { [cold.port]: { sinceMs: nowMs, untilMs: nowMs + 3_600_000 } } } },
    });
    await ask(600);
    // Its share is 0.1 of 2.1: 28.6 of 600, with a standard deviation of 5.2.
    expect(cold.requests.length).toBeGreaterThan(5);
    expect(cold.requests.length).toBeLessThan(60);
    expect(warm.requests.length).toBeGreaterThan(200);
    expect(other.requests.length).toBeGreaterThan(200);
  });

  it('gets its whole share when the time is over', async () => {
    const [cold, warm] = [await bench.target(), await bench.target()];
    const nowMs = monotonicMs();
    await bench.serve({
      upstreams: {
        blue: { targets: [cold.port, warm.port], warm: { [cold.port]: { sinceMs: nowMs - 20, untilMs: nowMs - 10 } } },
      },
    });
    await ask(200);
    expect(cold.requests.length).toBeGreaterThan(50);
  });

  it('gets all there is when it is the only one', async () => {
    const cold = await bench.target();
    const nowMs = monotonicMs();
    const warm = { [cold.port]: { sinceMs: nowMs, untilMs: nowMs + 3_600_000 } };
    await bench.serve({ upstreams: { blue: { targets: [cold.port], warm } } });
    await ask(20);
    expect(cold.requests).toHaveLength(20);
  });
});

describe('the books of a target', () => {
  it('keep failures in a row: 5xx, resets and cut bodies are, a 4xx and a client that leaves are not', async () => {
    const target = await bench.target(async (request) => {
      if (!(await request.whole)) return;
      if (request.target === '/500') request.send(response('500 Internal Server Error', [], 'no'));
      else if (request.target === '/404') request.send(response('404 Not Found', [], 'no'));
      else if (request.target === '/reset') request.connection.reset();
      else if (request.target === '/cut') {
        request.send(head('HTTP/1.1 200 OK', 'Content-Length: 10'), 'half');
        request.connection.reset();
      }
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } }, retries: { attempts: 0 }, streakLimit: 3 });
    const ask = async (path: string): Promise<void> => {
      const client = await bench.send(get(path));
      if (path === '/cut') await client.readUntilClosed();
      else await client.readFinal();
      await bench.account(); // counted once the answer is out
    };
    await ask('/500');
    await ask('/reset');
    expect(judged()).toEqual({ trials: 2, errors: 2, streak: 2, runs: 0 });
    await ask('/404');
    expect(judged()).toEqual({ trials: 3, errors: 2, streak: 0, runs: 0 });
    for (const path of ['/cut', '/500', '/reset', '/500']) await ask(path);
    expect(judged()).toEqual({ trials: 7, errors: 6, streak: 1, runs: 1 });
    const leaving = await bench.send(get('/never'));
    await bench.gate.inFlight(bench.service, 1);
    leaving.reset();
    await bench.account();
    expect(judged()).toEqual({ trials: 7, errors: 6, streak: 1, runs: 1 });
  });

  it('begin a new row when the target comes back', async () => {
    const target = await bench.target((request) => void request.send(response('500 Internal Server Error', [], '')));
    const spec = { upstreams: { blue: { targets: [target.port] } } };
    await bench.serve(spec);
    for (let n = 0; n < 4; n++) await (await bench.send(get('/'))).readFinal();
    await bench.account();
    await bench.republish({ upstreams: { blue: { ...spec.upstreams.blue, ineligible: [target.port] } } });
    expect(judged()).toMatchObject({ streak: 4 });
    await bench.republish(spec);
    expect(judged()).toMatchObject({ errors: 4, streak: 0, runs: 0 });
  });
});
