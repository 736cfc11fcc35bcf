import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type RequestListener, request } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { TargetTls } from '../../src/platform/tls.ts';
import { readTarget } from '../support/accounts.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head, type ParsedResponse, response, value } from '../support/message.ts';
import { echo, type TargetScript } from '../support/scripted-target.ts';
import { pem, TARGET_FIXTURES } from '../support/tls.ts';
import { handshake } from '../support/websocket.ts';

const bench = useBench();

const GET = head('GET /x HTTP/1.1', 'Host: gate.test');
const POST = Buffer.concat([head('POST /x HTTP/1.1', 'Host: gate.test', 'Content-Length: 5'), Buffer.from('hello')]);
const SIZE = 20 * 1024 * 1024;

const own = (file: string): string => readFileSync(`${TARGET_FIXTURES}/${file}`, 'utf8');
const pair = (name: string) => ({ cert: pem(`${name}.crt`), key: pem(`${name}.key`) });
const GATE = pair('gate');
const ALONE = { cert: own('alone.crt'), key: own('alone.key') };
const ROOT: Partial<TargetTls> = { ca: pem('root.crt') };

/** A service with one target that has these options; the gate has these settings for it. */
async function serve(tls: Partial<TargetTls>, options: TlsOptions = GATE, script?: TargetScript) {
  const target = await bench.secureTarget(options, script);
  await bench.serve({ upstreams: { blue: { targets: [target.port], secure: true } }, tls });
  return target;
}

async function ask(request = GET): Promise<ParsedResponse> {
  return (await bench.send(request)).readFinal();
}

async function refused(error: string, status = 502): Promise<void> {
  const reply = await ask(POST);
  expect([reply.status, value(reply, 'proxy-status')]).toEqual([status, `gate; error=${error}`]);
}

/** A script that waits for the whole request and then sends these bytes. */
function answer(bytes: Buffer): TargetScript {
  return async (request) => {
    if (await request.whole) request.send(bytes);
  };
}

const servers: { close(): void }[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) server.close();
});

/** A TCP server that does with its connections what it is told. */
async function tcp(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    onConnection(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Passes octets on between the gate and a target, so that a test can end one side without the other's knowledge. */
async function relayTo(port: number): Promise<{ port: number; towardsGate: Socket[] }> {
  const towardsGate: Socket[] = [];
  const relay = await tcp((gate) => {
    towardsGate.push(gate);
    const target = connect({ port, host: '127.0.0.1' });
    sockets.add(target.on('error', () => {}));
    gate.pipe(target);
    target.pipe(gate);
  });
  return { port: relay, towardsGate };
}

/** Node's own server, which checks what it is sent. */
async function httpsServer(onRequest: RequestListener): Promise<{ server: HttpsServer; port: number }> {
  const server = createHttpsServer(GATE, onRequest);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('an https: target', () => {
  it('is spoken to over TLS, its certificate verified against a private CA', async () => {
    const target = await serve(ROOT);
    const reply = await ask(POST);
    expect([reply.status, reply.body.bytes.toString()]).toEqual([200, 'POST /x']);
    expect((await target.request()).body.bytes.toString()).toBe('hello');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('is asked for the name that is configured, and for none where its host is an address', async () => {
    const wildcard = await serve({ ...ROOT, serverName: 'a.shop.test' }, pair('wildcard'));
    expect((await ask()).status).toBe(200);
    expect((await wildcard.connection()).serverName).toBe('a.shop.test');
    const nameless = await serve(ROOT);
    expect((await ask()).status).toBe(200);
    expect((await nameless.connection()).serverName).toBeNull();
  });

  it('is reached by a connection that serves request after request', async () => {
    const target = await serve(ROOT);
    const client = await bench.client();
    for (let i = 0; i < 50; i++) {
      client.write(head(`GET /${i} HTTP/1.1`, 'Host: gate.test'));
      expect((await client.readFinal()).body.bytes.toString()).toBe(`GET /${i}`);
    }
    expect(target.connections).toHaveLength(1);
    await bench.connectionsAgree(target);
  });

  it('resumes its session on the next connection', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const closing = answer(response('200 OK', ['Connection: close'], 'once'));
      const target = await serve(ROOT, { ...GATE, maxVersion }, closing);
      for (let i = 0; i < 3; i++) expect((await ask()).body.bytes.toString()).toBe('once');
      expect(target.connections.map(({ resumed }) => resumed)).toEqual([false, true, true]);
    }
  });

  for (const framing of ['with its length known', 'in chunks'] as const) {
    it(`takes 20 MiB and gives 20 MiB, octet by octet, ${framing}`, async () => {
      const known = framing === 'with its length known' ? { 'content-length': SIZE } : {};
      const { port } = await httpsServer((incoming, outgoing) => {
        outgoing.writeHead(200, known);
        incoming.pipe(outgoing);
      });
      await bench.serve({ upstreams: { blue: { targets: [port], secure: true } }, tls: ROOT });
      const body = randomBytes(SIZE);
      const outgoing = request({ port: bench.gate.port, method: 'PUT', headers: known, agent: false });
      outgoing.end(body);
      const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
      const hash = createHash('sha256');
      for await (const chunk of incoming) hash.update(chunk);
      expect([incoming.statusCode, hash.digest('hex')]).toEqual([200, sha256(body)]);
      expect(await bench.account()).toMatchObject({ outcomes: { ok: 1 } });
    });
  }

  it('is not read on while the client takes nothing', async () => {
    const body = randomBytes(SIZE);
    const target = await serve(ROOT, GATE, answer(response('200 OK', [], body)));
    const client = await bench.client();
    client.pause();
    client.write(GET);
    const connection = await (await target.request()).connection;
    await eventually('the gate stops to read', () => connection.unsentBytes > 0);
    expect(connection.unsentBytes).toBeGreaterThan(SIZE / 4);
    client.resume();
    expect(sha256((await client.readFinal()).body.bytes)).toBe(sha256(body));
  });

  it('tunnels WebSockets', async () => {
    const { server, port } = await httpsServer((_, outgoing) => outgoing.writeHead(404).end());
    const webSockets = new WebSocketServer({ server });
    webSockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    await bench.serve({ upstreams: { blue: { targets: [port], secure: true } }, tls: ROOT });
    const client = new WebSocket(`ws://127.0.0.1:${bench.gate.port}/ws`);
    await once(client, 'open');
    const message = randomBytes(300_000);
    client.send(message);
    const [echoed] = (await once(client, 'message')) as [Buffer];
    expect(sha256(echoed)).toBe(sha256(message));
    client.close();
    await once(client, 'close');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });
});

describe('an https: target that does not prove who it is', () => {
  const cases: readonly [string, Partial<TargetTls>, TlsOptions][] = [
    ['by a certificate that it signed itself', ROOT, ALONE],
    ['to those who trust the system only', {}, GATE],
    ['with an expired certificate', { ...ROOT, serverName: 'gate.test' }, pair('expired')],
    ['with a certificate from the future', { ...ROOT, serverName: 'gate.test' }, pair('future')],
    ['with the certificate of another name', { ...ROOT, serverName: 'other.test' }, GATE],
    ['with a certificate without its address', ROOT, pair('exact')],
  ];
  for (const [how, tls, options] of cases) {
    it(`${how}: 502, and it gets no request`, async () => {
      const target = await serve(tls, options);
      await refused('tls_certificate_error');
      expect(target.requests).toHaveLength(0);
      expect(await bench.account()).toMatchObject({ outcomes: { connect_failed: 1 } });
      await eventually('the connection is closed', () => bench.gauges().connections === 0);
    });
  }

  it('is replaced by another for any request, since none can have reached it', async () => {
    const [sound, impostor] = [await bench.secureTarget(GATE), await bench.secureTarget(ALONE)];
    const targets = [sound.port, impostor.port];
    await bench.serve({ upstreams: { blue: { targets, secure: true } }, tls: ROOT, retries: { budget: 1 } });
    for (let i = 0; i < 20; i++) expect((await ask(POST)).status).toBe(200);
    const { targets: routes } = bench.gate.upstream(bench.service, 'blue');
    const failures = routes.map((route) => readTarget(route).failures);
    expect(failures[0]).toBe(0);
    expect(failures[1]).toBe(bench.trials().retries);
    expect(failures[1]).toBeGreaterThan(0);
  });

  it('is taken all the same where nothing is to be verified', async () => {
    await serve({ verify: false }, ALONE);
    expect((await ask()).status).toBe(200);
    await serve({ verify: false, ...ROOT, serverName: 'other.test' }, pair('expired'));
    expect((await ask()).status).toBe(200);
  });

  it('opens no WebSocket either', async () => {
    await serve(ROOT, ALONE);
    const reply = await ask(handshake());
    expect([reply.status, value(reply, 'proxy-status')]).toEqual([502, 'gate; error=tls_certificate_error']);
  });
});

describe('an https: target that asks who we are', () => {
  const CLIENT = { cert: own('client.crt'), key: own('client.key') };
  const asking = { ...GATE, requestCert: true, rejectUnauthorized: true, ca: own('authority.crt') };

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`is shown the client certificate (${maxVersion})`, async () => {
      await serve({ ...ROOT, ...CLIENT }, { ...asking, maxVersion });
      expect((await ask()).status).toBe(200);
    });

    it(`refuses us without one, before it reads a request (${maxVersion})`, async () => {
      const target = await serve(ROOT, { ...asking, maxVersion });
      await refused('tls_alert_received');
      expect(target.requests).toHaveLength(0);
      expect(await bench.account()).toMatchObject({ outcomes: { connect_failed: 1 } });
    });
  }
});

describe('what only claims to be an https: target', () => {
  const claim = async (port: number, connectMs = 2_000): Promise<void> =>
    bench.serve({ upstreams: { blue: { targets: [port], secure: true } }, tls: ROOT, timeouts: { connectMs } });

  it('and speaks plain HTTP: 502', async () => {
    await claim(await tcp((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))));
    await refused('tls_protocol_error');
  });

  it('and closes within the handshake: 502', async () => {
    await claim(await tcp((socket) => socket.once('data', () => socket.destroy())));
    await refused('tls_protocol_error');
  });

  it('and resets the connection within the handshake: 502', async () => {
    await claim(await tcp((socket) => socket.once('data', () => socket.resetAndDestroy())));
    await refused('tls_protocol_error');
  });

  it('and never answers the handshake: 504 after the connect timeout, the connection given up', async () => {
    const ended = Promise.withResolvers<void>();
    await claim(await tcp((socket) => void socket.on('end', ended.resolve).resume()), 400);
    await refused('connection_timeout', 504);
    await ended.promise;
    expect(await bench.account()).toMatchObject({ outcomes: { timeout: 1 } });
    expect(bench.gauges().connections).toBe(0);
  });

  it('and listens nowhere: 502 as for any other', async () => {
    const target = await serve(ROOT);
    await target.close();
    await refused('connection_refused');
  });

  it('and offers no protocol that we speak: 502', async () => {
    await serve(ROOT, { ...GATE, ALPNProtocols: ['h2'] });
    await refused('tls_alert_received');
  });
});

describe('an https: target that breaks off', () => {
  const half = head('HTTP/1.1 200 OK', 'Content-Length: 10');

  it('within a body of known length leaves the client with less than that', async () => {
    await serve(ROOT, GATE, (request) => {
      request.send(half, 'half');
      request.connection.end();
    });
    expect((await (await bench.send(GET)).readCut())?.body.complete ?? false).toBe(false);
    expect(await bench.account()).toMatchObject({ outcomes: { truncated: 1 } });
  });

  for (const [body, start] of [
    ['of known length', half],
    ['that its close would end', head('HTTP/1.1 200 OK')],
  ] as const) {
    it(`by a reset within a body ${body} leaves the client with less than that`, async () => {
      const target = await serve(ROOT, GATE, (request) => void request.send(start, 'half'));
      const relay = await relayTo(target.port);
      await bench.serve({ upstreams: { blue: { targets: [relay.port], secure: true } }, tls: ROOT });
      const client = await bench.send(GET);
      await client.peekHead();
      relay.towardsGate[0]?.resetAndDestroy();
      expect((await client.readCut())?.body.complete ?? false).toBe(false);
      expect(await bench.account()).toMatchObject({ outcomes: { truncated: 1 } });
    });
  }

  it('by its close ends a body that has no other end', async () => {
    await serve(ROOT, GATE, (request) => {
      request.send(head('HTTP/1.1 200 OK'), 'all of it');
      request.connection.end();
    });
    const reply = await ask();
    expect([reply.status, reply.body.bytes.toString(), reply.body.complete]).toEqual([200, 'all of it', true]);
  });

  it('behind an answer is not used again', async () => {
    const target = await serve(ROOT);
    expect((await ask()).status).toBe(200);
    (await target.connection()).end();
    await eventually('the gate lets it go', () => bench.gauges().connections === 0);
    expect((await ask(POST)).status).toBe(200);
    expect(target.connections).toHaveLength(2);
  });
});

describe('connections to one https: target', () => {
  it('are not shared between services, whose settings may differ', async () => {
    const target = await bench.secureTarget(GATE);
    const upstreams = { blue: { targets: [target.port], secure: true } };
    await bench.gate.publish({
      strict: { hosts: ['strict.test'], upstreams, tls: {} },
      private: { hosts: ['private.test'], upstreams, tls: ROOT },
      trusting: { hosts: ['trusting.test'], upstreams, tls: { verify: false } },
    });
    const status = async (host: string): Promise<number> =>
      (await ask(head('GET / HTTP/1.1', `Host: ${host}.test`))).status;
    for (let i = 0; i < 2; i++) {
      expect(await status('trusting')).toBe(200);
      expect(await status('private')).toBe(200);
      expect(await status('strict')).toBe(502);
    }
    expect(target.connections.map(({ resumed }) => resumed)).toEqual([false, false]);
  });

  it('are made anew, without the old session, when the settings change, and stay when they do not', async () => {
    const target = await serve({ verify: false });
    const spec = { upstreams: { blue: { targets: [target.port], secure: true } } };
    expect((await ask()).status).toBe(200);
    await bench.republish({ ...spec, tls: { verify: false }, expose: true });
    expect((await ask()).status).toBe(200);
    expect(target.connections).toHaveLength(1);
    await bench.republish({ ...spec, tls: ROOT });
    expect((await ask()).status).toBe(200);
    expect(target.connections.map(({ resumed }) => resumed)).toEqual([false, false]);
    await bench.republish({ ...spec, tls: { ...ROOT, serverName: 'other.test' } });
    await refused('tls_certificate_error');
    await eventually('no connection with earlier settings is left', () => bench.gauges().connections === 0);
  });

  it('that carry a request when the settings change finish it, and are not kept', async () => {
    const target = await serve({ verify: false }, GATE, async (request) => {
      if (request.target === '/x') request.send(head('HTTP/1.1 200 OK', 'Content-Length: 10'), 'first');
      else await echo(request);
    });
    const client = await bench.send(GET);
    await client.peekHead();
    await bench.republish({ upstreams: { blue: { targets: [target.port], secure: true } }, tls: ROOT });
    (await target.connection()).send('+last');
    expect((await client.readFinal()).body.bytes.toString()).toBe('first+last');
    expect((await ask(head('GET /y HTTP/1.1', 'Host: gate.test'))).status).toBe(200);
    expect(target.connections).toHaveLength(2);
  });
});
