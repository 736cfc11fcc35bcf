import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { NO_GRPC } from '../traffic/grpc.ts';
import { BodyReader, type Framing } from './body-reader.ts';
import { type ConnectFailure, connectFailure, refusesClient } from './connect-failure.ts';
import type { Deadlines, Timed } from './deadlines.ts';
import { F } from './fields.ts';
import { Head, INCOMPLETE, NO_LENGTH } from './head.ts';
import { parseResponseHead } from './response-parser.ts';
import type { SentRequest, UpstreamLink } from './upstream-link.ts';
import type { UpstreamTls } from './upstream-tls.ts';

/** Why an upstream connection failed its exchange. */
export type UpstreamFailure =
  | ConnectFailure
  /** The target says that it has done nothing about the request, so that it can be sent anew whatever it is. */
  | 'unprocessed'
  /** Closed or reset before a complete response head. */
  | 'reset'
  /** The response was not well-formed HTTP/1. */
  | 'protocol'
  /** Closed or reset inside the response body. */
  | 'truncated';

/** Who is told what happens on an upstream connection: the exchange that holds it. */
export interface UpstreamHandler {
  onConnected(): void;
  /** An interim (1xx) or the final response head. `head` is valid during the call only. */
  onHead(head: Head): void;
  /** Body data: the runs of `reader` in `buf`, and perhaps `reader.done`. Follows the final head at once, even if empty. */
  onBody(buf: Buffer, reader: BodyReader): void;
  /** The request can take more after a full write. */
  onUpstreamDrain(): void;
  onUpstreamFailure(failure: UpstreamFailure): void;
}

/** Where connections come from and go back to. */
export interface ConnectionOwner {
  readonly host: string;
  readonly port: number;
  /** For new connections; null: they are plain. */
  readonly tls: UpstreamTls | null;
  onIdle(connection: UpstreamConnection): void;
  onClosed(connection: UpstreamConnection): void;
}

/** Most octets of a response head; beyond it the answer is 502. */
const MAX_HEAD_BYTES = 64 * 1024;

/** Read buffers, in octets: most responses fit the small one. */
const SMALL_READ = 16 * 1024;
const LARGE_READ = 64 * 1024;

type State = 'connecting' | 'idle' | 'head' | 'body' | 'closed';

const head = new Head(64);
const EMPTY = Buffer.alloc(0);

/**
 * One HTTP/1.1 connection to a target. It carries one exchange at a time and goes back to its owner when the response
 * is complete and both sides may go on. Octets that nobody asked for destroy it (RFC 9112 §6.3).
 */
export class UpstreamConnection implements UpstreamLink, Timed {
  deadlineMs = Number.POSITIVE_INFINITY;
  deadlineIndex = -1;
  /** Has carried an exchange before: a failure before any answer may be the keep-alive race. */
  reused = false;
  /** Octets of the current response were received. */
  answered = false;
  readonly grpcStatus = NO_GRPC;
  /** How long the target says it keeps an idle connection, less a margin; Infinity when it does not say. */
  keepAliveMs = Number.POSITIVE_INFINITY;
  /** What it was made with; null: it is plain. */
  readonly tls: UpstreamTls | null;

  readonly #socket: Socket;
  /** The socket, once TLS is being agreed on. */
  #secure: TLSSocket | null = null;
  readonly #owner: ConnectionOwner;
  readonly #deadlines: Deadlines;
  readonly #reader = new BodyReader();
  #handler: UpstreamHandler | null;
  #state: State = 'connecting';
  #partial: Buffer = EMPTY;
  /** The request in hand is HEAD: its response has no body. */
  #headRequest = false;
  #reusable = true;
  #failure: Error | null = null;
  #buffer: Buffer = EMPTY;
  /** The last read filled the buffer. */
  #filled = false;
  #lent = false;
  #paused = false;

  constructor(owner: ConnectionOwner, handler: UpstreamHandler, deadlines: Deadlines, connectTimeoutMs: number) {
    this.#owner = owner;
    this.#handler = handler;
    this.#deadlines = deadlines;
    this.tls = owner.tls;
    this.deadlineMs = performance.now() + connectTimeoutMs;
    deadlines.add(this);
    const socket = this.tls === null ? this.#connectPlain() : this.#connectSecure(this.tls);
    this.#socket = socket;
    socket.on('error', (error) => this.#onError(error));
    socket.on('close', () => this.#onClose());
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => this.#handler?.onUpstreamDrain());
  }

  get connected(): boolean {
    return this.#state !== 'connecting' && this.#state !== 'closed';
  }

  /** Gives an idle connection to an exchange. */
  assign(handler: UpstreamHandler): void {
    this.#handler = handler;
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** Begins a request. False when its octets are queued in the socket: wait for `onUpstreamDrain`. */
  send(bytes: Buffer, { isHead }: SentRequest): boolean {
    this.#state = 'head';
    this.#headRequest = isHead;
    this.answered = false;
    return this.#socket.write(bytes);
  }

  /** Goes on with the request's body. */
  write(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  /** A part of the buffer last given to `onBody` is still needed, such as by a write that could not finish at once. */
  lend(): void {
    this.#lent = true;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** The exchange is over: keeps the connection if `reusable` and the response left it in step, else closes it. */
  release(reusable: boolean): void {
    this.#handler = null;
    if (!reusable || !this.#reusable || !this.#reader.done || this.#state !== 'idle') {
      this.destroy();
      return;
    }
    this.resume();
    this.reused = true;
    this.#owner.onIdle(this);
  }

  destroy(): void {
    this.#handler = null;
    this.#socket.destroy();
    this.#markClosed();
  }

  onDeadline(): void {
    if (this.#state === 'connecting') this.#fail('connect_timeout');
    else this.destroy();
  }

  #connectPlain(): Socket {
    this.#buffer = Buffer.allocUnsafeSlow(SMALL_READ);
    const socket = connect({
      host: this.#owner.host,
      port: this.#owner.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: { buffer: () => this.#nextBuffer(), callback: (length) => this.#onRead(length) },
    });
    return socket.on('connect', () => this.#onConnect());
  }

  #connectSecure(tls: UpstreamTls): Socket {
    const socket = tls.connect(this.#owner);
    socket.on('connect', () => {
      this.#secure = socket;
    });
    socket.on('secureConnect', () => this.#onConnect());
    return socket.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  #onConnect(): void {
    this.#state = 'idle';
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#handler?.onConnected();
  }

  /**
   * Where the next read goes: the same buffer again, unless a part of it was handed on; a larger one when the last read
   * filled it. Reading into memory that is already mapped saves the page faults of a fresh 64 KiB per read.
   */
  #nextBuffer(): Buffer {
    if (this.#lent || (this.#filled && this.#buffer.length < LARGE_READ)) {
      this.#buffer = Buffer.allocUnsafeSlow(this.#filled ? LARGE_READ : this.#buffer.length);
    }
    this.#lent = false;
    this.#filled = false;
    return this.#buffer;
  }

  /** Always true: back-pressure is by `pause`. */
  #onRead(length: number): boolean {
    this.#filled = length === this.#buffer.length;
    this.#onData(this.#buffer.subarray(0, length));
    return true;
  }

  #onData(chunk: Buffer): void {
    switch (this.#state) {
      case 'head':
        this.answered = true;
        this.#onHeadData(chunk);
        return;
      case 'body':
        this.#onBodyData(chunk, 0, chunk.length);
        return;
      default:
        // Nobody asked: an answer pushed here could be taken for the next request's (response queue poisoning).
        this.destroy();
    }
  }

  #onHeadData(chunk: Buffer): void {
    const buf = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    this.#partial = EMPTY;
    let at = 0;
    while (this.#state === 'head') {
      const end = parseResponseHead(head, buf, at, buf.length);
      if (end === INCOMPLETE) {
        this.#keepPartial(buf, at);
        return;
      }
      if (end < 0) {
        this.#fail('protocol');
        return;
      }
      at = end;
      if (!this.#onHeadParsed()) return;
    }
    if (this.#state === 'body') this.#onBodyData(buf, at, buf.length);
  }

  /** A head that trickles in is parsed again from its start each time, so its growth is bounded. */
  #keepPartial(buf: Buffer, at: number): void {
    if (buf.length - at > MAX_HEAD_BYTES) this.#fail('protocol');
    else this.#partial = Buffer.from(buf.subarray(at)); // the read buffer is used again
  }

  /** False when the connection is no longer ours to read. */
  #onHeadParsed(): boolean {
    if (head.status < 200) {
      // 101 is only ever asked for in the upgrade lane (RFC 9110 §15.2.2).
      if (head.status === 101) this.#fail('protocol');
      else this.#handler?.onHead(head);
      return this.#state === 'head';
    }
    this.#state = 'body';
    this.#reusable = head.minor === 1 && !head.close;
    this.#noteKeepAlive();
    const framing = responseFraming(head, this.#headRequest);
    if (framing === 'close') this.#reusable = false;
    this.#reader.reset(framing, Math.max(head.contentLength, 0));
    this.#handler?.onHead(head);
    return (this.#state as State) === 'body';
  }

  /** `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1): stop using the connection a second before the target closes it. */
  #noteKeepAlive(): void {
    if (!head.has(F.keepAlive)) return;
    const i = head.indexOf(F.keepAlive);
    const value = head.value(i);
    const at = value.indexOf('timeout=');
    const seconds = at < 0 ? Number.NaN : Number.parseInt(value.slice(at + 8), 10);
    this.keepAliveMs = seconds > 0 ? Math.max(seconds * 1000 - 1000, 500) : Number.POSITIVE_INFINITY;
  }

  #onBodyData(buf: Buffer, from: number, to: number): void {
    const end = this.#reader.feed(buf, from, to);
    if (end < 0) {
      this.#fail('truncated');
      return;
    }
    if (end < to) this.#reusable = false; // octets behind the response: never another response
    if (this.#reader.done) this.#state = 'idle';
    this.#handler?.onBody(buf, this.#reader);
  }

  /**
   * Over TLS, the end of the body may be one that an attacker made: Node.js does not tell a close_notify from a bare FIN
   * (RFC 9112 §9.8). A reset is told.
   */
  #onEnd(): void {
    if (this.#state === 'body' && this.#reader.framing === 'close') {
      this.#reader.done = true;
      this.#reader.runCount = 0;
      this.#state = 'idle';
      this.#handler?.onBody(EMPTY, this.#reader);
      return;
    }
    this.#failAsClosed(null);
  }

  #onError(error: Error): void {
    this.#failure = error;
    this.#failAsClosed(error);
  }

  #onClose(): void {
    this.#failAsClosed(this.#failure);
    this.#markClosed();
  }

  #failAsClosed(cause: Error | null): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'connecting') this.#fail(connectFailure(cause, this.#secure));
    else if (this.#state === 'body') this.#fail('truncated');
    else this.#fail(this.answered || this.reused || !refusesClient(cause) ? 'reset' : 'tls_alert');
  }

  #fail(failure: UpstreamFailure): void {
    const handler = this.#handler;
    this.destroy();
    handler?.onUpstreamFailure(failure);
  }

  #markClosed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#partial = EMPTY;
    this.#deadlines.remove(this);
    this.#owner.onClosed(this);
  }
}

/** RFC 9112 §6.3: HEAD, 204 and 304 have no body whatever their fields say. */
function responseFraming(response: Head, headRequest: boolean): Framing {
  if (headRequest || response.status === 204 || response.status === 304) return 'none';
  if (response.chunked) return 'chunked';
  return response.contentLength === NO_LENGTH ? 'close' : 'length';
}
