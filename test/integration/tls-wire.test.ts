import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { monotonicMs } from '../../src/platform/clock.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { named } from '../support/load.ts';
import { head, response, value, values } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';
import { TEST_LISTENER } from '../support/routes.ts';
import { echo, type ScriptedTarget, type TargetScript } from '../support/scripted-target.ts';
import { refuses } from '../support/sockets.ts';
import { certificate, GATE, pem, ROOT, serving, useSecureClients } from '../support/tls.ts';
import { WorkerGate } from '../support/worker-gate.ts';

const bench = useBench({
  listener: {
    tls: serving(GATE, certificate('wildcard', '*.shop.test', 'shop.test'), certificate('exact', 'www.shop.test')),
  },
});
const secure = useSecureClients();

const HOST = 'Host: gate.test';
const get = (path: string, ...fields: string[]): Buffer => head(`GET ${path} HTTP/1.1`, HOST, ...fields);

async function serve(script: TargetScript = echo): Promise<ScriptedTarget> {
  const target = await bench.target(script);
  await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
  return target;
}

function subjectOf(name: string): string {
  return `Tealgate test ${name}`;
}

/** Reads until the server ends the connection; what it sent, and how it ended. */
async function lastWords(client: RawClient): Promise<{ bytes: Buffer; ending: string }> {
  const ending = await client.readUntilClosed();
  return { bytes: client.rest, ending };
}

describe('a TLS listener', () => {
  it('serves keep-alive requests, one after another and pipelined, and says so to the target', async () => {
    const target = await serve();
    const { client, socket } = await secure.open(bench.gate.port);
    expect([socket.authorized, socket.getProtocol(), socket.alpnProtocol]).toEqual([true, 'TLSv1.3', 'http/1.1']);
    client.write(get('/1'));
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /1');
    client.write(get('/2'), head('POST /3 HTTP/1.1', HOST, 'Content-Length: 2'), 'ab');
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /2');
    expect((await client.readFinal()).body.bytes.toString()).toBe('POST /3');
    const request = await target.request();
    expect(value(request, 'x-forwarded-proto')).toBe('https');
    expect(value(request, 'forwarded')).toBe('for=127.0.0.1;host=gate.test;proto=https');
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 3 } });
  });

  it('ends a connection at once on which something comes that is not TLS, idle or not', async () => {
    const target = await serve(() => {});
    for (const requests of [0, 1]) {
      const carrier = connect(bench.gate.port, '127.0.0.1');
      const socket = connectTls({ socket: carrier, ca: ROOT, servername: 'gate.test' });
      await once(socket, 'secureConnect');
      socket.on('error', () => {}); // the alert
      if (requests > 0) {
        socket.write(get('/held'));
        await target.request();
      }
      const ended = once(carrier, 'close');
      Socket.prototype.write.call(carrier, Buffer.alloc(100, 'no record'));
      await ended;
      await eventually('the gate has let go', () => bench.gauges().inFlight === 0);
    }
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
  });

  it.each([
    ['gate.test', 'gate'],
    ['GATE.test', 'gate'],
    ['shop.test', 'wildcard'],
    ['any.shop.test', 'wildcard'],
    ['www.shop.test', 'exact'],
    ['two.labels.shop.test', 'gate'],
    ['unknown.test', 'gate'],
    ['', 'gate'],
  ])('asked for %j shows the certificate %s', async (servername, name) => {
    const { socket } = await secure.open(bench.gate.port, { servername, rejectUnauthorized: false });
    expect(socket.getPeerCertificate().subject.CN).toBe(subjectOf(name));
  });

  it('speaks TLS 1.2 with forward secrecy, and nothing older or weaker', async () => {
    const { socket } = await secure.open(bench.gate.port, { maxVersion: 'TLSv1.2' });
    expect([socket.getProtocol(), socket.getCipher().standardName]).toEqual([
      'TLSv1.2',
      expect.stringMatching(/^TLS_ECDHE_ECDSA_WITH_(AES|CHACHA20).*(GCM|POLY1305)/),
    ]);
    const refused = (options: ConnectionOptions, alert: RegExp) =>
      expect(secure.open(bench.gate.port, options)).rejects.toThrow(alert);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await refused(old, /alert protocol version/i);
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA' } as const;
    await refused(weak, /alert handshake failure/i);
    await refused({ ALPNProtocols: ['h2'] }, /alert no application protocol/i);
    await serve();
    expect(bench.unrouted().accepted).toBe(0);
  });

  it('gives pin cookies that travel over TLS only', async () => {
    const target = await bench.target(named('blue'));
    await bench.serve({
      upstreams: { blue: { targets: [target.port] } },
      pins: { by: 'cookie', name: 'pin', maxAgeS: 0, keys: [{ id: 'k1', secret: 'c2VjcmV0LW51bWJlci1vbmUtc2VjcmV0' }] },
    });
    const { client } = await secure.open(bench.gate.port);
    client.write(get('/'));
    expect(values(await client.readFinal(), 'set-cookie').join()).toMatch(/^pin=.*; Secure(;|$)/);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('carries 20 MB up and down unchanged over %s', async (version) => {
    const size = 20_000_000;
    const body = randomBytes(size);
    const target = await serve(async (request) => {
      if (request.method === 'GET') {
        request.send(head('HTTP/1.1 200 OK', `Content-Length: ${size}`), body);
        return;
      }
      if (!(await request.whole)) return;
      request.send(response('200 OK', [], createHash('sha256').update(request.body.bytes).digest('hex')));
    });
    const digest = createHash('sha256').update(body).digest('hex');
    const { client } = await secure.open(bench.gate.port, { maxVersion: version });
    client.write(head('POST / HTTP/1.1', HOST, `Content-Length: ${size}`), body);
    expect((await client.readFinal({ deadlineMs: 15_000 })).body.bytes.toString()).toBe(digest);
    // A reader that pauses: parts of what the target sent stand queued in the gate meanwhile.
    client.write(get('/'));
    await client.peekHead();
    client.pause();
    const up = await target.connection();
    await eventually('the target is held up', () => up.unsentBytes > 0);
    client.resume();
    await client.inbox.wait('all octets', () => (client.rest.length >= size ? true : undefined), 15_000);
    const down = await client.readFinal({ deadlineMs: 15_000 });
    expect(createHash('sha256').update(down.body.bytes).digest('hex')).toBe(digest);
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 2 } });
  });

  it('answers a client that has closed its sending side, and then closes', async () => {
    await serve();
    const { client } = await secure.open(bench.gate.port);
    client.write(get('/half'));
    client.halfClose();
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /half');
    expect(await client.readUntilClosed()).toBe('fin');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('counts a client that goes in the middle of a request as such', async () => {
    const target = await serve(() => {});
    const { client } = await secure.open(bench.gate.port);
    client.write(get('/never'));
    await target.request();
    client.reset();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_abort: 1 } });
    await (await target.connection()).closed();
  });

  it('refuses what is no HTTP in the answer, and closes', async () => {
    await serve();
    const { client } = await secure.open(bench.gate.port);
    client.write('no request\r\n\r\n');
    const answer = await client.readFinal();
    expect(answer.status).toBe(400);
    expect(await client.readUntilClosed()).toBe('fin');
    expect(bench.unrouted()).toMatchObject({ accepted: 1, outcomes: { rejected: 1 } });
  });

  it('resets a client when only the end of the connection would end the answer', async () => {
    const target = await serve((request) => {
      request.send(head('HTTP/1.1 200 OK'), 'hello');
    });
    const { client } = await secure.open(bench.gate.port);
    client.write(head('GET / HTTP/1.0', HOST));
    await client.peekHead();
    (await target.connection()).reset();
    expect(await client.readUntilClosed()).toBe('reset');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { truncated: 1 } });
  });

  it('tunnels WebSockets, and says goodbye to them when their target drains', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    server.on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
    );
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const green = await bench.target();
    const upstreams = (drainMs: number | null) => {
      const sinceMs = monotonicMs();
      const closing = drainMs === null ? {} : { closing: { sinceMs, cutAtMs: sinceMs + drainMs } };
      return {
        upstreams: {
          blue: { weight: drainMs === null ? 100 : 0, targets: [port], ...closing },
          green: { weight: drainMs === null ? 0 : 100, targets: [green.port] },
        },
      };
    };
    await bench.serve(upstreams(null));
    const socket = new WebSocket(`wss://127.0.0.1:${bench.gate.port}/ws`, { ca: ROOT });
    await once(socket, 'open');
    for (const message of ['hello', randomBytes(70_000), 'x'.repeat(200_000)]) {
      const echoed = once(socket, 'message');
      socket.send(message);
      const [data] = await echoed;
      expect(Buffer.from(message as string).equals(data as Buffer)).toBe(true);
    }
    expect(bench.gauges().upgrades).toBe(2); // its upstream and its target

    const closed = once(socket, 'close');
    await bench.republish(upstreams(300));
    expect((await closed)[0]).toBe(1001);
    await eventually('the tunnel is gone', () => bench.gauges().upgrades === 0);
    server.close();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('lets go of tunnels whose client resets', async () => {
    const target = await serve((request) => {
      request.connection.tunnel();
      request.send(head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'), 'early');
    });
    const { client } = await secure.open(bench.gate.port);
    client.write(get('/ws', 'Connection: Upgrade', 'Upgrade: websocket'), 'eager');
    expect((await client.readFinal()).status).toBe(101);
    expect((await client.readBytes(5)).toString()).toBe('early');
    const connection = await target.connection();
    await connection.inbox.wait('the eager octets', () => (connection.rest.includes('eager') ? true : undefined));
    client.reset();
    await connection.closed();
    await eventually('the tunnel is gone', () => bench.gauges().upgrades === 0);
  });

  it.each(['Content-Length: 100', 'Transfer-Encoding: chunked', 'X-Framing: close'])(
    'cuts an answer that outlives a drain so that the client sees it (%s)',
    async (framing) => {
      const blue = await bench.target(
        (request) => void request.send(head('HTTP/1.1 200 OK', framing), '5\r\nhello\r\n'),
      );
      await bench.serve({ upstreams: { blue: { weight: 100, targets: [blue.port] } } });
      const { client } = await secure.open(bench.gate.port);
      client.write(get('/stream'));
      await client.peekHead();
      const sinceMs = monotonicMs();
      const closing = { sinceMs, cutAtMs: sinceMs + 300 };
      await bench.republish({ upstreams: { blue: { weight: 0, admin: 'draining', targets: [blue.port], closing } } });
      const cut = await client.readCut();
      expect([cut?.status, cut?.body.complete]).toEqual([200, false]);
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { cut: 1 } });
    },
  );
});

describe('TLS sessions', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('of %s are resumed by any worker', async (version) => {
    const ticketKeys = randomBytes(48);
    const listener = { ...TEST_LISTENER, tls: serving(GATE) };
    // Two workers with ports of their own, so that it is certain who answers.
    const [first, second] = await Promise.all([
      WorkerGate.start({ listener, ticketKeys }),
      WorkerGate.start({ listener, ticketKeys }),
    ]);
    const other = await WorkerGate.start({ listener });
    try {
      const { session, ...begun } = await handshake(first.port, version);
      expect(begun.reused).toBe(false);
      expect((await handshake(second.port, version, session)).reused).toBe(true);
      expect((await handshake(first.port, version, session)).reused).toBe(true);
      expect((await handshake(other.port, version, session)).reused).toBe(false);
    } finally {
      await Promise.all([first, second, other].map((gate) => gate.stop()));
    }
  });
});

async function handshake(
  port: number,
  version: 'TLSv1.2' | 'TLSv1.3',
  session?: Buffer,
): Promise<{ reused: boolean; session: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ca: ROOT,
    servername: 'gate.test',
    maxVersion: version,
    ...(session === undefined ? {} : { session }),
  });
  socket.on('session', resolve);
  socket.on('error', reject);
  await once(socket, 'secureConnect');
  const reused = socket.isSessionReused();
  // A resumed session of TLS 1.2 gets no new ticket.
  const next = reused ? (session ?? Buffer.alloc(0)) : await promise;
  socket.destroy();
  return { reused, session: next };
}

describe('a plain listener', () => {
  it('refuses TLS at once', async () => {
    const gate = await WorkerGate.start();
    try {
      const socket = connectTls({ port: gate.port, host: '127.0.0.1', ca: ROOT, servername: 'gate.test' });
      const [error] = await once(socket, 'error').catch((thrown: unknown) => [thrown]);
      expect(String(error)).toMatch(/wrong version number|ECONNRESET|disconnected/i);
      expect(gate.account()).toMatchObject({ accepted: 1, outcomes: { rejected: 1 } });
    } finally {
      await gate.stop();
    }
  });
});

describe('a handshake', () => {
  it('that fails, trickles or never comes is ended quietly and counts as no request', async () => {
    const timeouts = { ...TEST_LISTENER.timeouts, headMs: 300 };
    const gate = await WorkerGate.start({ listener: { tls: serving(GATE), timeouts } });
    try {
      const plain = await RawClient.connect(gate.port);
      plain.write(get('/plain'));
      expect((await lastWords(plain)).bytes.toString('latin1')).not.toContain('HTTP/');

      const silent = await RawClient.connect(gate.port);
      expect((await lastWords(silent)).bytes).toHaveLength(0);

      // The beginning of a record that never becomes whole, an octet now and then.
      const slow = await RawClient.connect(gate.port);
      slow.write('\x16\x03\x01\x10\x00');
      const trickle = setInterval(() => slow.write('\x01'), 50);
      expect((await lastWords(slow)).bytes).toHaveLength(0);
      clearInterval(trickle);

      expect(gate.account().accepted).toBe(0);
      expect([gate.alive, gate.complaints]).toEqual([true, []]);
    } finally {
      await gate.stop();
    }
  });

  it('is not taken for another of a client that comes by the same port to two of our addresses', async () => {
    const timeouts = { ...TEST_LISTENER.timeouts, headMs: 500 };
    const gate = await WorkerGate.start({ listener: { host: '0.0.0.0', tls: serving(GATE), timeouts } });
    const carriers: Socket[] = [];
    const open = async (host: string, localPort?: number): Promise<Socket> => {
      const carrier = connect({ host, port: gate.port, localAddress: '127.0.0.1', ...(localPort && { localPort }) });
      carriers.push(carrier);
      await once(carrier, 'connect');
      return carrier;
    };
    try {
      const first = await open('127.0.0.1');
      const second = await open('127.0.0.2', first.localPort);
      for (const carrier of [first, second]) {
        const socket = connectTls({ socket: carrier, ca: ROOT, servername: 'gate.test' });
        await once(socket, 'secureConnect');
        const client = RawClient.over(socket, carrier);
        client.write(get('/'));
        expect((await client.readFinal()).status).toBe(404);
      }
    } finally {
      for (const carrier of carriers) carrier.destroy();
      await gate.stop();
    }
  });

  it('ends with its client, long before its deadline', async () => {
    const timeouts = { ...TEST_LISTENER.timeouts, headMs: 60_000 };
    const gate = await WorkerGate.start({ listener: { tls: serving(GATE), timeouts } });
    try {
      const client = await RawClient.connect(gate.port);
      client.write('\x16\x03\x01');
      client.halfClose();
      expect((await lastWords(client)).bytes).toHaveLength(0);
    } finally {
      await gate.stop();
    }
  });

  it('counts among the connections that a listener may have', async () => {
    const limits = { ...TEST_LISTENER.limits, connections: 2 };
    const gate = await WorkerGate.start({ listener: { tls: serving(GATE), limits } });
    try {
      const begun = await RawClient.connect(gate.port);
      const { client } = await secure.open(gate.port);
      await expect(secure.open(gate.port)).rejects.toThrow();
      begun.destroy();
      await expect.poll(async () => (await secure.open(gate.port)).socket.authorized).toBe(true);
      client.destroy();
    } finally {
      await gate.stop();
    }
  });
});

describe('a stop', () => {
  it('waits for a handshake in progress and serves its request, the last of its connection', async () => {
    const target = await bench.target();
    const gate = await WorkerGate.start({
      listener: { tls: serving(GATE) },
      services: { shop: { upstreams: { blue: { targets: [target.port] } } } },
    });
    try {
      const carrier = connect({ port: gate.port, host: '127.0.0.1' });
      await once(carrier, 'connect');
      // Another connection, later accepted: then the first is known to the gate.
      const { client: idle } = await secure.open(gate.port);
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 3_000, spreadMs: 10_000 });
      while (!(await refuses(gate.port)));
      const socket = connectTls({ socket: carrier, ca: ROOT, servername: 'gate.test' });
      await once(socket, 'secureConnect');
      const client = RawClient.over(socket, carrier);
      client.write(get('/late'));
      const answer = await client.readFinal();
      expect([answer.status, value(answer, 'connection')]).toEqual([200, 'close']);
      expect(await client.readUntilClosed()).toBe('fin');
      client.destroy();
      idle.destroy();
      await gate.drained();
      expect(await gate.settled('shop')).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    } finally {
      await gate.stop();
    }
  });

  it('does not wait for a handshake that never comes', async () => {
    const gate = await WorkerGate.start({ listener: { tls: serving(GATE) } });
    const client = await RawClient.connect(gate.port);
    gate.post({ type: 'drain', cutAtMs: monotonicMs() + 600, spreadMs: 10_000 });
    await gate.drained();
    expect(await client.readUntilClosed()).toMatch(/fin|reset/);
    await gate.stop();
  });
});

describe('other certificates', () => {
  it('are shown to new clients, and bad ones change nothing', async () => {
    const gate = await WorkerGate.start({ listener: { tls: serving(GATE) } });
    const listener = { ...TEST_LISTENER, port: gate.port };
    const shown = async (servername: string): Promise<string> => {
      const { socket } = await secure.open(gate.port, { servername });
      return String(socket.getPeerCertificate().subject.CN);
    };
    try {
      expect(await shown('gate.test')).toBe(subjectOf('gate'));
      gate.post({
        type: 'listeners',
        listeners: [{ ...listener, tls: serving({ ...GATE, key: pem('exact.key') }) }],
        spreadMs: 0,
      });
      await expect(gate.listened()).rejects.toThrow(/key/i);
      expect(await shown('gate.test')).toBe(subjectOf('gate'));
      const renewed = certificate('renewed', 'gate.test');
      gate.post({ type: 'listeners', listeners: [{ ...listener, tls: serving(renewed) }], spreadMs: 0 });
      await gate.listened();
      expect(await shown('gate.test')).toBe(subjectOf('renewed'));
      // localhost is in the certificate, but not among the names: the fallback was replaced as well.
      expect(await shown('localhost')).toBe(subjectOf('renewed'));
    } finally {
      await gate.stop();
    }
  });
});
