import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChannelCredentials, Client, Metadata, status } from '@grpc/grpc-js';
import { chromium } from 'playwright-core';
import { afterEach, describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { ECHO, echoService, openGrpcTarget } from '../support/grpc.ts';
import { eventually } from '../support/inbox.ts';
import { value } from '../support/message.ts';
import { isLeftOut, run } from '../support/programs.ts';
import { FIXTURES, GATE, ROOT, serving } from '../support/tls.ts';

const HTTP2 = { http2: { streams: 100 } };
const plain = useBench({ listener: HTTP2 });
const tls = useBench({ listener: { ...HTTP2, tls: serving(GATE) } });

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Answers with what it was asked, by node:http. */
async function mirror(...benches: (typeof plain)[]): Promise<void> {
  const server = createServer((incoming, answer) => {
    let octets = 0;
    incoming.on('data', (chunk: Buffer) => {
      octets += chunk.length;
    });
    incoming.on('end', () => {
      if (incoming.method !== 'HEAD') answer.setHeader('trailer', 'x-octets');
      answer.write(`${incoming.method} ${incoming.url} `);
      answer.addTrailers({ 'x-octets': octets });
      answer.end(`${octets}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  for (const bench of benches) await bench.serve({ upstreams: { blue: { targets: [port] } } });
}

const file = (octets: number): string => {
  const path = join(tmpdir(), `tealgate-upload-${process.pid}-${octets}`);
  writeFileSync(path, Buffer.alloc(octets, 'x'));
  return path;
};

describe.skipIf(isLeftOut('curl'))('curl (left out where it is not installed)', () => {
  const curl = (...args: string[]) =>
    run('curl', ['-sS', '--max-time', '10', '-w', ' HTTP/%{http_version} %{http_code}', ...args]);
  const secure = (): string[] => [
    '--cacert',
    `${FIXTURES}/root.crt`,
    '--resolve',
    `gate.test:${tls.gate.port}:127.0.0.1`,
    `https://gate.test:${tls.gate.port}/a?b`,
  ];

  it('speaks HTTP/2 by prior knowledge', async () => {
    await mirror(plain);
    const url = `http://127.0.0.1:${plain.gate.port}`;
    expect((await curl('--http2-prior-knowledge', `${url}/a?b`)).out).toBe('GET /a?b 0 HTTP/2 200');
    expect((await curl('--http2-prior-knowledge', '-T', file(3_000_000), `${url}/up`)).out).toBe(
      'PUT /up 3000000 HTTP/2 200',
    );
    expect((await curl('--http2-prior-knowledge', '-d', 'a=b', `${url}/form`)).out).toBe('POST /form 3 HTTP/2 200');
    expect((await curl('-I', '--http2-prior-knowledge', url)).out).toContain('HTTP/2 200');
  });

  it('that would upgrade to HTTP/2 is served in HTTP/1.1', async () => {
    await mirror(plain);
    const url = `http://127.0.0.1:${plain.gate.port}`;
    expect((await curl('--http2', `${url}/`)).out).toBe('GET / 0 HTTP/1.1 200');
  });

  it('has the version that it asks for over TLS, and reuses its connection', async () => {
    await mirror(tls);
    const three = await curl('-v', '--http2', ...secure(), ...secure().slice(-1), ...secure().slice(-1));
    expect(three.out.match(/Re-using existing connection/g)).toHaveLength(2);
    expect(three.out.match(/HTTP\/2 200$|< HTTP\/2 200/gm)).toHaveLength(4);
    expect((await curl('--http2', ...secure())).out).toBe('GET /a?b 0 HTTP/2 200');
    expect((await curl('--http1.1', ...secure())).out).toBe('GET /a?b 0 HTTP/1.1 200');
    const upload = await curl('--http2', '-T', file(3_000_000), ...secure());
    expect(upload.out).toBe('PUT /a?b 3000000 HTTP/2 200');
  });
});

describe.skipIf(isLeftOut('nghttp'))('nghttp (left out where it is not installed)', () => {
  it('has all of many requests answered, trailers and all', async () => {
    await mirror(plain);
    const url = `http://127.0.0.1:${plain.gate.port}/`;
    const { code, out } = await run('nghttp', ['-v', '-m', '20', '--trailer', 'x-sum: 1', '-d', file(100_000), url]);
    expect(code, out).toBe(0);
    expect(out.match(/:status: 200/g)).toHaveLength(20);
    expect(out.match(/x-octets: 100000/g)).toHaveLength(20);
    expect(out).not.toContain('RST_STREAM');
    expect(await plain.account()).toMatchObject({ accepted: 20, outcomes: { ok: 20 } });
  });
});

describe.skipIf(isLeftOut('h2load'))('h2load (left out where it is not installed)', () => {
  it.each([
    ['in clear text', (): string => `http://127.0.0.1:${plain.gate.port}/`, plain],
    ['over TLS', (): string => `https://127.0.0.1:${tls.gate.port}/`, tls],
  ] as const)('has every request answered %s', async (_, url, bench) => {
    await mirror(bench);
    const { code, out } = await run('h2load', ['-n', '3000', '-c', '5', '-m', '50', url()]);
    expect(code, out).toBe(0);
    expect(out).toContain('3000 succeeded, 0 failed, 0 errored, 0 timeout');
    expect(out).toContain('status codes: 3000 2xx');
    expect(await bench.account()).toMatchObject({ accepted: 3_000, outcomes: { ok: 3_000 } });
  });
});

const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome'].find((name) => !isLeftOut(name));

describe.skipIf(CHROMIUM === undefined)('Chromium (left out where it is not installed)', () => {
  it('loads a page and all that belongs to it over one HTTP/2 connection', async () => {
    const page = `<!doctype html><title>h2</title>${Array.from({ length: 30 }, (_, i) => `<img src="/${i}.svg">`).join('')}`;
    const target = await tls.target((request) => {
      const image = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
      const [type, body] = request.target === '/' ? ['text/html', page] : ['image/svg+xml', image];
      request.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nSet-Cookie: a=${request.target}\r\n`);
      request.send(`Content-Length: ${body.length}\r\n\r\n${body}`);
    });
    await tls.serve({ upstreams: { blue: { targets: [target.port] } } });
    const browser = await chromium.launch({
      executablePath: `/usr/bin/${CHROMIUM}`,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
    });
    closing.push(() => browser.close());
    const tab = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    await tab.goto(`https://localhost:${tls.gate.port}/`);
    await tab.waitForLoadState('networkidle');
    const loaded = await tab.evaluate(() =>
      performance
        .getEntries()
        .flatMap((entry) =>
          'nextHopProtocol' in entry ? [`${entry.nextHopProtocol} ${entry.name.split('/').at(-1)}`] : [],
        ),
    );
    const wanted = ['h2 ', ...Array.from({ length: 30 }, (_, i) => `h2 ${i}.svg`)];
    expect(loaded).toEqual(expect.arrayContaining(wanted));
    const [first] = target.requests;
    expect(value(first?.head ?? { fields: [] }, 'via')).toMatch(/^2\.0 /);
    expect(value(first?.head ?? { fields: [] }, 'x-forwarded-proto')).toBe('https');
  });
});

describe('a gRPC client in front of a gRPC server', () => {
  const text = (octets: Buffer): string => octets.toString();
  const octets = (message: string): Buffer => Buffer.from(message);

  async function channel(bench: typeof plain, credentials: ChannelCredentials): Promise<Client> {
    const target = await openGrpcTarget(echoService('blue'));
    closing.push(async () => await target[Symbol.asyncDispose]());
    await bench.serve({ upstreams: { blue: { targets: [target.port], http2: true } } });
    const client = new Client(`localhost:${bench.gate.port}`, credentials);
    closing.push(() => client.close());
    return client;
  }

  const one = (client: Client, message: string): Promise<string> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(ECHO.one.path, octets, text, message, new Metadata(), (error, answer = '') =>
        error === null ? resolve(answer) : reject(error),
      );
    });

  it.each([
    ['in clear text', plain, () => ChannelCredentials.createInsecure()],
    ['over TLS', tls, () => ChannelCredentials.createSsl(Buffer.from(ROOT))],
  ] as const)('makes calls of all four kinds %s', async (_, bench, credentials) => {
    const client = await channel(bench, credentials());
    expect(await one(client, 'hello')).toBe('blue hello');
    await expect(one(client, `fail ${status.NOT_FOUND}`)).rejects.toMatchObject({ code: status.NOT_FOUND });

    const many: string[] = [];
    const stream = client.makeServerStreamRequest(ECHO.many.path, octets, text, '3');
    for await (const message of stream) many.push(message as string);
    expect(many).toEqual(['blue 0', 'blue 1', 'blue 2']);

    const sum = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest(ECHO.sum.path, octets, text, new Metadata(), (error, answer = '') =>
        error === null ? resolve(answer) : reject(error),
      );
      for (const part of ['a', 'b', 'c']) call.write(part);
      call.end();
    });
    expect(sum).toBe('blue a+b+c');

    const chat = client.makeBidiStreamRequest(ECHO.chat.path, octets, text);
    const heard: string[] = [];
    chat.on('data', (message: string) => heard.push(message));
    for (let i = 0; i < 5; i++) {
      chat.write(`${i}`); // only when the answer to the one before is there
      await eventually(`answer ${i} has come`, () => heard.length > i);
    }
    const ended = new Promise((resolve) => chat.once('status', resolve));
    chat.end();
    expect(await ended).toMatchObject({ code: status.OK });
    expect(await bench.account()).toMatchObject({ accepted: 5, outcomes: { ok: 4, client_error: 1 } });
  });

  it('cancels a call at the server', async () => {
    const client = await channel(plain, ChannelCredentials.createInsecure());
    const call = client.makeServerStreamRequest(ECHO.many.path, octets, text, '1 then wait');
    call.on('error', () => {});
    await new Promise((resolve) => call.once('data', resolve));
    call.cancel();
    expect(await plain.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    expect(await one(client, 'next')).toBe('blue next');
  });
});
