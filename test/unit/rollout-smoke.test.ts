import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { SmokeRequest } from '../../src/config/config.ts';
import { type TargetTls, TRUST_SYSTEM } from '../../src/platform/tls.ts';
import { runSmoke } from '../../src/rollout/smoke.ts';
import { pem, ROOT } from '../support/tls.ts';

const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server on a TCP port has an address of this kind.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (listener: RequestListener): Promise<string> => listen(createServer(listener));

const REQUEST: SmokeRequest = {
  method: 'GET',
  path: '/healthz',
  headers: {},
  expect: { status: 200, bodyIncludes: null },
  timeoutMs: 5000,
};
const signal = new AbortController().signal;

describe('smoke requests', () => {
  it('ask every target, with method, path and headers as planned, on a connection of their own', async () => {
    const seen: string[] = [];
    const listener: RequestListener = (request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers['x-smoke']} ${request.headers.host}`);
      response.end('all is well');
    };
    const targets = [await serve(listener), await serve(listener)];
    const smoke = { ...REQUEST, method: 'POST', path: '/check?deep=1', headers: { 'x-smoke': 'yes' } };
    const results = await runSmoke([smoke, REQUEST], targets, { signal });
    expect(results.map(({ target, ok, status, detail }) => ({ target, ok, status, detail }))).toEqual(
      [targets[0], targets[0], targets[1], targets[1]].map((target) => ({ target, ok: true, status: 200, detail: '' })),
    );
    for (const target of targets) expect(seen).toContain(`POST /check?deep=1 yes ${target.slice('http://'.length)}`);
  });

  it('keep status and the beginning of the body of a wrong answer, safe to print', async () => {
    const target = await serve((_request, response) => {
      response.statusCode = 500;
      response.end(`\x1b[31mdatabase\r\nis down${'!'.repeat(1000)}`);
    });
    const [result] = await runSmoke([REQUEST], [target], { signal });
    expect(result).toMatchObject({ ok: false, status: 500 });
    expect(result?.detail).toMatch(/^status 500 and not 200: "\\u001b\[31mdatabase\\r\\nis down!+"$/);
    expect(result?.detail.length).toBeLessThan(260);
  });

  it('look for the text that the body must include', async () => {
    const target = await serve((_request, response) => response.end('version 2'));
    const includes = (bodyIncludes: string): SmokeRequest => ({ ...REQUEST, expect: { status: 200, bodyIncludes } });
    const results = await runSmoke([includes('version 2'), includes('version 3')], [target], { signal });
    expect(results.map((result) => result.ok)).toEqual([true, false]);
    expect(results[1]?.detail).toBe('the body does not include "version 3": "version 2"');
  });

  it('do not follow redirects', async () => {
    const target = await serve((_request, response) => response.writeHead(302, { location: '/healthz' }).end());
    const [result] = await runSmoke([REQUEST], [target], { signal });
    expect(result).toMatchObject({ ok: false, status: 302 });
  });

  it('fail on a target that is not there', async () => {
    // The port of a client: taken, so that nobody else comes to listen on it, and without a listener.
    const peer = await listen(createTcpServer((socket) => servers.push({ close: () => socket.destroy() })));
    const client = connect(Number(new URL(peer).port), '127.0.0.1');
    servers.push({ close: () => client.destroy() });
    await once(client, 'connect');
    const [result] = await runSmoke([REQUEST], [`http://127.0.0.1:${client.localPort}`], { signal });
    expect(result).toMatchObject({ ok: false, status: null });
    expect(result?.detail).toContain('ECONNREFUSED');
  });

  it('fail on a target that accepts and never answers', async () => {
    const mute = await listen(createTcpServer((socket) => servers.push({ close: () => socket.destroy() })));
    const [result] = await runSmoke([{ ...REQUEST, timeoutMs: 50 }], [mute], { signal });
    expect(result).toMatchObject({ ok: false, status: null, detail: 'no whole answer within 50 ms' });
  });

  it('fail on a target that begins an answer and never finishes it', async () => {
    const endless = await serve((_request, response) => response.write('and then'));
    // However busy the machine is, the beginning comes within one of these times.
    for (let timeoutMs = 50; ; timeoutMs *= 4) {
      const [result] = await runSmoke([{ ...REQUEST, timeoutMs }], [endless], { signal });
      expect(result).toMatchObject({ ok: false, detail: `no whole answer within ${timeoutMs} ms` });
      if (result?.status === null) continue;
      expect(result?.status).toBe(200);
      return;
    }
  });

  it('read no more of a body than is needed to judge it', async () => {
    const target = await serve((_request, response) => {
      const chunk = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    const [result] = await runSmoke([REQUEST], [target], { signal });
    expect(result).toMatchObject({ ok: true, status: 200 });
  });

  it('trust an https: target by the settings of its service, and by those of the system without any', async () => {
    const server = createSecureServer({ cert: pem('gate.crt'), key: pem('gate.key') }, (_, response) => response.end());
    const target = (await listen(server)).replace('http:', 'https:');
    const ask = async (tls?: TargetTls) => {
      const [result] = await runSmoke([REQUEST], [target], tls === undefined ? { signal } : { signal, tls });
      return result;
    };
    expect(await ask({ ...TRUST_SYSTEM, ca: ROOT })).toMatchObject({ ok: true, status: 200 });
    expect(await ask({ ...TRUST_SYSTEM, ca: ROOT, serverName: 'localhost' })).toMatchObject({ ok: true });
    const untrusted = { ok: false, status: null, detail: expect.stringMatching(/^no answer: .*certificate/) };
    expect(await ask()).toMatchObject(untrusted);
    expect(await ask({ ...TRUST_SYSTEM, ca: ROOT, serverName: 'other.test' })).toMatchObject({ ok: false });
  });

  it('end with their signal', async () => {
    const mute = await listen(createTcpServer((socket) => servers.push({ close: () => socket.destroy() })));
    const stop = new AbortController();
    const running = runSmoke([REQUEST], [mute], { signal: stop.signal });
    stop.abort();
    await expect(running).rejects.toThrow('aborted');
  });
});
