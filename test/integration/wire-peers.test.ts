import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { useBench } from '../support/bench.ts';
import { head, value } from '../support/message.ts';
import { startNginxFiles } from '../support/peers.ts';

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

const curl = (...args: string[]) => run('curl', '-sS', '--max-time', '10', ...args);

function run(program: string, ...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  return new Promise((resolve) => {
    child.on('error', () => resolve({ code: null, out: `no ${program}` }));
    child.on('close', (code) => resolve({ code, out }));
  });
}

const hasCurl = (await curl('--version')).code === 0;
if (process.env.CI === 'true' && !hasCurl) throw new Error('curl is not installed');

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

  it('is shown the trailers of an answer', async () => {
    await nodeTarget((_, answer) => {
      answer.writeHead(200, { trailer: 'x-sum' });
      answer.write('hello');
      answer.addTrailers({ 'x-sum': 'abc' });
      answer.end();
    });
    // curl counts them among the headers that it shows.
    const { code, out } = await curl('-i', '-H', 'TE: trailers', url());
    expect(code, out).toBe(0);
    expect(out).toContain('Transfer-Encoding: chunked');
    expect(out).toContain('hello');
    expect(out.toLowerCase()).toContain('x-sum: abc');
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

describe('ws on both sides', () => {
  /** Echoes what it gets, and closes as it is asked to. */
  async function wsTarget(): Promise<void> {
    const server = createServer((_, answer) => answer.writeHead(426).end('only WebSockets here'));
    const sockets = new WebSocketServer({ server, handleProtocols: () => 'chat' });
    sockets.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => {
        if (!isBinary && String(data) === 'leave') socket.close(4001, 'as asked');
        else socket.send(data, { binary: isBinary });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
    });
    await bench.serve({ upstreams: { blue: { targets: [(server.address() as AddressInfo).port] } } });
  }

  it('carries text, large binary messages, pings, subprotocols and close codes', async () => {
    await wsTarget();
    const socket = new WebSocket(`ws://127.0.0.1:${bench.gate.port}/chat?room=1`, ['chat']);
    await once(socket, 'open');
    expect(socket.protocol).toBe('chat');
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    const large = randomBytes(3_000_000);
    socket.send(large);
    const [echoed] = await once(socket, 'message');
    expect(large.equals(echoed as Buffer)).toBe(true); // binary messages are Buffers
    socket.ping('are you there');
    expect(String((await once(socket, 'pong'))[0])).toBe('are you there');
    socket.send('leave');
    const [code, reason] = await once(socket, 'close');
    expect([code, String(reason)]).toEqual([4001, 'as asked']);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('relays a refusal as the client of the library expects it', async () => {
    await nodeTarget((_, answer) => answer.writeHead(401).end('who are you'));
    const socket = new WebSocket(`ws://127.0.0.1:${bench.gate.port}/`);
    socket.on('error', () => {});
    const [, answer] = await once(socket, 'unexpected-response');
    expect((answer as IncomingMessage).statusCode).toBe(401); // documented for this event
    socket.terminate();
  });
});

const hasNginx = (await run('nginx', '-v')).code === 0;
if (process.env.CI === 'true' && !hasNginx) throw new Error('nginx is not installed');

describe.runIf(hasNginx)('nginx as the target', () => {
  const url = (path = '/'): string => `http://127.0.0.1:${bench.gate.port}${path}`;

  it('serves files by keep-alive connections: whole, by range, unchanged and compressed', async () => {
    const nginx = await startNginxFiles({ 'page.txt': 'x'.repeat(100_000) });
    closing.push(() => void nginx[Symbol.asyncDispose]());
    await bench.serve({ upstreams: { blue: { targets: [nginx.port] } } });
    for (let i = 0; i < 20; i++) expect((await (await fetch(url('/page.txt'))).text()).length).toBe(100_000);
    const part = await fetch(url('/page.txt'), { headers: { range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      'bytes 10-19/100000',
      'x'.repeat(10),
    ]);
    const etag = part.headers.get('etag') ?? '';
    const same = await fetch(url('/page.txt'), { headers: { 'if-none-match': etag } });
    expect([same.status, await same.text()]).toEqual([304, '']);
    const client = await bench.send(head('GET /page.txt HTTP/1.1', 'Host: gate.test', 'Accept-Encoding: gzip'));
    const small = await client.readFinal();
    expect([value(small, 'content-encoding'), gunzipSync(small.body.bytes).length]).toEqual(['gzip', 100_000]);
    const missing = await fetch(url('/missing'), { method: 'HEAD' });
    expect(missing.status).toBe(404);
    const account = await bench.account();
    expect(account).toMatchObject({ accepted: 24, outcomes: { ok: 23, client_error: 1 } });
    expect(bench.gauges().connections).toBeLessThan(5); // kept alive and used again
  });
});
