import { Socket } from 'node:net';
import { readClockMs, recentClockMs } from '../platform/clock.ts';
import { BodyReader } from './body-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { LF } from './bytes.ts';
import type { ClientSocket } from './client-socket.ts';
import type { Deadlines, Timed } from './deadlines.ts';
import { Head, INCOMPLETE, NO_LENGTH, REFUSED } from './head.ts';
import { ReadBuffer } from './read-buffer.ts';
import { readInto } from './read-into.ts';
import { parseRequestHead } from './request-parser.ts';

/** The part of a listener's options that a connection obeys. */
export interface DownstreamOptions {
  readonly timeouts: { readonly headMs: number; readonly bodyMs: number; readonly keepAliveMs: number };
  readonly limits: { readonly headBytes: number; readonly fields: number };
}

/** What serves the requests of a connection. */
export interface RequestHandler {
  /**
   * A whole request head, and in the runs of `connection.reader` what came of its body in the same buffer. `head` and
   * `buf` are valid during the call only. Calls `connection.begin` unless it answers at once, with `finish`.
   */
  onRequest(connection: DownstreamConnection, head: Head, buf: Buffer): void;
  /** A request that never became one: answer with `status` and close. */
  onRefused(connection: DownstreamConnection, status: number, detail: string): void;
  onConnectionClosed(connection: DownstreamConnection): void;
}

/** A request in progress, as its connection sees it. */
export interface ActiveRequest {
  /** More body data: the runs of the connection's reader in `buf`. */
  onRequestBody(buf: Buffer, reader: BodyReader): void;
  /** The body's framing is broken, its limit exceeded, or it stalled. */
  onRequestBodyFailed(status: number, detail: string): void;
  /** The client can take more after a full write. */
  onDownstreamDrain(): void;
  /** The client reset or closed both ways. */
  onClientGone(): void;
  /** The client has closed its sending side and may or may not still read. */
  onClientHalfClosed(): void;
}

/** What the connection waits for. `linger`: for nothing more; see LINGER_MS. */
type Waiting = 'request' | 'head' | 'body' | 'response' | 'linger';

const EMPTY = Buffer.alloc(0);

/** Parsed and used within one call, so that all connections of a thread can share it. */
const head = new Head(128);

/** After the last answer, what the client still sends is read and dropped this long, so that a reset cannot erase it. */
const LINGER_MS = 2000;

/** How often a client that is behind with reading is looked at. */
const LOOK_MS = 200;

/** Of a body that waits for a target, so much is read, and what one more read brings. */
const HELD_BYTES = 16 * 1024;

/**
 * One HTTP/1 connection from a client: cuts the byte stream into requests, one exchange at a time, in order
 * (RFC 9112 §9.3.2). Pipelined requests wait unread in the buffer until their turn.
 */
export class DownstreamConnection implements Timed {
  deadlineMs: number;
  deadlineIndex = -1;
  readonly socket: ClientSocket;
  /** The TCP socket beneath `socket`, where that is a TLS socket: only this one can be reset. */
  carrier: ClientSocket;
  readonly options: DownstreamOptions;
  readonly reader = new BodyReader();
  /** The client's; of its proxy where nobody said more. */
  remoteAddress: string;
  /** Set by a shutdown: from then on every response closes the connection; `performance.now()` time. */
  tellAtMs = Number.POSITIVE_INFINITY;
  /** Set by a shutdown: then it is closed if it is idle. */
  closeAtMs = Number.POSITIVE_INFINITY;
  /** Free for the handler: what it derives once per connection. */
  context: unknown = null;
  /** `performance.now()` when the first octet of the current request arrived. */
  receivedAtMs = 0;

  readonly #handler: RequestHandler;
  readonly #deadlines: Deadlines;
  /** Null where the socket brings what it reads in buffers of its own. */
  readonly #reads: ReadBuffer | null;
  #active: ActiveRequest | null = null;
  /** Octets received and not taken yet: an unfinished head, or pipelined requests. */
  #buffered: Buffer = EMPTY;
  #waiting: Waiting = 'request';
  #halfClosed = false;
  /** The rest of the request body has all the time it takes. */
  #patient = false;
  /** What of the last answer was still to be written at the last look; 0 for nothing. */
  #unsentBytes = 0;
  /** When a client is given up that takes nothing of that. */
  #giveUpAtMs = 0;
  /** The client must read before its next request is served. */
  #behind = false;
  #closed = false;
  #detached = false;
  /** The body waits for a target, in `#buffered`. */
  #held = false;
  /** Guards against a request that is answered at once from within #pump. */
  #pumping = false;

  constructor(socket: ClientSocket, options: DownstreamOptions, handler: RequestHandler, deadlines: Deadlines) {
    this.socket = socket;
    this.carrier = socket;
    this.options = options;
    this.remoteAddress = socket.remoteAddress ?? '';
    this.#handler = handler;
    this.#deadlines = deadlines;
    this.deadlineMs = readClockMs() + options.timeouts.headMs;
    deadlines.add(this);
    socket.on('error', noop); // 'close' follows and says it all
    socket.on('close', this.#onClose);
    socket.on('end', this.#onEnd);
    socket.on('drain', this.#onDrain);
    this.#reads = socket instanceof Socket ? this.#readInto(socket) : null;
    if (this.#reads === null) socket.on('data', this.#onData);
  }

  /** Null where the socket cannot. */
  #readInto(socket: Socket): ReadBuffer | null {
    const reads = new ReadBuffer(false);
    const isInto = readInto(socket, reads.current, {
      take: (length) => this.#onRead(socket, reads, length),
      next: () => reads.next(this.reader.done),
    });
    return isInto ? reads : null;
  }

  /** No request is in progress and none has begun to arrive. */
  get idle(): boolean {
    return this.#active === null && this.#buffered.length === 0 && this.#waiting === 'request' && !this.isWriting;
  }

  /** The client has closed its sending side, and no request waits behind the one in progress. */
  get endsHere(): boolean {
    return this.#halfClosed && this.#buffered.length === 0;
  }

  /** A shutdown has come to where every response closes the connection. */
  get leaving(): boolean {
    return this.tellAtMs !== Number.POSITIVE_INFINITY && performance.now() >= this.tellAtMs;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The request just handed over stays in progress until `finish`, `abort` or `close`. */
  begin(active: ActiveRequest): void {
    this.#active = active;
  }

  /**
   * An answer that the client is slow to read is not cut by the keep-alive time, which begins when all of it is written.
   * Who is far behind is served no more until it has caught up, or pipelined requests would pile up answers.
   */
  #awaitTail(nowMs: number): void {
    const { writableLength } = this.socket;
    if (writableLength !== this.#unsentBytes) this.#giveUpAtMs = nowMs + this.options.timeouts.bodyMs;
    this.#unsentBytes = writableLength;
    this.#behind = this.socket.writableNeedDrain;
    this.deadlineMs = nowMs + LOOK_MS;
  }

  #lookAtTail(nowMs: number): void {
    if (!this.isWriting) this.#caughtUp(nowMs);
    else if (nowMs < this.#giveUpAtMs || this.socket.writableLength < this.#unsentBytes) this.#awaitTail(nowMs);
    else this.abortByClient();
  }

  #caughtUp(nowMs: number): void {
    this.#unsentBytes = 0;
    this.deadlineMs = nowMs + this.options.timeouts.keepAliveMs;
    if (!this.#behind) return;
    this.#behind = false;
    this.#goOn();
  }

  /** The next request may begin. */
  get #serves(): boolean {
    return this.#waiting !== 'linger' && !this.#behind;
  }

  /** False when the octets are queued: wait for `onDownstreamDrain`. */
  write(bytes: Buffer): boolean {
    return this.socket.write(bytes);
  }

  /** As `write`, of what `writer` holds. */
  send(writer: ByteWriter): boolean {
    return writer.sendTo(this.socket, this.#reads !== null);
  }

  /** What was last given to `onRequestBody` lies where other connections will read to: it must be copied to be kept. */
  get sharesBuffer(): boolean {
    return this.#reads?.isShared === true;
  }

  /** A part of what was last given to `onRequestBody` is still needed, by a write that could not finish at once. */
  lend(): void {
    this.#reads?.lend();
  }

  /** Octets were written that the kernel has not taken: their memory is still in use. */
  get isWriting(): boolean {
    return this.socket.writableLength > 0;
  }

  /** The request's target takes no more for now. */
  pauseBody(): void {
    if (!this.reader.done) this.socket.pause();
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** There is no target yet. A little more is read meanwhile, so that it is seen when the client leaves. */
  holdBody(): void {
    this.#held = !this.reader.done;
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  resumeBody(): void {
    this.socket.resume();
    if (this.reader.done) return;
    if (!this.#patient) this.deadlineMs = readClockMs() + this.options.timeouts.bodyMs;
    if (this.#held) this.#letGo();
  }

  /** The request goes on for as long as its response does (gRPC): that the client is silent meanwhile is no stall. */
  awaitBodyPatiently(): void {
    this.#patient = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** The client reads too slowly: it must take something within the body timeout. */
  awaitDrain(): void {
    this.deadlineMs = readClockMs() + this.options.timeouts.bodyMs;
  }

  /** The answer is complete, and the clock was read. Goes on with the next request, or closes once what was written has been sent. */
  finish(keepAlive: boolean): void {
    this.#active = null;
    if (this.#closed) return;
    if (!keepAlive || this.endsHere) {
      this.#linger();
      return;
    }
    this.#waiting = 'request';
    this.#unsentBytes = 0;
    if (this.isWriting) this.#awaitTail(recentClockMs());
    else this.deadlineMs = recentClockMs() + this.options.timeouts.keepAliveMs;
    if (this.#behind) this.socket.pause();
    else this.#goOn();
  }

  /** With the requests that came behind the last one, and with reading. */
  #goOn(): void {
    if (!this.#pumping && this.#buffered.length > 0) this.#pump(this.#buffered, this.#buffered.length);
    if (this.#active === null && !this.#closed && this.#serves) this.socket.resume();
  }

  /** Ends inside a message whose framing shows that it is incomplete: what was written still arrives. */
  cut(): void {
    this.#active = null;
    this.#waiting = 'linger';
    this.#awaitFlush();
    this.socket.destroySoon();
  }

  /** Ends with a reset, where nothing else tells the client that the message is incomplete. */
  reset(): void {
    this.#active = null;
    this.carrier.resetAndDestroy();
  }

  close(): void {
    this.#active = null;
    this.socket.destroy();
  }

  /** Takes the socket away for a tunnel. `rest`: what the client sent behind the request head. */
  detach(): { socket: ClientSocket; rest: Buffer } {
    const { socket } = this;
    socket.off('error', noop);
    socket.off('close', this.#onClose);
    socket.off('data', this.#onData); // where reads are ours, they are pushed from now on
    socket.off('end', this.#onEnd);
    socket.off('drain', this.#onDrain);
    const rest = this.#buffered;
    this.#buffered = EMPTY;
    this.#active = null;
    this.#closed = true;
    this.#detached = true;
    this.#deadlines.remove(this);
    return { socket, rest };
  }

  onDeadline(nowMs: number): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    switch (this.#waiting) {
      case 'head':
        this.#refuse(408, 'the request head did not arrive in time');
        return;
      case 'body':
        this.#active?.onRequestBodyFailed(408, 'the request body stalled');
        return;
      case 'response':
        // Set by awaitDrain: the client takes nothing.
        this.abortByClient();
        return;
      case 'linger':
        if (this.socket.writableLength > 0 && this.socket.writableLength < this.#unsentBytes) this.#awaitFlush();
        else this.close();
        return;
      default:
        if (this.#unsentBytes > 0) this.#lookAtTail(nowMs);
        else this.close();
    }
  }

  /** Ends the connection as if the client had gone. */
  abortByClient(): void {
    const active = this.#active;
    this.#active = null;
    active?.onClientGone();
    this.carrier.resetAndDestroy();
  }

  #onRead(socket: Socket, reads: ReadBuffer, length: number): boolean {
    const { current } = reads;
    reads.note(length);
    if (this.#detached) return socket.push(Buffer.from(current.subarray(0, length)));
    this.#receive(current, length);
    return true; // back-pressure is by `pauseBody`
  }

  readonly #onData = (chunk: Buffer): void => this.#receive(chunk, chunk.length);

  /** Octets buf[0, to); where the buffer is shared, they are gone when this returns. */
  #receive(buf: Buffer, to: number): void {
    if (this.#waiting === 'linger') return;
    if (this.#active !== null && !this.reader.done && !this.#held) {
      this.#onBodyData(buf, to);
      return;
    }
    if (this.#buffered.length === 0 && this.#active === null && !this.#behind) {
      this.#pump(buf, to);
      return;
    }
    const chunk = buf.subarray(0, to);
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    if (this.#held ? this.#buffered.length > HELD_BYTES : this.#active !== null || this.#behind) this.socket.pause();
    else if (this.#held) return;
    else if (this.#waiting !== 'head' || this.#buffered.length > this.options.limits.headBytes || chunk.includes(LF))
      this.#pump(this.#buffered, this.#buffered.length);
    // else a head that trickles in: it cannot be whole without a line feed, so it is not parsed again for each octet
  }

  #onBodyData(buf: Buffer, to: number): void {
    const end = this.reader.feed(buf, 0, to);
    if (end < 0) {
      this.#active?.onRequestBodyFailed(400, 'malformed chunked body');
      return;
    }
    const nowMs = readClockMs();
    if (!this.#patient) this.deadlineMs = nowMs + this.options.timeouts.bodyMs;
    this.#keep(buf, end, to);
    this.#noteBody();
    this.#active?.onRequestBody(buf, this.reader);
  }

  /** Goes on with what came of the body while it was held. */
  #letGo(): void {
    const buf = this.#buffered;
    this.#held = false;
    if (buf.length > 0) this.#onBodyData(buf, buf.length);
    if (this.#halfClosed && !this.reader.done && this.#active !== null) this.abortByClient();
  }

  /** What was received and is not taken yet. */
  #keep(buf: Buffer, from: number, to: number): void {
    if (from === to) this.#buffered = EMPTY;
    else if (this.#reads?.current === buf) this.#buffered = Buffer.from(buf.subarray(from, to));
    else this.#buffered = buf.subarray(from, to);
  }

  #noteBody(): void {
    if (!this.reader.done) return;
    this.#waiting = 'response';
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** Serves buf[0, to) and what is kept of it, request by request, for as long as each is answered at once and taken. */
  #pump(buf: Buffer, to: number): void {
    this.#pumping = true;
    let begun = this.#beginRequest(buf, to);
    while (begun && this.#active === null && this.#buffered.length > 0 && !this.#closed && this.#serves) {
      begun = this.#beginRequest(this.#buffered, this.#buffered.length);
    }
    this.#pumping = false;
  }

  /** False when there is no whole request head yet, or never will be. */
  #beginRequest(buf: Buffer, to: number): boolean {
    if (this.#waiting === 'request') {
      this.#waiting = 'head';
      this.receivedAtMs = readClockMs();
      this.deadlineMs = this.receivedAtMs + this.options.timeouts.headMs;
    }
    const { headBytes, fields } = this.options.limits;
    const end = parseRequestHead(head, buf, 0, to, fields);
    if (end === INCOMPLETE ? to > headBytes : end > headBytes) {
      this.#refuseTooLarge(buf.subarray(0, to));
      return false;
    }
    if (end === INCOMPLETE) {
      this.#keep(buf, 0, to);
      return false;
    }
    if (end < 0) {
      this.#refuseFor(end);
      return false;
    }
    this.reader.reset(
      head.chunked ? 'chunked' : head.contentLength === NO_LENGTH ? 'none' : 'length',
      Math.max(head.contentLength, 0),
    );
    const bodyEnd = this.reader.feed(buf, end, to);
    if (bodyEnd < 0) {
      this.#refuse(400, 'malformed chunked body');
      return false;
    }
    this.#keep(buf, bodyEnd, to);
    this.#waiting = 'body';
    this.#held = false;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#noteBody();
    this.#handler.onRequest(this, head, buf);
    head.release();
    return true;
  }

  /** Whether a head too large is so because of its target decides between 414 and 431 (RFC 9112 §3, RFC 6585 §5). */
  #refuseTooLarge(buf: Buffer): void {
    const line = buf.indexOf('\r\n');
    const inTarget = line < 0 || line > this.options.limits.headBytes;
    this.#refuseFor(inTarget ? REFUSED.targetTooLong : REFUSED.headTooLarge);
  }

  #refuseFor(reason: number): void {
    const [status, detail] = REFUSALS.get(reason) ?? [400, 'malformed request'];
    this.#refuse(status, detail);
  }

  #refuse(status: number, detail: string): void {
    this.#buffered = EMPTY;
    this.#handler.onRefused(this, status, detail);
  }

  /** Half-closes, then reads and drops for a moment: closing with unread data would reset the answer away. */
  #linger(): void {
    this.#waiting = 'linger';
    this.#buffered = EMPTY;
    this.socket.end();
    this.#awaitFlush();
    if (this.#halfClosed) this.socket.destroySoon();
    else this.socket.resume();
  }

  /** The moment begins when all is written; until then a client that reads at all is waited for. */
  #awaitFlush(): void {
    this.#unsentBytes = this.socket.writableLength;
    this.socket.off('finish', this.#onFlushed);
    if (this.#unsentBytes > 0) this.socket.once('finish', this.#onFlushed);
    this.deadlineMs = readClockMs() + (this.#unsentBytes > 0 ? this.options.timeouts.bodyMs : LINGER_MS);
  }

  readonly #onFlushed = (): void => {
    this.deadlineMs = readClockMs() + LINGER_MS;
  };

  readonly #onEnd = (): void => {
    this.#halfClosed = true;
    if (this.#behind && this.#buffered.length > 0) return; // they are served first
    if (this.#waiting === 'linger' || (this.#active === null && this.#waiting !== 'head')) this.socket.destroySoon();
    else if (this.#active === null) this.close();
    else if (!this.reader.done && !(this.#held && this.#buffered.length > 0)) this.abortByClient();
    else if (this.reader.done) this.#active.onClientHalfClosed();
  };

  readonly #onDrain = (): void => {
    if (this.#waiting === 'response' || this.#patient) this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#active !== null) this.#active.onDownstreamDrain();
    else if (this.#behind) this.#caughtUp(readClockMs());
  };

  readonly #onClose = (): void => {
    this.#closed = true;
    this.#reads?.release();
    this.#deadlines.remove(this);
    const active = this.#active;
    this.#active = null;
    active?.onClientGone();
    this.#handler.onConnectionClosed(this);
  };
}

const REFUSALS: ReadonlyMap<number, readonly [number, string]> = new Map([
  [REFUSED.syntax, [400, 'malformed request']],
  [REFUSED.headTooLarge, [431, 'the request head is too large']],
  [REFUSED.targetTooLong, [414, 'the request target is too long']],
  [REFUSED.tooManyFields, [431, 'too many header fields']],
  [REFUSED.version, [505, 'this server speaks HTTP/1.1 here']],
  [REFUSED.host, [400, 'missing, repeated or invalid Host']],
  [REFUSED.framing, [400, 'ambiguous or invalid message framing']],
  [REFUSED.method, [405, 'CONNECT is not served']],
]);

function noop(): void {}
