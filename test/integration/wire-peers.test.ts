import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';

const bench = useBench();
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A node:http server as the target. */
async function nodeTarget(listener: RequestListener): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  await bench.serve({ upstreams: { blue: { targets: [(server.address() as AddressInfo).port] } } });
}

/** Echoes method, path, body and trailers as JSON, chunked. */
const mirror: RequestListener = (incoming, answer) => {
  const parts: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => parts.push(chunk));
  incoming.on('end', () => {
    answer.setHeader('content-type', 'application/json');
    answer.write(
      JSON.stringify({
        method: incoming.method,
        url: incoming.url,
        body: Buffer.concat(parts).toString('base64'),
        trailers: incoming.trailers,
      }),
    );
    answer.end();
  });
};

function curl(...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn('curl', ['-sS', '--max-time', '10', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  return new Promise((resolve) => {
    child.on('error', () => resolve({ code: null, out: 'no curl' }));
    child.on('close', (code) => resolve({ code, out }));
  });
}

const hasCurl = (await curl('--version')).code === 0;

describe.runIf(hasCurl)('curl as the client', () => {
  const url = (path = '/'): string => `http://127.0.0.1:${bench.gate.port}${path}`;

  for (const [what, args, expected] of [
    ['HTTP/1.1', [], { method: 'GET' }],
    ['HTTP/1.0', ['--http1.0'], { method: 'GET' }],
    ['a form', ['-d', 'a=b'], { method: 'POST', body: Buffer.from('a=b').toString('base64') }],
    ['a chunked upload', ['-H', 'Transfer-Encoding: chunked', '-T', 'package.json'], { method: 'PUT' }],
    [
      'Expect',
      ['-H', 'Expect: 100-continue', '-d', 'a=b'],
      { method: 'POST', body: Buffer.from('a=b').toString('base64') },
    ],
    [
      'DELETE with a body',
      ['-X', 'DELETE', '-d', 'a=b'],
      { method: 'DELETE', body: Buffer.from('a=b').toString('base64') },
    ],
  ] as const) {
    it(what, async () => {
      await nodeTarget(mirror);
      const { code, out } = await curl(...args, url('/curl?x=y'));
      expect(code, out).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ ...expected, url: '/curl?x=y' });
    });
  }

  it('HEAD, and several requests on one connection', async () => {
    await nodeTarget((incoming, answer) =>
      answer.setHeader('content-length', 5).end(incoming.method === 'HEAD' ? '' : 'hello'),
    );
    const head = await curl('-I', url());
    expect(head.out).toContain('HTTP/1.1 200 OK');
    const three = await curl('-v', url('/1'), url('/2'), url('/3'));
    expect(three.code, three.out).toBe(0);
    expect(three.out.match(/Re-using existing connection/g)).toHaveLength(2);
  });

  it('resumes a download by range', async () => {
    await nodeTarget((incoming, answer) => {
      expect(incoming.headers.range).toBe('bytes=5-9');
      answer.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('world');
    });
    expect((await curl('-r', '5-9', url())).out).toBe('world');
  });
});

describe('node:http on both sides', () => {
  it('carries bodies, trailers and early hints', async () => {
    await nodeTarget((incoming, answer) => {
      answer.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => mirror(incoming, answer));
    });
    const body = randomBytes(300_000);
    const hints: unknown[] = [];
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = request(
        { port: bench.gate.port, host: '127.0.0.1', method: 'POST', path: '/x', headers: { trailer: 'x-sum' } },
        (answer) => {
          let received = '';
          answer.on('data', (chunk: Buffer) => {
            received += chunk.toString();
          });
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: received }));
        },
      );
      sent.on('information', (information) => hints.push(information.statusCode));
      sent.on('error', reject);
      sent.write(body.subarray(0, 1_000));
      sent.write(body.subarray(1_000));
      sent.addTrailers({ 'x-sum': 'abc' });
      sent.end();
    });
    expect([status, hints]).toEqual([200, [103]]);
    expect(JSON.parse(text)).toMatchObject({
      method: 'POST',
      body: body.toString('base64'),
      trailers: { 'x-sum': 'abc' },
    });
  });

  it('fetch: 200 requests, 20 at a time, with and without bodies', async () => {
    await nodeTarget(mirror);
    const one = async (i: number): Promise<void> => {
      const body = i % 2 === 0 ? undefined : `body ${i}`;
      const init = body === undefined ? {} : { method: 'POST', body };
      const answer = await fetch(`http://127.0.0.1:${bench.gate.port}/${i}`, init);
      expect(await answer.json()).toMatchObject({ url: `/${i}`, body: Buffer.from(body ?? '').toString('base64') });
    };
    for (let i = 0; i < 200; i += 20) await Promise.all(Array.from({ length: 20 }, (_, n) => one(i + n)));
    expect(await bench.account()).toMatchObject({ accepted: 200, outcomes: { ok: 200 } });
  });
});
