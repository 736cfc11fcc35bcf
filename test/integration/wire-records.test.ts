import { describe, expect, it } from 'vitest';
import { readAccount } from '../support/accounts.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { named } from '../support/load.ts';
import { head, response } from '../support/message.ts';
import { obligation } from '../support/obligations.ts';
import { echo } from '../support/scripted-target.ts';

const bench = useBench({ accessLog: true });

const HOST = 'Host: gate.test';

interface Line {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly service: string;
  readonly upstream: string;
  readonly target: string;
  readonly retries: number;
  readonly outcome: string;
  readonly requestId: string;
  readonly client: string;
}

async function lines(count: number): Promise<Line[]> {
  await eventually(`${count} access lines`, () => bench.gate.accessLines.length >= count);
  return bench.gate.accessLines.splice(0).map((line) => JSON.parse(line) as Line);
}

describe('the access log', () => {
  it('has one line for each request, with what became of it', async () => {
    const target = await bench.target((request) => {
      if (request.target === '/reset') return request.connection.reset();
      if (request.target === '/cut') {
        request.send(head('HTTP/1.1 200 OK', 'Content-Length: 100'), 'half');
        return request.connection.end();
      }
      if (request.target === '/500') return void request.send(response('500 Internal Server Error', [], 'oh'));
      return echo(request);
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    for (const [method, path] of [
      ['GET', '/ok?secret=1'],
      ['POST', '/reset'],
      ['GET', '/cut'],
      ['GET', '/500'],
    ] as const) {
      const client = await bench.send(
        head(`${method} ${path} HTTP/1.1`, HOST, 'X-Request-Id: the-id', 'Content-Length: 0'),
      );
      await client.readFinal().catch(() => {});
      client.destroy();
    }
    const refused = await bench.send('GET / HTTP/1.1\r\n\r\n');
    await refused.readUntilClosed();
    await bench.account();
    const [ok, reset, cut, failed, rejected] = await lines(5);
    const common = {
      host: 'gate.test',
      client: '127.0.0.1',
      requestId: 'the-id',
      service: bench.service,
      upstream: 'blue',
      target: `http://127.0.0.1:${target.port}`,
    };
    expect(ok).toMatchObject({
      ...common,
      method: 'GET',
      path: '/ok',
      status: 200,
      bytes: 16,
      retries: 0,
      outcome: 'ok',
    });
    expect(reset).toMatchObject({ ...common, method: 'POST', path: '/reset', status: 502, outcome: 'reset' });
    expect(cut).toMatchObject({ ...common, path: '/cut', status: 200, bytes: 4, outcome: 'truncated' });
    expect(failed).toMatchObject({ ...common, path: '/500', status: 500, bytes: 2, outcome: 'server_error' });
    expect(rejected).toMatchObject({ status: 400, outcome: 'rejected', service: '' });
  });

  it(obligation('Z08-secrets', 'the access log, lines and escapes'), async () => {
    const target = await bench.target(named('blue'));
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(head('GET /a"b\\c%0a HTTP/1.1', HOST, 'X-Request-Id: x","level":"error'));
    await client.readFinal();
    const [line] = await lines(1);
    expect(line).toMatchObject({ path: '/a"b\\c%0a', requestId: 'x","level":"error', outcome: 'ok' });
    expect(line).toMatchObject({ level: 'info' });
  });

  it(obligation('Z08-secrets', 'the access log, credentials and queries'), async () => {
    const target = await bench.target(named('blue', 'Set-Cookie: a=topsecret'));
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(
      head(
        'GET /x?token=topsecret HTTP/1.1',
        HOST,
        'Cookie: a=topsecret',
        'Authorization: Bearer topsecret',
        'Referer: http://x/?topsecret',
      ),
    );
    await client.readFinal();
    await eventually('the line', () => bench.gate.accessLines.length > 0);
    expect(bench.gate.accessLines.splice(0).join()).not.toContain('topsecret');
  });
});

describe('a service that is taken away', () => {
  it('finishes what it has, and its next request finds nothing', async () => {
    const release = Promise.withResolvers<void>();
    const target = await bench.target(async (request) => {
      await release.promise;
      await echo(request);
    });
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(head('GET /slow HTTP/1.1', HOST));
    await target.request();
    const { ledger } = bench.gate.service(bench.service);
    await bench.gate.publish({});
    release.resolve();
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /slow');
    client.write(head('GET /next HTTP/1.1', HOST));
    expect((await client.readFinal()).status).toBe(404);
    expect(readAccount(ledger)).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    await (await target.connection()).closed();
  });
});
