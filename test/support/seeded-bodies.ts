import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import type { Writable } from 'node:stream';

/** A request whose octets, and those of its answer, follow from its seed, and are like no other's. */
export interface Asked {
  readonly host: string;
  readonly seed: number;
  /** Octets of its body. */
  readonly up: number;
  /** Octets of its answer. */
  readonly down: number;
  readonly chunkedUp: boolean;
  readonly chunkedDown: boolean;
}

const SIZES = [0, 1, 100, 1_000, 8_000, 16_384, 16_385, 33_000, 65_536, 70_000, 200_000, 700_000] as const;

/** `most`: octets of its body. */
export function plan(random: () => number, host: string, seed: number, most = Number.POSITIVE_INFINITY): Asked {
  const size = (): number => SIZES[Math.floor(random() * SIZES.length)] ?? 0;
  const up = Math.min(size(), most);
  return { host, seed, up, down: size(), chunkedUp: random() < 0.5, chunkedDown: random() < 0.5 };
}

export const pathOf = ({ seed, up, down, chunkedDown }: Asked): string =>
  `/${seed}/${up}/${down}/${chunkedDown ? 'chunked' : 'sized'}`;

export const bodyOf = ({ seed, up }: Asked): Buffer => octets(seed, up);
export const answerTo = ({ seed, down }: Asked): Buffer => octets(~seed, down);

function octets(seed: number, length: number): Buffer {
  const words = new Int32Array((length + 3) >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(seed, 0x9e3779b1) ^ Math.imul(i + 1, 0x85ebca6b);
  return Buffer.from(words.buffer, 0, length);
}

/** Resolves when more can be written, or never again. */
export function drained(stream: Writable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onEither = (): void => {
    stream.off('drain', onEither);
    stream.off('close', onEither);
    resolve();
  };
  stream.on('drain', onEither);
  stream.on('close', onEither);
  return promise;
}

/** Where answers are written, whatever the version. */
interface Outlet {
  begin(length: number | null): void;
  write(part: Buffer): boolean;
  drained(): Promise<void>;
  end(): void;
}

/** Targets that check what they are asked, octet by octet, and answer as they should. */
export class SeededTargets {
  /** What came otherwise than it was sent. */
  readonly faults: string[] = [];
  readonly #closers: (() => void)[] = [];

  async http1(): Promise<number> {
    const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
      void this.#serve(request.url ?? '', request, {
        begin: (length) => response.writeHead(200, length === null ? {} : { 'Content-Length': length }),
        write: (part) => response.write(part),
        drained: () => drained(response),
        end: () => response.end(),
      });
    });
    this.#closers.push(() => server.closeAllConnections());
    return this.#listen(server);
  }

  async http2(): Promise<number> {
    const server = createHttp2Server();
    server.on('session', (session) => {
      session.on('error', () => {});
      this.#closers.push(() => session.destroy());
    });
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.on('error', () => {});
      void this.#serve(String(headers[':path']), stream, {
        begin: (length) => stream.respond(length === null ? {} : { 'content-length': String(length) }),
        write: (part) => stream.write(part),
        drained: () => drained(stream),
        end: () => stream.end(),
      });
    });
    return this.#listen(server);
  }

  /** Resets each connection once something has come. */
  async quitter(): Promise<number> {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.resetAndDestroy());
    });
    return this.#listen(server);
  }

  close(): void {
    for (const close of this.#closers.splice(0).reverse()) close();
  }

  async #listen(server: Server | Http2Server | TcpServer): Promise<number> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#closers.push(() => server.close());
    return (server.address() as AddressInfo).port; // it listens on a port
  }

  async #serve(path: string, body: AsyncIterable<Buffer>, outlet: Outlet): Promise<void> {
    const [, seed, up, down, form] = path.split('/');
    const sized = form === 'sized';
    const asked = { seed: Number(seed), up: Number(up), down: Number(down) };
    const slow = asked.seed % 5 === 0;
    const parts: Buffer[] = [];
    try {
      for await (const part of body) {
        parts.push(part);
        if (slow && parts.length % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } catch {
      this.faults.push(`the body of ${path} broke off`);
      return;
    }
    if (!Buffer.concat(parts).equals(octets(asked.seed, asked.up))) this.faults.push(`the body of ${path} is another`);
    const answer = octets(~asked.seed, asked.down);
    outlet.begin(sized ? answer.length : null);
    const step = [1_000, 16_384, 65_536, 7_777, 300_000][asked.seed % 5] ?? 1;
    for (let at = 0; at < answer.length; at += step) {
      if (!outlet.write(answer.subarray(at, at + step))) await outlet.drained();
    }
    outlet.end();
  }
}
