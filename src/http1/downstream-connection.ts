import { Socket } from 'node:net';
import { readClockMs, recentClockMs } from '../platform/clock.ts';
import { BodyReader } from './body-reader.ts';
import type { ByteWriter, MemoryUse } from './byte-writer.ts';
import type { ClientSocket } from './client-socket.ts';
import type { Deadlines, Timed } from './deadlines.ts';
import type { Head } from './head.ts';
import { ReadBuffer } from './read-buffer.ts';
import { readInto } from './read-into.ts';
import type { Refusal } from './refusals.ts';
import type { ActiveRequest, RequestHandler } from './request-handler.ts';
import { type IntakeHandler, RequestIntake } from './request-intake.ts';
import { Tap } from './tap.ts';

/** The part of a listener's options that a connection obeys. */
export interface DownstreamOptions {
  readonly timeouts: { readonly headMs: number; readonly bodyMs: number; readonly keepAliveMs: number };
  readonly limits: { readonly headBytes: number; readonly fields: number };
}

/** What the connection waits for. `linger`: for nothing more; see LINGER_MS. */
type Waiting = 'request' | 'head' | 'body' | 'response' | 'linger';

/** After the last answer, what the client still sends is read and dropped this long, so that a reset cannot erase it. */
const LINGER_MS = 2000;

/** How often a client that is behind with reading is looked at. */
const LOOK_MS = 200;

/** Up to here a copy costs less than a second write to a TCP socket. */
const COPY_LIMIT = 32 * 1024;

/**
 * Over TLS no write is done when the call returns, and what comes meanwhile must be kept in memory of its own. So for as
 * long as a write of this size goes on, no more is taken.
 */
const BULK_BYTES = 16 * 1024;

/**
 * One HTTP/1 connection from a client: what it waits for and for how long, one request at a time. What comes is cut into
 * requests by its intake.
 */
export class DownstreamConnection implements Timed, IntakeHandler {
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
  readonly #memoryUse: MemoryUse;
  /** Octets waited when `write` was called last. */
  #waited = false;
  readonly #intake: RequestIntake;
  #active: ActiveRequest | null = null;
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
  /** The client has said that no request follows the one in progress. */
  #isLast = false;
  #closed = false;
  /** Set by `detach`. */
  #tap: Tap | null = null;

  constructor(socket: ClientSocket, options: DownstreamOptions, handler: RequestHandler, deadlines: Deadlines) {
    this.socket = socket;
    this.carrier = socket;
    this.options = options;
    this.remoteAddress = socket.remoteAddress ?? '';
    this.#handler = handler;
    this.#deadlines = deadlines;
    this.deadlineMs = readClockMs() + options.timeouts.headMs;
    deadlines.add(this);
    socket.on('error', destroy); // 'close' follows and says it all
    socket.on('close', this.#onClose);
    socket.on('end', this.#onEnd);
    socket.on('drain', this.#onDrain);
    this.#reads = socket instanceof Socket ? this.#readInto(socket) : null;
    this.#memoryUse = memoryUseOf(socket, this.#reads !== null);
    if (this.#reads === null) socket.on('data', this.#onData);
    this.#intake = new RequestIntake(this, { reader: this.reader, limits: options.limits, reads: this.#reads });
  }

  /** Null where the socket cannot. */
  #readInto(socket: Socket): ReadBuffer | null {
    const reads = new ReadBuffer(false);
    const isInto = readInto(socket, reads.current, {
      take: (length) => this.#onRead(reads, length),
      next: () => reads.next(this.reader.done),
    });
    return isInto ? reads : null;
  }

  /** No request is in progress and none has begun to arrive. */
  get idle(): boolean {
    return this.#active === null && this.#intake.empty && this.#waiting === 'request' && !this.#isSending;
  }

  /** The client has closed its sending side, and no request waits behind the one in progress. */
  get endsHere(): boolean {
    return this.#halfClosed && this.#intake.empty;
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
    if (!this.#isSending) this.#caughtUp(nowMs);
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

  get busy(): boolean {
    return this.#active !== null;
  }

  get serves(): boolean {
    return this.#waiting !== 'linger' && !this.#behind && !this.#closed;
  }

  /** False when the octets are queued: wait for `onDownstreamDrain`. */
  write(bytes: Buffer): boolean {
    this.#waited = this.#isSending;
    const isBulk = this.#isBulk(bytes.length);
    const flushed = this.socket.write(bytes, isBulk ? this.#onBulkWritten : undefined);
    return flushed && !isBulk;
  }

  /** As `write`, of what `writer` holds. */
  send(writer: ByteWriter): boolean {
    const isBulk = this.#isBulk(writer.length);
    const flushed = writer.sendTo(this.socket, this.#memoryUse, isBulk ? this.#onBulkWritten : undefined);
    return flushed && !isBulk;
  }

  /** A head and a body part up to so many octets are better copied into one write. */
  get joinedBytes(): number {
    return this.#memoryUse === 'encrypted' ? Number.POSITIVE_INFINITY : COPY_LIMIT;
  }

  /** What was last given to `onRequestBody` lies where other connections will read to: it must be copied to be kept. */
  get sharesBuffer(): boolean {
    return this.#reads?.isShared === true;
  }

  /** A part of what was last given to `onRequestBody` is still needed, by a write that could not finish at once. */
  lend(): void {
    this.#reads?.lend();
  }

  /** What is written is copied. */
  get copies(): boolean {
    return this.#memoryUse === 'copied';
  }

  /** The memory that was last given to `write` is still in use. */
  get isWriting(): boolean {
    if (this.copies) return false;
    return this.#memoryUse === 'encrypted' ? this.#waited : this.#isSending;
  }

  #isBulk(length: number): boolean {
    return length >= BULK_BYTES && this.#memoryUse === 'encrypted';
  }

  /** Octets were written that the kernel has not taken. */
  get #isSending(): boolean {
    return this.socket.writableLength > 0;
  }

  /** The request's target takes no more for now. */
  pauseBody(): void {
    if (!this.reader.done) this.socket.pause();
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** There is no target yet. A little more is read meanwhile, so that it is seen when the client leaves. */
  holdBody(): void {
    this.#intake.hold();
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  resumeBody(): void {
    this.socket.resume();
    if (this.reader.done) return;
    if (!this.#patient) this.deadlineMs = readClockMs() + this.options.timeouts.bodyMs;
    this.#intake.letGo();
    if (!this.#halfClosed || this.#active === null) return;
    if (this.reader.done) this.#active.onClientHalfClosed();
    else this.abortByClient();
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
      if (this.#isLast && this.reader.done && this.#intake.empty) this.#leave();
      else this.#linger();
      return;
    }
    this.#waiting = 'request';
    this.#unsentBytes = 0;
    if (this.#isSending) this.#awaitTail(recentClockMs());
    else this.deadlineMs = recentClockMs() + this.options.timeouts.keepAliveMs;
    if (this.#behind) this.socket.pause();
    else this.#goOn();
  }

  /** With the requests that came behind the last one, and with reading. */
  #goOn(): void {
    const isThrough = this.#intake.goOn();
    if (this.#active !== null || !this.serves) return;
    if (this.#halfClosed && isThrough) this.#endUnbegun();
    else this.socket.resume();
  }

  /** Nothing more comes, and no request is in progress. */
  #endUnbegun(): void {
    if (this.#waiting === 'head') this.close();
    else this.socket.destroySoon();
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

  /**
   * Takes the socket away for a tunnel. `rest`: what the client sent behind the request head. `tap`: null where the socket
   * brings what it reads in buffers of its own.
   */
  detach(): { socket: ClientSocket; rest: Buffer; tap: Tap | null } {
    const { socket } = this;
    socket.off('error', destroy);
    socket.off('close', this.#onClose);
    socket.off('data', this.#onData); // where reads are ours, they are pushed from now on
    socket.off('end', this.#onEnd);
    socket.off('drain', this.#onDrain);
    const rest = this.#intake.takeRest();
    this.#active = null;
    this.#closed = true;
    this.#tap = socket instanceof Socket && this.#reads !== null ? new Tap(socket) : null;
    this.#deadlines.remove(this);
    return { socket, rest, tap: this.#tap };
  }

  onDeadline(nowMs: number): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    switch (this.#waiting) {
      case 'head':
        this.onHeadRefused([408, 'the request head did not arrive in time']);
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

  #onRead(reads: ReadBuffer, length: number): boolean {
    const { current } = reads;
    reads.note(length);
    if (this.#tap !== null) return this.#tap.take(current, length);
    this.#receive(current, length);
    return true; // back-pressure is by `pauseBody`
  }

  readonly #onData = (chunk: Buffer): void => this.#receive(chunk, chunk.length);

  #receive(buf: Buffer, to: number): void {
    if (this.#waiting !== 'linger') this.#intake.receive(buf, to);
  }

  onHeadBegun(): void {
    if (this.#waiting !== 'request') return;
    this.#waiting = 'head';
    this.receivedAtMs = readClockMs();
    this.deadlineMs = this.receivedAtMs + this.options.timeouts.headMs;
  }

  onHead(head: Head, buf: Buffer): void {
    this.#waiting = 'body';
    this.#isLast = head.close;
    this.#patient = false;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#noteBody();
    this.#handler.onRequest(this, head, buf);
  }

  onBody(buf: Buffer): void {
    const nowMs = readClockMs();
    if (!this.#patient) this.deadlineMs = nowMs + this.options.timeouts.bodyMs;
    this.#noteBody();
    this.#active?.onRequestBody(buf, this.reader);
  }

  #noteBody(): void {
    if (!this.reader.done) return;
    this.#waiting = 'response';
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  onBodyMalformed([status, detail]: Refusal): void {
    this.#active?.onRequestBodyFailed(status, detail);
  }

  onHeadRefused([status, detail]: Refusal): void {
    this.#intake.takeRest();
    this.#handler.onRefused(this, status, detail);
  }

  onFull(): void {
    this.socket.pause();
  }

  /**
   * At once: who has said that a request is its last sends nothing behind it (RFC 9112 §9.6) that would reset the answer
   * away. To wait for its end costs a third of a request that brings its own connection.
   */
  #leave(): void {
    if (this.#memoryUse === 'written' && !this.#isSending) this.socket.destroy();
    else this.cut();
  }

  /** Half-closes, then reads and drops for a moment: closing with unread data would reset the answer away. */
  #linger(): void {
    this.#waiting = 'linger';
    this.#intake.takeRest();
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
    if (this.#behind && !this.#intake.empty) return; // they are served first
    if (this.#active === null) this.#endUnbegun();
    else if (!this.reader.done && !this.#intake.holds) this.abortByClient();
    else if (this.reader.done) this.#active.onClientHalfClosed();
  };

  readonly #onDrain = (): void => {
    if (this.#waiting === 'response' || this.#patient) this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#active !== null) this.#active.onDownstreamDrain();
    else if (this.#behind) this.#caughtUp(readClockMs());
  };

  readonly #onBulkWritten = (): void => {
    if (!this.#isSending) this.#onDrain();
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

function memoryUseOf(socket: ClientSocket, readsInto: boolean): MemoryUse {
  if (socket.copies === true) return 'copied';
  if (!readsInto) return 'told';
  return 'encrypted' in socket ? 'encrypted' : 'written';
}

/** Node.js does so by itself, but for what is wrong in TLS after the handshake. */
function destroy(this: ClientSocket): void {
  this.destroy();
}
