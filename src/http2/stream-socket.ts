import { EventEmitter } from 'node:events';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { BodyReader } from '../http1/body-reader.ts';
import type { ClientSocket } from '../http1/client-socket.ts';
import { Head, NO_LENGTH } from '../http1/head.ts';
import { parseResponseHead } from '../http1/response-parser.ts';
import { giveSlot, takeSlot } from '../http1/slots.ts';
import {
  awaitDrain,
  awaitFinish,
  awaitTrailers,
  type CarriedStream,
  type Carrier,
  carry,
  letGo,
  readBody,
} from './carried-stream.ts';
import { trailerFields } from './request-fields.ts';
import { isMalformed, type Malformed, type RequestHead, trailerLines } from './request-head.ts';
import { fieldObject, responseFields } from './response-fields.ts';

/** Parsed and used within one call, so that all streams of a thread can share it. */
const head = new Head(32);

/** Statuses that end with their head, whatever the request (RFC 9110 §6.4.1); Node.js ends a 205 there, too. */
const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Interim responses of one request. Flow control does not hold them back, and Node.js keeps each of them as long as the
 * stream: those beyond are left out.
 */
const MAX_INTERIM = 100;

/** What became of a stream when it is closed. `reset`: it ended before its answer did, and not by our doing. */
export type StreamEnd = 'answered' | 'cut' | 'reset';

export interface StreamSocketOptions {
  readonly remoteAddress: string;
  /** Its stream is closed. True: it is kept, to carry another; else it closes, too. */
  readonly onEnd: (socket: StreamSocket, end: StreamEnd) => boolean;
  /** Who listens has closed it while it was kept. */
  readonly onLeft: (socket: StreamSocket) => void;
}

/** Serves what a {@link StreamSocket} carries, and listens to it. */
export interface StreamServer {
  /** It is through with the last request and takes another. */
  readonly idle: boolean;
  /** Answers a request that is none. */
  refuse(malformed: Malformed): void;
}

/**
 * A request of HTTP/2 as the connection of HTTP/1.1 that would carry it: what is read of it is the request in HTTP/1.1
 * octets, and the octets of the response that are written to it go out as frames. So whoever serves connections serves
 * streams, too. It never half-closes: a client that has sent its request waits for the answer. As such a connection is
 * kept alive, it may carry one stream after another.
 */
export class StreamSocket extends EventEmitter implements ClientSocket, Carrier {
  readonly remoteAddress: string;
  readonly copies = true;
  /** Who serves it; set before it carries anything. */
  server: StreamServer | null = null;
  readonly #options: StreamSocketOptions;
  /** Null while it is kept, and behind its end. */
  #stream: CarriedStream | null = null;
  #over = false;
  #isHead = false;

  #hasBody = false;
  #chunked = false;
  /** Octets of the request's body that may still come. */
  #left = Number.POSITIVE_INFINITY;
  #trailers = '';
  #received = false;

  readonly #reader = new BodyReader();
  #writing: 'head' | 'body' | 'done' = 'head';
  #interim = 0;
  /** Behind all that was written, the stream is still to be ended, perhaps by trailers. */
  #trailersDue = false;
  /** The client is told to stop sending then. */
  #stops = false;
  /** What nghttp2 has not taken, in memory that is used again: what is new for each would be most of a body's cost. */
  readonly #unwritten: Buffer[] = [];
  /** It ends with an error behind them. */
  #breaksOff = false;
  #closedByUs = false;
  /** There are listeners at the stream for these, which few streams need. */
  #awaitsDrain = false;
  #awaitsFinish = false;

  constructor(options: StreamSocketOptions) {
    super();
    this.remoteAddress = options.remoteAddress;
    this.#options = options;
  }

  /** Takes a stream while it has none. `isHead`: the request is HEAD. */
  carry(stream: ServerHttp2Stream, isHead: boolean): void {
    this.#stream = carry(stream, this);
    this.#isHead = isHead;
    this.#hasBody = false;
    this.#received = false;
    this.#left = Number.POSITIVE_INFINITY;
    this.#trailers = '';
    this.#writing = 'head';
    this.#interim = 0;
    this.#trailersDue = false;
    this.#stops = false;
    this.#closedByUs = false;
    this.#awaitsDrain = false;
    this.#awaitsFinish = false;
  }

  /** Hands the request over to who listens. */
  receive({ text, body, length }: RequestHead): void {
    const stream = this.#stream;
    this.#hasBody = body !== 'none';
    this.#chunked = body === 'chunked';
    this.#received = body === 'none';
    if (body === 'length') this.#left = length;
    this.emit('data', Buffer.from(text, 'latin1'));
    if (stream === null || stream !== this.#stream || !this.#hasBody) return;
    readBody(stream);
  }

  /** Nothing of what it carried can still be heard of. */
  get settled(): boolean {
    return this.#stream === null && this.#unwritten.length === 0;
  }

  // --- the request, as the connection reads it -----------------------------------------------------------------------

  pause(): void {
    if (this.#hasBody) this.#stream?.pause();
  }

  resume(): void {
    if (this.#hasBody) this.#stream?.resume();
  }

  onStreamData(chunk: Buffer): void {
    this.#left -= chunk.length;
    // nghttp2 sees to that, too; but here it would be the head of another request.
    if (this.#left < 0) this.#fail();
    else if (chunk.length > 0) this.emit('data', this.#chunked ? asChunk(chunk) : chunk);
  }

  onStreamTrailers(fields: readonly string[]): void {
    const lines = trailerLines(fields);
    if (isMalformed(lines)) this.#fail();
    else this.#trailers = lines;
  }

  onStreamEnd(): void {
    if (this.#live === null) return; // a reset ends it, too
    this.#received = true;
    if (this.#chunked) this.emit('data', Buffer.from(`0\r\n${this.#trailers}\r\n`, 'latin1'));
    else if (this.#left > 0) this.#fail();
  }

  // --- the response, as the connection writes it ---------------------------------------------------------------------

  get writableLength(): number {
    return this.#stream?.writableLength ?? 0;
  }

  get writableNeedDrain(): boolean {
    return this.#stream?.writableNeedDrain ?? false;
  }

  /** Octets of HTTP/1.1: any number of interim heads, then a final one and its body. A head comes whole. */
  write(bytes: Buffer): boolean {
    let at = 0;
    for (;;) {
      const stream = this.#live;
      if (stream === null) return true;
      if (at === bytes.length || this.#writing === 'done') return this.#canTakeMore(stream);
      at = this.#writing === 'head' ? this.#writeHead(stream, bytes, at) : this.#writeBody(stream, bytes, at);
    }
  }

  #canTakeMore(stream: CarriedStream): boolean {
    if (!stream.writableNeedDrain) return true;
    if (!this.#awaitsDrain) awaitDrain(stream);
    this.#awaitsDrain = true;
    return false;
  }

  onStreamDrain(): void {
    this.emit('drain');
  }

  /** The stream, unless it has ended. */
  get #live(): CarriedStream | null {
    const stream = this.#stream;
    return stream === null || stream.destroyed || stream.closed ? null : stream;
  }

  /** Returns the offset behind what was taken. */
  #writeHead(stream: CarriedStream, bytes: Buffer, at: number): number {
    const end = parseResponseHead(head, bytes, at, bytes.length);
    if (end <= 0) return this.#giveUp(bytes);
    if (head.status < 200) {
      if (++this.#interim <= MAX_INTERIM) stream.additionalHeaders({ ':status': head.status, ...fieldObject(head) });
      return end;
    }
    return this.#respond(stream, bytes, end);
  }

  #respond(stream: CarriedStream, bytes: Buffer, at: number): number {
    const reader = this.#reader;
    const bodyless = BODYLESS.has(head.status) || this.#isHead;
    const sized = head.contentLength !== NO_LENGTH;
    reader.reset(bodyless || !(sized || head.chunked) ? 'none' : sized ? 'length' : 'chunked', head.contentLength);
    const fields = responseFields(head, head.status !== 205);
    const end = reader.feed(bytes, at, bytes.length);
    if (end < 0) return this.#giveUp(bytes);
    const hasTrailers = reader.trailer.length > 0;
    const endStream = reader.done && reader.runCount === 0 && !hasTrailers;
    const waitForTrailers = reader.framing === 'chunked' && (!reader.done || hasTrailers);
    this.#writing = endStream ? 'done' : 'body';
    try {
      stream.respond(fields, { endStream, waitForTrailers });
    } catch {
      return this.#giveUp(bytes); // a field that Node.js does not let out
    }
    if (waitForTrailers) awaitTrailers(stream);
    this.#trailersDue = waitForTrailers;
    if (!endStream) this.#writeRuns(stream, bytes);
    return end;
  }

  #writeBody(stream: CarriedStream, bytes: Buffer, at: number): number {
    const end = this.#reader.feed(bytes, at, bytes.length);
    if (end < 0) return this.#giveUp(bytes);
    this.#writeRuns(stream, bytes);
    return end;
  }

  /** Where they are the last, the stream ends in the same tick, so that their frame says so. */
  #writeRuns(stream: CarriedStream, bytes: Buffer): void {
    const { runs, runCount, done } = this.#reader;
    const length = this.#reader.runBytes();
    if (length > 0) {
      const slot = takeSlot(length);
      let at = 0;
      for (let i = 0; i < runCount; i++) at += bytes.copy(slot, at, runs[2 * i] as number, runs[2 * i + 1] as number); // there are runCount of them
      this.#unwritten.push(slot);
      stream.write(slot.subarray(0, length), this.#onWritten);
    }
    if (!done) return;
    this.#writing = 'done';
    stream.end();
  }

  onWantTrailers(): void {
    const stream = this.#live;
    if (stream === null) return;
    const { trailer } = this.#reader;
    this.#trailersDue = false;
    stream.sendTrailers(trailer.length === 0 ? {} : trailerFields(trailer));
    if (this.#stops) setImmediate(stop, stream); // they go in an immediate, too
  }

  /** For a response that cannot be told in HTTP/2. */
  #giveUp(bytes: Buffer): number {
    this.#fail();
    return bytes.length;
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  /** Nothing follows. A client that still sends its request is told to stop (RFC 9113 §8.1). */
  end(): void {
    if (this.#writing !== 'done') {
      this.#fail();
      return;
    }
    this.#awaitFinish();
    if (this.#received || this.#stream === null) return;
    if (this.#trailersDue) this.#stops = true;
    else stop(this.#stream);
  }

  /** Ends behind what was written. An answer that is not whole ends with an error, never as if it were. */
  destroySoon(): void {
    this.#awaitFinish();
    if (this.#writing === 'done' || this.#live === null) return;
    this.#breaksOff = true;
    if (this.#unwritten.length === 0) this.#fail();
  }

  /** Writes are done in their order. Those of a stream that fails may still be read from: their memory is left alone. */
  readonly #onWritten = (error?: Error | null): void => {
    const slot = this.#unwritten.shift();
    const isFree = (error === undefined || error === null) && this.#stream?.destroyed === false;
    if (slot !== undefined && isFree) giveSlot(slot);
    if (this.#breaksOff && this.#unwritten.length === 0 && this.#live !== null) this.#fail();
  };

  #awaitFinish(): void {
    if (!this.#awaitsFinish && this.#stream !== null) awaitFinish(this.#stream);
    this.#awaitsFinish = true;
  }

  onStreamFinish(): void {
    this.emit('finish');
  }

  /** Without an error if only the client's end is missing: it has the whole answer, and must not drop it (RFC 9113 §8.1). */
  destroy(): void {
    const isOut = this.#writing === 'done' && !this.#trailersDue && this.#stream?.writableFinished === true;
    if (!isOut) {
      this.#fail();
      return;
    }
    this.#closedByUs = true;
    this.#stream?.destroy();
  }

  resetAndDestroy(): void {
    this.#fail();
  }

  /**
   * With a reset (INTERNAL_ERROR), and at once. The stream's own `close` would end an unfinished answer first, as if it
   * were whole.
   */
  #fail(): void {
    this.#closedByUs = true;
    if (this.#stream !== null) this.#stream.destroy(new Error('the exchange failed'));
    else if (!this.#over) {
      this.#options.onLeft(this);
      this.#leave();
    }
  }

  onStreamClosed(): void {
    const stream = this.#stream;
    if (stream === null) return;
    letGo(stream);
    this.#stream = null;
    // Where the client has reset it with octets unread, it would wait for them to be read. Not destroyed: in 'aborted' its
    // own reset is still to come, and without that nghttp2 asks a stream that is gone for data, for ever.
    stream.resume();
    const end = this.#writing === 'done' ? 'answered' : this.#closedByUs ? 'cut' : 'reset';
    if (!this.#options.onEnd(this, end)) this.#leave();
  }

  #leave(): void {
    this.#over = true;
    this.emit('close');
  }
}

/** What the client still sends is not wanted. */
function stop(stream: CarriedStream): void {
  stream.close(constants.NGHTTP2_NO_ERROR);
}

function asChunk(data: Buffer): Buffer {
  const size = `${data.length.toString(16)}\r\n`;
  const chunk = Buffer.allocUnsafe(size.length + data.length + 2);
  chunk.latin1Write(size, 0, size.length);
  data.copy(chunk, size.length);
  chunk[chunk.length - 2] = 0x0d;
  chunk[chunk.length - 1] = 0x0a;
  return chunk;
}
