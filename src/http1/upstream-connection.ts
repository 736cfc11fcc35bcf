import { connect, type OnReadOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { NO_GRPC } from '../traffic/grpc.ts';
import { BodyReader, type Framing } from './body-reader.ts';
import type { ByteWriter, MemoryUse } from './byte-writer.ts';
import { VANISHED_AFTER_MS } from './client-socket.ts';
import { connectFailure, refusesClient } from './connect-failure.ts';
import type { Deadlines, Timed } from './deadlines.ts';
import { F } from './fields.ts';
import { Head, INCOMPLETE, NO_LENGTH } from './head.ts';
import { ReadBuffer } from './read-buffer.ts';
import { parseResponseHead } from './response-parser.ts';
import type { SentRequest, UpstreamFailure, UpstreamHandler, UpstreamLink } from './upstream-link.ts';
import type { UpstreamTls } from './upstream-tls.ts';

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
export const MAX_HEAD_BYTES = 64 * 1024;

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
  readonly mayRefuse = false;
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
  readonly #reads = new ReadBuffer(true);
  readonly #memoryUse: MemoryUse;
  /** Octets waited when `write` was called last. */
  #waited = false;
  #paused = false;

  constructor(owner: ConnectionOwner, handler: UpstreamHandler, deadlines: Deadlines, connectTimeoutMs: number) {
    this.#owner = owner;
    this.#handler = handler;
    this.#deadlines = deadlines;
    this.tls = owner.tls;
    this.deadlineMs = performance.now() + connectTimeoutMs;
    deadlines.add(this);
    this.#memoryUse = this.tls === null ? 'written' : 'encrypted';
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

  /** Begins the request that `writer` holds. False when its octets are queued in the socket: wait for `onUpstreamDrain`. */
  begin(writer: ByteWriter, { isHead }: SentRequest): boolean {
    this.#state = 'head';
    this.#headRequest = isHead;
    this.answered = false;
    return this.send(writer);
  }

  /** Goes on with the request's body, of what `writer` holds. */
  send(writer: ByteWriter): boolean {
    return writer.sendTo(this.#socket, this.#memoryUse);
  }

  /** Goes on with the request's body. */
  write(bytes: Buffer): boolean {
    this.#waited = this.#isSending;
    return this.#socket.write(bytes);
  }

  /** The memory that was last given to `write` is still in use. */
  get isWriting(): boolean {
    return this.#memoryUse === 'encrypted' ? this.#waited : this.#isSending;
  }

  /** Octets were written that the kernel has not taken. */
  get #isSending(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** What was last given to `onBody` lies where other connections will read to: it must be copied to be kept. */
  get sharesBuffer(): boolean {
    return this.#reads.isShared;
  }

  /** A part of what was last given to `onBody` is still needed, by a write that could not finish at once. */
  lend(): void {
    this.#reads.lend();
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
    const { host, port } = this.#owner;
    const socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: VANISHED_AFTER_MS,
      allowHalfOpen: true,
      onread: this.#onread(),
    });
    return socket.on('connect', () => this.#onConnect());
  }

  #connectSecure(tls: UpstreamTls): Socket {
    const socket = tls.connect(this.#owner, this.#onread());
    socket.on('connect', () => {
      socket.setKeepAlive(true, VANISHED_AFTER_MS);
      this.#secure = socket;
    });
    return socket.on('secureConnect', () => this.#onConnect());
  }

  #onConnect(): void {
    this.#state = 'idle';
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#handler?.onConnected();
  }

  /**
   * Where to read to: asked for each address that is tried, and after each read. After a read, Node.js reads to the same place again when it
   * is given no buffer, and so does not have to look into one. An attempt without one would read elsewhere, and then tell
   * of octets here that are another connection's.
   */
  #onread(): OnReadOpts {
    const next = (): Buffer | null =>
      this.#state === 'connecting' ? this.#reads.current : this.#reads.next(this.#state !== 'body');
    return {
      buffer: next as () => Uint8Array, // null: see above
      callback: (length) => this.#onRead(length),
    };
  }

  #onRead(length: number): boolean {
    const { current } = this.#reads;
    this.#reads.note(length);
    this.#receive(current, length);
    return true; // back-pressure is by `pause`
  }

  /** Octets buf[0, to); where the buffer is shared, they are gone when this returns. */
  #receive(buf: Buffer, to: number): void {
    switch (this.#state) {
      case 'head':
        this.answered = true;
        this.#onHeadData(buf, to);
        return;
      case 'body':
        this.#onBodyData(buf, 0, to);
        return;
      default:
        // Nobody asked: an answer pushed here could be taken for the next request's (response queue poisoning).
        this.destroy();
    }
  }

  #onHeadData(chunk: Buffer, length: number): void {
    let buf = chunk;
    let to = length;
    if (this.#partial.length > 0) {
      buf = Buffer.concat([this.#partial, chunk.subarray(0, length)]);
      to = buf.length;
      this.#partial = EMPTY;
    }
    let at = 0;
    while (this.#state === 'head') {
      const end = parseResponseHead(head, buf, at, to);
      if (end === INCOMPLETE) {
        this.#keepPartial(buf.subarray(at, to));
        return;
      }
      if (end < 0) {
        this.#fail('protocol');
        return;
      }
      at = end;
      if (!this.#onHeadParsed()) return;
    }
    if (this.#state === 'body') this.#onBodyData(buf, at, to);
  }

  /** A head that trickles in is parsed again from its start each time, so its growth is bounded. */
  #keepPartial(part: Buffer): void {
    if (part.length > MAX_HEAD_BYTES) this.#fail('protocol');
    else this.#partial = Buffer.from(part); // the read buffer is used again
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
    this.#reads.release();
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
