import dns from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ByteWriter } from '../../src/http1/byte-writer.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { readInto } from '../../src/http1/read-into.ts';
import { UpstreamPool } from '../../src/http1/upstream-pool.ts';
import { response } from '../support/message.ts';
import { GATE, ROOT } from '../support/tls.ts';

let server: Server;
let secureServer: Server;
let accepted: Socket[];
let clients: Socket[];

beforeEach(async () => {
  accepted = [];
  clients = [];
  server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket));
  secureServer = createTlsServer({ cert: GATE.cert, key: GATE.key }, (socket) => accepted.push(socket));
  for (const each of [server, secureServer]) {
    each.listen(0, '127.0.0.1');
    await once(each, 'listening');
  }
});

afterEach(() => {
  for (const socket of [...accepted, ...clients]) socket.destroy();
  server.close();
  secureServer.close();
  vi.restoreAllMocks();
});

type Over = 'TCP' | 'TLS';

/** A pair of sockets; the accepted one as it is when a listener first sees it. */
async function pair(
  onAccepted: (socket: Socket) => void = () => undefined,
  over: Over = 'TCP',
): Promise<[Socket, Socket]> {
  const [listening, arrival] = over === 'TCP' ? [server, 'connection'] : [secureServer, 'secureConnection'];
  listening.once(arrival, onAccepted);
  const { port } = listening.address() as AddressInfo; // it listens on a port
  const host = '127.0.0.1';
  const client =
    over === 'TCP' ? connect({ port, host }) : connectTls({ port, host, ca: ROOT, servername: 'gate.test' });
  clients.push(client);
  await Promise.all([once(client, over === 'TCP' ? 'connect' : 'secureConnect'), once(listening, arrival)]);
  const socket = accepted.at(-1);
  if (socket === undefined) throw new Error('nothing was accepted');
  return [client, socket];
}

async function allFrom(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.resume();
  await once(socket, 'end');
  return Buffer.concat(parts);
}

describe.each<Over>(['TCP', 'TLS'])('a socket accepted over %s', (over) => {
  it('reads into memory that it is given, as Node.js of this version lets it', async () => {
    const memory = [Buffer.alloc(8), Buffer.alloc(16)] as const;
    const told: string[] = [];
    const [client, socket] = await pair((accepted) => {
      let current: Buffer = memory[0];
      const taken = readInto(accepted, current, {
        take: (length) => told.push(current.toString('latin1', 0, length)) > 0,
        next: () => {
          if (current === memory[1]) return null;
          current = memory[1];
          return current;
        },
      });
      expect(taken).toBe(true);
      accepted.on('data', () => told.push('told by an event'));
    }, over);
    client.end('12345678and what fits the second and the same again');
    await once(socket, 'end');
    expect(told).toEqual(['12345678', 'and what fits th', 'e second and the', ' same again']);
    expect(memory[0].toString()).toBe('12345678');
  });

  it('stops reading when it is paused, and goes on', async () => {
    let octets = 0;
    const memory = Buffer.alloc(1024);
    const [client, socket] = await pair((accepted) => {
      readInto(accepted, memory, {
        take: (length) => {
          octets += length;
          accepted.pause();
          return true;
        },
        next: () => null,
      });
    }, over);
    client.end(Buffer.alloc(10 * 1024));
    const resuming = setInterval(() => socket.resume(), 1);
    await once(socket, 'end');
    clearInterval(resuming);
    expect(octets).toBe(10 * 1024);
  });

  it('is left as it is when something listens to it already', async () => {
    const memory = Buffer.alloc(8);
    let taken = true;
    const [client, socket] = await pair((accepted) => {
      accepted.pause();
      taken = readInto(accepted, memory, { take: () => true, next: () => null });
    }, over);
    expect(taken).toBe(false);
    client.end('hello');
    expect((await allFrom(socket)).toString()).toBe('hello');
  });
});

describe.each([
  ['TCP', 'written'],
  ['TLS', 'encrypted'],
] as const)('a message writer over %s', (over, use) => {
  it('keeps what a socket could not take at once from what is written next', async () => {
    const writer = new ByteWriter(64 * 1024);
    const pairs = [await pair(undefined, over), await pair(undefined, over), await pair(undefined, over)] as const;
    const sent = pairs.map(() => [] as Buffer[]);
    for (let i = 0; i < 2_000; i++) {
      if (i % 10 === 0) await nextTurn(); // over TLS, no write is done before
      const which = i % pairs.length;
      const message = Buffer.alloc(1 + ((i * 7919) % 40_000), String.fromCharCode(97 + (i % 26)));
      sent[which]?.push(message);
      writer.begin();
      writer.all(message);
      writer.sendTo(pairs[which]?.[1] as Socket, use);
    }
    expect(
      pairs.some(([, socket]) => socket.writableLength > 0),
      'some had to wait',
    ).toBe(true);
    for (const [i, [client, socket]] of pairs.entries()) {
      socket.end();
      const received = await allFrom(client);
      expect(received.equals(Buffer.concat(sent[i] ?? [])), `socket ${i}`).toBe(true);
    }
  });
});

describe('a target whose name has several addresses', () => {
  const writer = new ByteWriter(1024);

  /** The body of a target's answer, over a connection of its own. */
  function ask(host: string, path: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const { port } = server.address() as AddressInfo; // it listens on a port
    const pool = new UpstreamPool({ host, port, idleMs: 1000, deadlines: new Deadlines(), onOpenChange: () => {} });
    let body = '';
    const link = pool.connect(
      {
        onConnected: () => {
          writer.begin();
          writer.text(`GET ${path} HTTP/1.1\r\nHost: gate.test\r\n\r\n`);
          link.begin(writer, { isHead: false, trailers: false });
        },
        onHead: () => {},
        onBody: (buf, { runs, runCount, done }) => {
          for (let i = 0; i < runCount; i++) body += buf.toString('latin1', runs[2 * i], runs[2 * i + 1]);
          if (done) resolve(body);
        },
        onUpstreamDrain: () => {},
        onUpstreamFailure: reject,
      },
      1000,
    );
    return promise.finally(() => link.destroy());
  }

  it('is read from the one that took the connection, and not from what another connection has read', async () => {
    server.on('connection', (socket) => {
      socket.on('data', (request) => {
        const path = request.toString('latin1').split(' ')[1] ?? '';
        socket.write(response('200 OK', [], path));
      });
    });
    expect(await ask('127.0.0.1', '/first')).toBe('/first');
    const addresses = [
      { address: '127.0.0.2', family: 4 }, // nobody listens there
      { address: '127.0.0.1', family: 4 },
    ];
    const lookup = (_: string, __: object, answer: (error: null, found: typeof addresses) => void): void =>
      answer(null, addresses);
    vi.spyOn(dns, 'lookup').mockImplementation(lookup as never); // of its overloads, the one that Node.js uses here
    expect(await ask('several.test', '/other')).toBe('/other');
  });
});
