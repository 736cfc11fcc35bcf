import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { chunked, head, response, value } from '../support/message.ts';
import type { RawClient } from '../support/raw-client.ts';

const bench = useBench({
  listener: {
    timeouts: { headMs: 1_000, bodyMs: 1_000, keepAliveMs: 600 },
    limits: { headBytes: 2_048, fields: 20, bodyBytes: 1_000, connections: 40 },
  },
});

const HOST = 'Host: gate.test';
const GET = head('GET /x HTTP/1.1', HOST);

async function serve(): Promise<Awaited<ReturnType<typeof bench.target>>> {
  const target = await bench.target();
  await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
  return target;
}

describe('the body limit', () => {
  it('refuses a declared length beyond it with 413, and no octet reaches a target', async () => {
    const target = await serve();
    const client = await bench.send(head('POST /x HTTP/1.1', HOST, 'Content-Length: 1001'), 'a');
    expect((await client.readFinal()).status).toBe(413);
    await client.readUntilClosed();
    expect(target.connections).toHaveLength(0);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { rejected: 1 } });
  });

  it('is exact', async () => {
    const target = await serve();
    const client = await bench.send(head('POST /x HTTP/1.1', HOST, 'Content-Length: 1000'), 'a'.repeat(1_000));
    expect((await client.readFinal()).status).toBe(200);
    client.write(
      head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'),
      chunked('a'.repeat(400), 'b'.repeat(600)),
    );
    expect((await client.readFinal()).status).toBe(200);
    expect(target.whole.map(({ body }) => body.bytes.length)).toEqual([1_000, 1_000]);
  });

  it('cuts a chunked body that grows beyond it: 413, the target sees no end and is not blamed', async () => {
    const target = await serve();
    const client = await bench.send(
      head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'),
      '384\r\n',
      'a'.repeat(900),
      '\r\n',
    );
    const request = await target.request();
    client.write('384\r\n', 'b'.repeat(900), '\r\n0\r\n\r\n');
    expect((await client.readFinal()).status).toBe(413);
    await client.readUntilClosed();
    expect(await request.whole).toBe(false);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { rejected: 1 } });
    expect(bench.trials()).toMatchObject({ trials: 0, errors: 0 });
  });

  it('does not count chunk framing as body', async () => {
    await serve();
    const client = await bench.send(
      head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'),
      chunked(...'a'.repeat(900)),
    );
    expect((await client.readFinal()).status).toBe(200);
  });
});

describe('the limits of a head', () => {
  it('are 431 for too many octets or fields and 414 for the target, and exact for fields', async () => {
    const target = await serve();
    const fields = (count: number): string[] => Array.from({ length: count }, (_, i) => `X-${i}: 1`);
    for (const [bytes, status] of [
      [head('GET /x HTTP/1.1', HOST, `X-A: ${'a'.repeat(2_048)}`), 431],
      [head('GET /x HTTP/1.1', HOST, ...fields(20)), 431],
      [head(`GET /${'a'.repeat(2_048)} HTTP/1.1`, HOST), 414],
    ] as const) {
      const client = await bench.send(bytes);
      expect((await client.readFinal()).status).toBe(status);
      await client.readUntilClosed();
    }
    expect(target.connections).toHaveLength(0);
    const client = await bench.send(head('GET /x HTTP/1.1', HOST, ...fields(19)));
    expect((await client.readFinal()).status).toBe(200);
    expect(bench.unrouted()).toMatchObject({ accepted: 3, outcomes: { rejected: 3 } });
  });

  it('hold however small the segments are', async () => {
    await serve();
    const client = await bench.client();
    await client.writeByteByByte(head('GET /x HTTP/1.1', HOST, `X-A: ${'a'.repeat(2_048)}`));
    expect((await client.readFinal()).status).toBe(431);
  });
});

describe('an idle client', () => {
  it('is closed after the keep-alive timeout, with nothing said', async () => {
    await serve();
    const client = await bench.send(GET);
    await client.readFinal();
    expect(await client.readUntilClosed()).toBe('fin');
    expect(client.rest).toHaveLength(0);
  });

  it('is as idle behind an empty line, which old clients send after a body', async () => {
    await serve();
    for (const blank of ['\r\n', '\r', '\r\n'.repeat(9)]) {
      const client = await bench.send(head('POST /x HTTP/1.1', HOST, 'Content-Length: 2'), 'ab', blank);
      await client.readFinal();
      expect(await client.readUntilClosed()).toBe('fin');
      expect(client.rest.toString()).toBe('');
    }
    expect(bench.unrouted()).toMatchObject({ accepted: 0 });
  });

  it('that has never sent anything is closed too', async () => {
    await serve();
    const client = await bench.client();
    await client.readUntilClosed();
    expect(client.receivedBytes).toBe(0);
    expect(bench.unrouted()).toMatchObject({ accepted: 0 });
  });

  it('is not idle while its answer is under way', async () => {
    const target = await serve();
    target.script = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      request.send(response('200 OK', [], 'late'));
    };
    const client = await bench.send(GET);
    expect((await client.readFinal()).body.bytes.toString()).toBe('late');
  });
});

describe('the connection limit', () => {
  it('leaves those inside it alone, and takes new ones as soon as there is room', async () => {
    await serve();
    const clients: RawClient[] = [];
    for (let i = 0; i < 60; i++) clients.push(await bench.client());
    await eventually('those beyond the limit are closed', () => clients.filter(({ closed }) => closed).length >= 20);
    const [first, ...others] = clients.filter(({ closed }) => !closed);
    first?.write(GET);
    expect((await first?.readFinal())?.status).toBe(200);
    for (const client of others) client.destroy();
    const client = await served();
    expect(client.status).toBe(200);
  });

  /** Connections that were just closed may still count for a moment. */
  async function served(): Promise<{ status: number }> {
    for (let tries = 0; tries < 50; tries++) {
      const client = await bench.send(GET);
      const answer = await client.readFinal().catch(() => null);
      if (answer !== null) return answer;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('no new client was served');
  }
});

describe('our own answers', () => {
  it('name their cause in Proxy-Status, are not cached, and say nothing of what is behind', async () => {
    const target = await serve();
    const { port } = target;
    target.script = (request) => (request.target === '/reset' ? request.connection.reset() : undefined);
    await bench.republish({ upstreams: { blue: { targets: [port] } }, timeouts: { responseMs: 300 } });
    const client = await bench.client();
    const expectOwn = async (bytes: Buffer, status: number, error: string | null): Promise<void> => {
      client.write(bytes);
      const answer = await client.readFinal();
      expect(answer.status).toBe(status);
      expect(value(answer, 'cache-control')).toBe('no-store');
      if (error === null) expect(value(answer, 'proxy-status')).toBeUndefined();
      else expect(value(answer, 'proxy-status')).toMatch(new RegExp(`; ?error=${error}$`));
      expect(client.inbox.bytes.toString('latin1')).not.toMatch(new RegExp(`127\\.0\\.0\\.1|${port}|blue`));
    };
    await expectOwn(head('POST /reset HTTP/1.1', HOST, 'Content-Length: 0'), 502, 'connection_terminated');
    await expectOwn(head('POST /never HTTP/1.1', HOST, 'Content-Length: 0'), 504, 'http_response_timeout');
    await target.close();
    await expectOwn(head('POST /gone HTTP/1.1', HOST, 'Content-Length: 0'), 502, 'connection_refused');
    await bench.republish({ upstreams: { blue: { targets: [] } } });
    client.write(GET);
    const none = await client.readFinal();
    expect([none.status, value(none, 'retry-after')]).toEqual([503, '1']);
  });

  it('to HEAD have no body but the length it would have', async () => {
    const target = await serve();
    await target.close();
    const client = await bench.send(head('HEAD /x HTTP/1.1', HOST));
    const answer = await client.readFinal({ method: 'HEAD' });
    expect(answer.status).toBe(502);
    expect(Number(value(answer, 'content-length'))).toBeGreaterThan(0);
    client.write(head('HEAD /x HTTP/1.1', HOST));
    expect((await client.readFinal({ method: 'HEAD' })).status).toBe(502);
  });

  it('add a Date where the target sent none', async () => {
    await serve();
    const client = await bench.send(GET);
    expect(Date.parse(value(await client.readFinal(), 'date') ?? '')).toBeGreaterThan(Date.now() - 5_000);
  });
});
