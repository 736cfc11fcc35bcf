import { describe, expect, it } from 'vitest';
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
