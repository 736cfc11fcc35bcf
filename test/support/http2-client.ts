import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { afterEach } from 'vitest';
import { eventually } from './inbox.ts';

/** A response as far as it came. */
export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  readonly interim: readonly IncomingHttpHeaders[];
  /** How the stream was closed: 0 where it simply ended. */
  readonly code: number;
}

export interface Http2RequestOptions {
  readonly body?: string | Buffer;
  readonly trailers?: OutgoingHttpHeaders;
}

/** One HTTP/2 connection of Node's own client. */
export class Http2Client {
  readonly session: ClientHttp2Session;
  /** Error code of the last GOAWAY; null before one. */
  goaway: number | null = null;
  lastStream = 0;
  closed = false;

  constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('error', () => {});
    session.on('goaway', (code, lastStream) => {
      this.goaway = code;
      this.lastStream = lastStream;
    });
    session.on('close', () => {
      this.closed = true;
    });
  }

  /** Begins a request whose body is written by the caller. */
  open(headers: OutgoingHttpHeaders, endStream = false): ClientHttp2Stream {
    const stream = this.session.request({ ':path': '/', ...headers }, { endStream });
    stream.on('error', () => {});
    return stream;
  }

  /** A whole request and its answer. */
  async request(headers: OutgoingHttpHeaders = {}, options: Http2RequestOptions = {}): Promise<Http2Answer> {
    const { body, trailers } = options;
    const stream = this.session.request(
      { ':path': '/', ...headers },
      { endStream: body === undefined, waitForTrailers: trailers !== undefined },
    );
    stream.on('error', () => {});
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    if (body !== undefined) stream.end(body);
    return answerOf(stream);
  }

  /** Waits for the end of the connection. */
  async ended(deadlineMs?: number): Promise<void> {
    await eventually('the HTTP/2 connection is closed', () => this.closed, deadlineMs);
  }
}

/** What comes on a stream until it is closed. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  const interim: IncomingHttpHeaders[] = [];
  const parts: Buffer[] = [];
  stream.on('response', (given) => {
    headers = given;
  });
  stream.on('headers', (given) => interim.push(given));
  stream.on('trailers', (given) => {
    trailers = given;
  });
  stream.on('data', (chunk: Buffer) => parts.push(chunk));
  let closed = false;
  stream.on('close', () => {
    closed = true;
  });
  await eventually('the stream is closed', () => closed);
  const status = Number(headers[':status'] ?? 0);
  const code = stream.rstCode ?? constants.NGHTTP2_NO_ERROR;
  return { status, headers, body: Buffer.concat(parts).toString('latin1'), trailers, interim, code };
}

/** Opens HTTP/2 connections for a test and closes them after it. */
export class Http2Clients {
  readonly #open: ClientHttp2Session[] = [];

  /** Plain, by prior knowledge; or over `socket`. */
  open(port: number, socket?: Duplex): Http2Client {
    const session = connect(
      `http://gate.test:${port}`,
      socket === undefined ? { host: '127.0.0.1' } : { createConnection: () => socket },
    );
    this.#open.push(session);
    return new Http2Client(session);
  }

  close(): void {
    for (const session of this.#open.splice(0)) session.destroy();
  }
}

export function useHttp2Clients(): Http2Clients {
  const clients = new Http2Clients();
  afterEach(() => clients.close());
  return clients;
}
