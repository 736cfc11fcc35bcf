import { Server, type ServerUnaryCall, type ServiceDefinition, type sendUnaryData, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { probeHealth } from '../../src/app/health/probe.ts';
import type { HealthConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { TRUST_SYSTEM } from '../../src/platform/tls.ts';
import { openGate, openTarget, until } from '../support/gate.ts';
import { echoService, type GrpcTarget, openGrpcTarget } from '../support/grpc.ts';
import { type StreamHandler, useHttp2Targets } from '../support/http2-targets.ts';

const targets = useHttp2Targets();

interface Asked {
  readonly name: string;
}

/** Messages as the octets they are: of the request the name asked about, of the answer a number. */
const HEALTH = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: ({ name }: Asked) => Buffer.from(name),
    requestDeserialize: (octets: Buffer): Asked => ({ name: nameIn(octets) }),
    responseSerialize: (serving: number) => (serving === 0 ? Buffer.alloc(0) : Buffer.of(0x08, serving)),
    responseDeserialize: (octets: Buffer) => octets[1] ?? 0,
  },
} satisfies ServiceDefinition;

/** A `HealthCheckRequest` is nothing, or field 1 with text whose length is one octet here, or two. */
function nameIn(octets: Buffer): string {
  if (octets.length === 0) return '';
  const isLong = (octets[1] as number) >= 0x80;
  return `${octets[0] === 0x0a ? '' : 'not field 1: '}${octets.subarray(isLong ? 3 : 2)}`;
}

/** A server of @grpc/grpc-js that tells of these; whoever is not among them is not known. */
async function serve(of: Readonly<Record<string, number>>): Promise<GrpcTarget> {
  const server = new Server();
  server.addService(HEALTH, {
    check: ({ request }: ServerUnaryCall<Asked, number>, answer: sendUnaryData<number>) => {
      const serving = of[request.name];
      if (serving === undefined) answer({ code: status.NOT_FOUND, details: 'unknown service' });
      else answer(null, serving);
    },
  });
  return openGrpcTarget(echoService('blue'), server);
}

const CONFIG: HealthConfig = {
  ask: { kind: 'grpc', service: '' },
  intervalMs: 1_000,
  timeoutMs: 2_000,
  rise: 1,
  fall: 1,
  graceMs: 0,
};

function ask(url: string, service = '', timeoutMs = 2_000) {
  const config: HealthConfig = { ...CONFIG, ask: { kind: 'grpc', service }, timeoutMs };
  return probeHealth({ url, tls: TRUST_SYSTEM }, config, systemClock, new AbortController().signal);
}

describe('a health check by gRPC', () => {
  const LONG = `shop.${'very'.repeat(40)}.Long`;

  it('asks the health service about the server, or about one service of it', async () => {
    await using target = await serve({ '': 1, 'shop.v1.Cart': 2, [LONG]: 1 });
    const url = `h2c://127.0.0.1:${target.port}`;
    expect(await ask(url)).toMatchObject({ ok: true, status: 200, detail: '' });
    expect(await ask(url, LONG)).toMatchObject({ ok: true, detail: '' });
    expect(await ask(url, 'shop.v1.Cart')).toMatchObject({ ok: false, detail: 'shop.v1.Cart is NOT_SERVING' });
    expect(await ask(url, 'shop.v1.Card')).toMatchObject({
      ok: false,
      detail: 'grpc-status 5: its health service does not know shop.v1.Card: unknown service',
    });
  });

  it('takes nothing but SERVING for good', async () => {
    await using target = await serve({ '': 0, a: 3, b: 9 });
    const url = `h2c://127.0.0.1:${target.port}`;
    expect(await ask(url)).toMatchObject({ ok: false, detail: 'the server is UNKNOWN' });
    expect(await ask(url, 'a')).toMatchObject({ ok: false, detail: 'a is SERVICE_UNKNOWN' });
    expect(await ask(url, 'b')).toMatchObject({ ok: false, detail: 'b is not understood' });
  });

  it('says where there is no health service, no gRPC, no HTTP/2 or no answer', async () => {
    await using bare = await openGrpcTarget(echoService('blue'));
    expect(await ask(`h2c://127.0.0.1:${bare.port}`)).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^grpc-status 12: it has no health service: The server does not implement/),
    });
    const plain = await targets.node((stream) => stream.respond({ ':status': 404 }, { endStream: true }));
    expect(await ask(`h2c://127.0.0.1:${plain.port}`)).toMatchObject({
      ok: false,
      detail: 'status 404 and no answer of gRPC',
    });
    await using http1 = await openTarget('blue');
    expect(await ask(http1.url)).toMatchObject({
      ok: false,
      detail: 'its health is asked by gRPC, for which it must be an h2c: or h2: target',
    });
    const mute = await targets.node(() => {});
    expect(await ask(`h2c://127.0.0.1:${mute.port}`, '', 50)).toMatchObject({
      ok: false,
      detail: 'no answer within 50 ms',
    });
  });

  const framed = (...message: number[]): Buffer => Buffer.from([0, 0, 0, 0, message.length, ...message]);
  const answering = (body: Buffer, trailers: Record<string, string> | null): StreamHandler => {
    return (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: trailers !== null });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
      stream.end(body);
    };
  };

  it.each([
    ['fields that it does not know', framed(0x10, 0x96, 0x01, 0x1a, 2, 7, 7, 0x25, 1, 2, 3, 4, 0x08, 1), '0', ''],
    ['no grpc-status', framed(0x08, 1), null, 'grpc-status 2'],
    ['a status of its own', framed(0x08, 1), '14', 'grpc-status 14: try later'],
    ['no message', Buffer.alloc(0), '0', 'the server is not understood'],
    ['a message in parts', Buffer.from([0, 0, 0, 0, 2, 0x08]), '0', 'the server is not understood'],
    ['a compressed message', Buffer.from([1, 0, 0, 0, 2, 0x08, 1]), '0', 'the server is not understood'],
    ['a field that does not end', framed(0x1a, 0xff, 0xff, 0xff, 0xff), '0', 'the server is not understood'],
    ['a group', framed(0x0b, 0x0c, 0x08, 1), '0', 'the server is not understood'],
  ])('reads an answer with %s', async (_, body, code, detail) => {
    const trailers = code === null ? null : { 'grpc-status': code, 'grpc-message': 'try%20later' };
    const target = await targets.node(answering(body, trailers));
    expect(await ask(`h2c://127.0.0.1:${target.port}`)).toMatchObject({ ok: detail === '', detail });
  });

  it('takes a target out when it stops serving, and back when it serves again', async () => {
    const of: Record<string, number> = { '': 1 };
    await using blue = await serve(of);
    const upstreams = { blue: { weight: 1, targets: [`h2c://127.0.0.1:${blue.port}`] } };
    const health = { grpc: {}, interval: '50ms', rise: 1, fall: 1 };
    await using test = await openGate({ services: { shop: { upstreams, health } } });
    const isHealth = (wanted: string) => () =>
      test.control.service('shop').upstreams.blue?.targets[0]?.health === wanted;
    await until(isHealth('healthy'), 'the first check');
    of[''] = 2;
    await until(isHealth('unhealthy'), 'it to be taken out');
    const { probes } = test.control.service('shop').upstreams.blue?.targets[0] ?? {};
    expect(probes?.[0]).toMatchObject({ ok: false, detail: 'the server is NOT_SERVING' });
    of[''] = 1;
    await until(isHealth('healthy'), 'it to be back');
  });
});
