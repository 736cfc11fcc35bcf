import { readFileSync } from 'node:fs';
import type { Http2Session } from 'node:http2';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { probeHealth } from '../../src/app/health/probe.ts';
import { probeReachable } from '../../src/app/health/reachable.ts';
import type { HealthConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type TargetTls, TRUST_SYSTEM } from '../../src/platform/tls.ts';
import { runSmoke } from '../../src/rollout/smoke.ts';
import { useBench } from '../support/bench.ts';
import { echo, type StreamHandler, useHttp2Targets } from '../support/http2-targets.ts';
import { eventually } from '../support/inbox.ts';
import { head, type ParsedResponse, value } from '../support/message.ts';
import { pem, TARGET_FIXTURES } from '../support/tls.ts';

const bench = useBench();
const targets = useHttp2Targets();

const own = (file: string): string => readFileSync(`${TARGET_FIXTURES}/${file}`, 'utf8');
const pair = (name: string) => ({ cert: pem(`${name}.crt`), key: pem(`${name}.key`) });
const GATE = pair('gate');
const ROOT: TargetTls = { ...TRUST_SYSTEM, ca: pem('root.crt') };
const CLIENT = { cert: own('client.crt'), key: own('client.key') };
const ASKING = { ...GATE, requestCert: true, rejectUnauthorized: true, ca: own('authority.crt') };
const POST = Buffer.concat([head('POST /x HTTP/1.1', 'Host: gate.test', 'Content-Length: 5'), Buffer.from('hello')]);

async function route(port: number, tls: Partial<TargetTls>): Promise<void> {
  await bench.serve({ upstreams: { blue: { targets: [port], secure: true, http2: true } }, tls });
}

async function ask(): Promise<ParsedResponse> {
  return (await bench.send(POST)).readFinal();
}

async function refused(error: string): Promise<void> {
  const reply = await ask();
  expect([reply.status, value(reply, 'proxy-status')]).toEqual([502, `gate; error=${error}`]);
  expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { connect_failed: 1 } });
  await eventually('no connection is left', () => bench.gauges().connections === 0);
}

/** A server that speaks HTTP/1.1 over TLS, and with `ALPNProtocols` says so. */
async function http1Server(ALPNProtocols: string[]) {
  const server = createSecureServer({ ...GATE, ALPNProtocols }, (_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return { port, [Symbol.asyncDispose]: async () => void (await new Promise((resolve) => server.close(resolve))) };
}

describe('an h2: target', () => {
  it('is spoken to over TLS, its certificate verified against a private CA', async () => {
    const schemes: (string | undefined)[] = [];
    const target = await targets.node((stream, fields) => {
      schemes.push(fields[':scheme']);
      echo(stream, fields);
    }, GATE);
    await route(target.port, ROOT);
    for (let i = 0; i < 3; i++) expect((await ask()).body.bytes.toString()).toBe('POST /x hello');
    expect(schemes).toEqual(['https', 'https', 'https']);
    expect(target.opened).toBe(1);
  });

  it.each([
    ['of an unknown authority', {}, GATE],
    ['that is another name’s', { ...ROOT, serverName: 'other.test' }, GATE],
    ['that has expired', { ...ROOT, serverName: 'gate.test' }, pair('expired')],
  ])('is refused for a certificate %s', async (_, tls, certificate) => {
    const target = await targets.node(echo, certificate);
    await route(target.port, tls);
    await refused('tls_certificate_error');
  });

  it('is refused if it does not agree on HTTP/2', async () => {
    await using silent = await http1Server([]);
    await route(silent.port, ROOT);
    await refused('http_protocol_error');
    await using other = await http1Server(['http/1.1']);
    await route(other.port, ROOT);
    await refused('tls_alert_received');
  });

  it('is refused if it speaks HTTP/2 without TLS', async () => {
    const target = await targets.node(echo);
    await route(target.port, ROOT);
    await refused('tls_protocol_error');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is shown the client certificate (%s)', async (maxVersion) => {
    const names: string[] = [];
    const onStream: StreamHandler = (stream, fields) => {
      names.push(peerOf(stream.session));
      echo(stream, fields);
    };
    const target = await targets.node(onStream, { ...ASKING, maxVersion });
    await route(target.port, { ...ROOT, ...CLIENT });
    expect((await ask()).status).toBe(200);
    expect(names).toEqual(['Tealgate test client']);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('refuses us without one (%s)', async (maxVersion) => {
    const target = await targets.node(echo, { ...ASKING, maxVersion });
    await route(target.port, ROOT);
    await refused('tls_alert_received');
  });

  it('is spoken to by new settings as soon as they are there, while what is under way ends by the old ones', async () => {
    const held: (() => void)[] = [];
    const target = await targets.node((stream) => {
      held.push(() => stream.respond({ ':status': 204 }, { endStream: true }));
    }, GATE);
    await route(target.port, ROOT);
    const first = await bench.send(POST);
    await eventually('it is there', () => held.length === 1);
    await bench.republish({
      upstreams: { blue: { targets: [target.port], secure: true, http2: true } },
      tls: { ...ROOT, serverName: 'gate.test' },
    });
    const second = await bench.send(POST);
    await eventually('both are there', () => held.length === 2);
    expect(target.sessions.size).toBe(2);
    for (const answer of held) answer();
    expect((await first.readFinal()).status).toBe(204);
    expect((await second.readFinal()).status).toBe(204);
    await eventually('the old connection is closed', () => target.sessions.size === 1);
  });
});

function peerOf(session: Http2Session | undefined): string {
  const socket = session?.socket as TLSSocket | undefined; // the server is a secure one
  return String(socket?.getPeerCertificate().subject.CN);
}

describe('checks of HTTP/2 targets', () => {
  const CONFIG: HealthConfig = {
    ask: { kind: 'http', path: '/healthz?deep', status: { min: 200, max: 399 } },
    intervalMs: 1_000,
    timeoutMs: 2_000,
    rise: 1,
    fall: 1,
    graceMs: 0,
  };
  const healthy: StreamHandler = (stream, { ':path': path, ':authority': authority }) => {
    stream.respond({ ':status': path === '/healthz?deep' ? 200 : 500 });
    stream.end(`I am ${authority}`);
  };
  const signal = new AbortController().signal;
  const health = (url: string, tls = ROOT, config = CONFIG) => probeHealth({ url, tls }, config, systemClock, signal);
  const reach = (url: string, tls = ROOT) => probeReachable({ url, tls }, 1_000, systemClock);
  const smoke = (url: string, path = '/healthz?deep') => {
    const expected = { status: 200, bodyIncludes: 'I am 127.0.0.1:' };
    const request = { method: 'POST', path, headers: { 'x-a': 'b' }, expect: expected, timeoutMs: 2_000 };
    return runSmoke([request], [url], { signal, tls: ROOT });
  };

  it.each(['h2c', 'h2'])('ask %s: targets by HTTP/2', async (scheme) => {
    const target = await targets.node(healthy, scheme === 'h2' ? GATE : {});
    const url = `${scheme}://127.0.0.1:${target.port}`;
    expect(await health(url)).toMatchObject({ ok: true, status: 200, detail: '' });
    expect(await reach(url)).toMatchObject({ ok: true, status: null, detail: '' });
    expect(await smoke(url)).toMatchObject([{ ok: true, status: 200, target: url }]);
    expect(
      await health(url, ROOT, { ...CONFIG, ask: { kind: 'http', path: '/', status: { min: 200, max: 399 } } }),
    ).toMatchObject({
      ok: false,
      status: 500,
      detail: `I am 127.0.0.1:${target.port}`,
    });
    expect(await smoke(url, '/')).toMatchObject([
      { ok: false, status: 500, detail: expect.stringMatching(/^status 500 and not 200/) },
    ]);
    await eventually('every connection is closed', () => target.sessions.size === 0);
  });

  it('fail where HTTP/2 is not spoken, or the certificate is not trusted, and say so', async () => {
    await using http1 = await http1Server([]);
    const plain = `h2://127.0.0.1:${http1.port}`;
    expect(await health(plain)).toMatchObject({ ok: false, detail: 'HTTP/2 was not agreed on (ALPN)' });
    expect(await reach(plain)).toMatchObject({ ok: false, detail: 'HTTP/2 was not agreed on (ALPN)' });
    const target = await targets.node(healthy, GATE);
    const url = `h2://127.0.0.1:${target.port}`;
    expect(await health(url, TRUST_SYSTEM)).toMatchObject({ ok: false, detail: expect.stringMatching(/certificate/) });
    expect(await reach(url, TRUST_SYSTEM)).toMatchObject({ ok: false, detail: expect.stringMatching(/certificate/) });
    const other = `h2c://127.0.0.1:${http1.port}`;
    expect(await reach(other)).toMatchObject({ ok: false });
    const gone = await targets.node(healthy);
    await gone.close();
    expect(await reach(`h2c://127.0.0.1:${gone.port}`)).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/ECONNREFUSED/),
    });
  });

  it('fail in time where nothing comes', async () => {
    const silent = await targets.frames({ greeting: [], acknowledges: false });
    const url = `h2c://127.0.0.1:${silent.port}`;
    expect(await health(url, ROOT, { ...CONFIG, timeoutMs: 50 })).toMatchObject({
      ok: false,
      detail: 'no answer within 50 ms',
    });
    const mute = await targets.node(() => {});
    const probe = await health(`h2c://127.0.0.1:${mute.port}`, ROOT, { ...CONFIG, timeoutMs: 50 });
    expect(probe).toMatchObject({ ok: false, detail: 'no answer within 50 ms' });
    const reset = await targets.node((stream) => stream.close(8));
    expect(await health(`h2c://127.0.0.1:${reset.port}`)).toMatchObject({ ok: false, detail: 'the stream was reset' });
  });
});
