import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ListenerOptions } from '../../src/proxy/messages.ts';
import { readCell, UPSTREAM } from '../../src/traffic/ledger.ts';
import { chunked } from '../support/message.ts';
import { TEST_LISTENER } from '../support/routes.ts';
import { seeded } from '../support/seeded.ts';
import { type Asked, answerTo, bodyOf, drained, pathOf, plan, SeededTargets } from '../support/seeded-bodies.ts';
import { GATE, ROOT, serving } from '../support/tls.ts';
import { WorkerGate } from '../support/worker-gate.ts';

/** Slow peers are slow on purpose. */
const LISTENER: ListenerOptions = {
  ...TEST_LISTENER,
  timeouts: { headMs: 60_000, bodyMs: 60_000, keepAliveMs: 60_000 },
};
const timeouts = { connectMs: 20_000, responseMs: 60_000 };
/** A request that comes in one piece can be sent again. */
const ONE_PIECE = 900;

const targets = new SeededTargets();
let gate: WorkerGate;
/** Of listeners that read into memory of ours; that speak TLS, and both versions; that speak both without TLS. */
let ports: { readonly plain: number; readonly secure: number; readonly both: number };

beforeAll(async () => {
  const [http1, http2, quitter] = [await targets.http1(), await targets.http2(), await targets.quitter()];
  const compare = { headers: [], ignore: [], bodyBytes: 1_000_000 };
  gate = await WorkerGate.start({
    listener: LISTENER,
    services: {
      one: { hosts: ['one.test'], timeouts, upstreams: { blue: { targets: [http1] } } },
      two: { hosts: ['two.test'], timeouts, upstreams: { blue: { targets: [http2], http2: true } } },
      again: {
        hosts: ['again.test'],
        timeouts,
        retries: { attempts: 1, budget: 1 },
        upstreams: { blue: { targets: [http1, quitter] } },
      },
      copied: {
        hosts: ['copied.test'],
        timeouts,
        upstreams: { blue: { weight: 100, targets: [http1] }, green: { weight: 0, targets: [http2], http2: true } },
        stable: 'blue',
        candidate: 'green',
        mirror: { to: 'green', share: 1, methods: ['PUT'], requestBytes: 1_000_000, compare },
      },
    },
  });
  const [secure, both] = [await freePort(), await freePort()];
  const listeners = [
    { ...LISTENER, port: gate.port },
    { ...LISTENER, id: 2, port: secure, tls: serving(GATE), http2: { streams: 100 } },
    { ...LISTENER, id: 3, port: both, http2: { streams: 100 } },
  ];
  gate.post({ type: 'listeners', listeners, spreadMs: 0 });
  await gate.listened();
  ports = { plain: gate.port, secure, both };
});

afterAll(async () => {
  await gate.stop();
  targets.close();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function secureSocket(protocol: 'h2' | 'http/1.1'): TLSSocket {
  const options = { ca: ROOT, servername: 'gate.test', ALPNProtocols: [protocol] };
  return connectTls({ ...options, port: ports.secure, host: '127.0.0.1' });
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads now and then only, so that others have to wait with what they write. */
function readWithPauses(stream: Duplex, random: () => number): void {
  stream.on('data', () => {
    if (random() > 0.05) return;
    stream.pause();
    setTimeout(() => stream.resume(), random() * 20);
  });
}

/** All requests on one connection, one behind the other without waiting, cut anywhere. */
async function askHttp1(socket: Socket, asked: readonly Asked[], random: () => number): Promise<void> {
  const answers = new Answers(socket, asked);
  readWithPauses(socket, random);
  const whole = Buffer.concat(asked.flatMap((one) => message(one, random)));
  for (let at = 0; at < whole.length && !socket.destroyed; ) {
    const end = at + 1 + Math.floor(random() ** 4 * 200_000);
    if (!socket.write(whole.subarray(at, end))) await drained(socket);
    if (random() < 0.2) await sleep(random() * 4);
    at = end;
  }
  await answers.all;
  socket.destroy();
}

/** One request after another on one connection, each in one piece. */
async function askInPieces(socket: Socket, asked: readonly Asked[], random: () => number): Promise<void> {
  for (const one of asked) {
    const answers = new Answers(socket, [one]);
    socket.write(Buffer.concat(message(one, random)));
    await answers.all;
  }
  socket.destroy();
}

function message(asked: Asked, random: () => number): Buffer[] {
  const framing = asked.chunkedUp ? 'Transfer-Encoding: chunked' : `Content-Length: ${asked.up}`;
  const head = Buffer.from(`PUT ${pathOf(asked)} HTTP/1.1\r\nHost: ${asked.host}\r\n${framing}\r\n\r\n`);
  const body = bodyOf(asked);
  if (!asked.chunkedUp) return [head, body];
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += parts.at(-1)?.length ?? 1)
    parts.push(body.subarray(at, at + 1 + Math.floor(random() ** 3 * 90_000)));
  return [head, chunked(...parts)];
}

/** Reads the answers that are expected on a connection, in order. */
class Answers {
  readonly all: Promise<void>;
  readonly #socket: Socket;
  readonly #left: Asked[];
  readonly #done = Promise.withResolvers<void>();
  #received: Buffer[] = [];
  #bytes = 0;
  /** So many are needed before it is worth another look. */
  #wanted = 0;

  constructor(socket: Socket, asked: readonly Asked[]) {
    this.#socket = socket;
    this.#left = [...asked];
    this.all = this.#done.promise;
    socket.on('error', () => {});
    socket.on('data', this.#onData);
    socket.once('close', this.#onClose);
  }

  readonly #onData = (part: Buffer): void => {
    this.#received.push(part);
    this.#bytes += part.length;
    while (this.#bytes >= this.#wanted) {
      const [next] = this.#left;
      if (next === undefined || !this.#take(next)) break;
    }
    if (this.#left.length === 0) this.#end();
  };

  readonly #onClose = (): void => {
    for (const one of this.#left) targets.faults.push(`no whole answer to ${pathOf(one)} of ${one.host}`);
    this.#end();
  };

  #end(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('close', this.#onClose);
    this.#done.resolve();
  }

  /** False where the answer is not whole yet. */
  #take(asked: Asked): boolean {
    const buf = Buffer.concat(this.#received);
    this.#received = [buf];
    const headEnd = buf.indexOf('\r\n\r\n') + 4;
    if (headEnd < 4) return false;
    const head = buf.toString('latin1', 0, headEnd);
    const body = /^transfer-encoding: chunked/im.test(head) ? chunksAt(buf, headEnd) : sizedAt(buf, headEnd, head);
    if (body === null) {
      this.#wanted = Math.min(headEnd + asked.down, this.#bytes * 2);
      return false;
    }
    const isRight = head.startsWith('HTTP/1.1 200') && body.octets.equals(answerTo(asked));
    if (!isRight) targets.faults.push(`the answer to ${pathOf(asked)} of ${asked.host} is another: ${head}`);
    this.#received = [buf.subarray(body.end)];
    this.#bytes = buf.length - body.end;
    this.#wanted = 0;
    this.#left.shift();
    return true;
  }
}

interface Body {
  readonly octets: Buffer;
  readonly end: number;
}

function sizedAt(buf: Buffer, at: number, head: string): Body | null {
  const end = at + Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  return buf.length < end ? null : { octets: buf.subarray(at, end), end };
}

function chunksAt(buf: Buffer, from: number): Body | null {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const line = buf.indexOf('\r\n', at);
    const size = line < 0 ? 0 : Number.parseInt(buf.toString('latin1', at, line), 16) || 0;
    const end = line + 2 + size;
    if (line < 0 || buf.length < end + 2) return null;
    parts.push(buf.subarray(line + 2, end));
    at = end + 2;
    if (size === 0) return { octets: Buffer.concat(parts), end: at };
  }
}

/** All requests on one connection at once. */
async function askHttp2(session: ClientHttp2Session, asked: readonly Asked[], random: () => number): Promise<void> {
  session.on('error', () => {});
  await Promise.all(asked.map((one) => askStream(session, one, random)));
  session.destroy();
}

async function askStream(session: ClientHttp2Session, asked: Asked, random: () => number): Promise<void> {
  const length = asked.chunkedUp ? {} : { 'content-length': String(asked.up) };
  const stream = session.request({ ':method': 'PUT', ':path': pathOf(asked), ':authority': asked.host, ...length });
  const closed = new Promise((resolve) => stream.once('close', resolve));
  const received: Buffer[] = [];
  stream.on('error', () => {});
  stream.on('data', (part: Buffer) => received.push(part));
  readWithPauses(stream, random);
  const body = bodyOf(asked);
  for (let at = 0; at < body.length; ) {
    const end = at + 1 + Math.floor(random() ** 3 * 100_000);
    stream.write(body.subarray(at, end));
    if (random() < 0.3) await sleep(random() * 4);
    at = end;
  }
  stream.end();
  await closed;
  if (stream.rstCode !== 0) targets.faults.push(`${pathOf(asked)} of ${asked.host} ended with ${stream.rstCode}`);
  else if (!Buffer.concat(received).equals(answerTo(asked)))
    targets.faults.push(`the answer to ${pathOf(asked)} of ${asked.host} is another`);
}

describe('the octets of many connections at once', () => {
  it('come to their own peers and no others, whatever way they go', async () => {
    const random = seeded(20_261_125);
    let seed = 0;
    const some = (count: number): Asked[] =>
      Array.from({ length: count }, () => {
        const host = ['one.test', 'two.test', 'copied.test'][Math.floor(random() * 3)] ?? '';
        return plan(random, host, ++seed);
      });
    const small = (count: number): Asked[] =>
      Array.from({ length: count }, () => plan(random, 'again.test', ++seed, ONE_PIECE));
    const asking: Promise<void>[] = [];
    for (let i = 0; i < 6; i++) {
      asking.push(
        askHttp1(connect(ports.plain, '127.0.0.1'), some(6), random),
        askHttp1(connect(ports.plain, '127.0.0.1'), some(6), random),
        askHttp1(connect(ports.both, '127.0.0.1'), some(3), random),
        askHttp1(secureSocket('http/1.1'), some(3), random),
        askInPieces(connect(ports.plain, '127.0.0.1'), small(6), random),
        askHttp2(connectHttp2(`http://127.0.0.1:${ports.both}`), some(5), random),
        askHttp2(connectHttp2('https://gate.test', { createConnection: () => secureSocket('h2') }), some(5), random),
      );
    }
    await Promise.all(asking);
    expect(targets.faults).toEqual([]);
    for (const name of ['one', 'two', 'again', 'copied']) {
      const { accepted, outcomes } = await gate.settled(name);
      expect({ name, ok: outcomes.ok }).toEqual({ name, ok: accepted });
    }
    const cell = (service: string, upstream: string, index: number): number =>
      readCell(gate.upstream(service, upstream).ledger, UPSTREAM.size, index);
    expect(cell('again', 'blue', UPSTREAM.retries), 'some were sent again').toBeGreaterThan(0);
    expect(cell('copied', 'green', UPSTREAM.compared), 'some were copied').toBeGreaterThan(0);
    expect([cell('copied', 'blue', UPSTREAM.differed), cell('copied', 'green', UPSTREAM.differed)]).toEqual([0, 0]);
    expect(gate.complaints).toEqual([]);
  }, 60_000);
});
