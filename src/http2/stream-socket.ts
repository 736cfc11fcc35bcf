import { EventEmitter } from 'node:events';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { BodyReader } from '../http1/body-reader.ts';
import type { ClientSocket } from '../http1/client-socket.ts';
import { Head, NO_LENGTH } from '../http1/head.ts';
import { parseResponseHead } from '../http1/response-parser.ts';
import { trailerFields } from './request-fields.ts';
import { isMalformed, type RequestHead, trailerLines } from './request-head.ts';
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
  /** The request is HEAD. */
  readonly isHead: boolean;
  readonly onEnd: (end: StreamEnd) => void;
}

/**
 * One request of HTTP/2 as the connection of HTTP/1.1 that would carry only it: what is read of it is the request in
 * HTTP/1.1 octets, and the octets of the response that are written to it go out as frames. So whoever serves
 * connections serves streams, too. It never half-closes: a client that has sent its request waits for the answer.
 */
export class StreamSocket extends EventEmitter implements ClientSocket {
  readonly remoteAddress: string;
  readonly #stream: ServerHttp2Stream;
  readonly #isHead: boolean;
  readonly #onEnd: (end: StreamEnd) => void;

  #hasBody = false;
  #chunked = false;
  /** Octets of the request's body that may still come. */
  #left = Number.POSITIVE_INFINITY;
  #trailers = '';
  #received = false;

  readonly #reader = new BodyReader();
  #writing: 'head' | 'body' | 'done' = 'head';
  #interim = 0;
  /** Writes that nghttp2 has not taken. */
  #unwritten = 0;
  /** It ends with an error behind them. */
  #breaksOff = false;
  #closedByUs = false;
  #over = false;

  constructor(stream: ServerHttp2Stream, { remoteAddress, isHead, onEnd }: StreamSocketOptions) {
    super();
    this.remoteAddress = remoteAddress;
    this.#isHead = isHead;
    this.#stream = stream;
    this.#onEnd = onEnd;
    stream.on('error', noop); // 'close' follows and says it all
    stream.on('aborted', this.#onClose);
    stream.on('close', this.#onClose);
    stream.on('drain', this.#onDrain);
    stream.on('finish', this.#onFinish);
  }

  /** Hands the request over to who listens. */
  receive({ text, body, length }: RequestHead): void {
    this.#hasBody = body !== 'none';
    this.#chunked = body === 'chunked';
    this.#received = body === 'none';
    if (body === 'length') this.#left = length;
    this.emit('data', Buffer.from(text, 'latin1'));
    if (this.#over || !this.#hasBody) return;
    const stream = this.#stream;
    stream.on('trailers', this.#onTrailers);
    stream.on('end', this.#onRequestEnd);
    stream.on('data', this.#onData);
  }

  // --- the request, as the connection reads it -----------------------------------------------------------------------

  pause(): void {
    if (this.#hasBody) this.#stream.pause();
  }

  resume(): void {
    if (this.#hasBody) this.#stream.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#over) return;
    this.#left -= chunk.length;
    // nghttp2 sees to that, too; but here it would be the head of another request.
    if (this.#left < 0) this.#fail();
    else if (chunk.length > 0) this.emit('data', this.#chunked ? asChunk(chunk) : chunk);
  };

  readonly #onTrailers = (_: unknown, __: unknown, fields: readonly string[]): void => {
    const lines = trailerLines(fields);
    if (isMalformed(lines)) this.#fail();
    else this.#trailers = lines;
  };

  readonly #onRequestEnd = (): void => {
    if (this.#over || this.#stream.aborted) return;
    this.#received = true;
    if (this.#chunked) this.emit('data', Buffer.from(`0\r\n${this.#trailers}\r\n`, 'latin1'));
    else if (this.#left > 0) this.#fail();
  };

  // --- the response, as the connection writes it ---------------------------------------------------------------------

  get writableLength(): number {
    return this.#over ? 0 : this.#stream.writableLength;
  }

  get writableNeedDrain(): boolean {
    return !this.#over && this.#stream.writableNeedDrain;
  }

  /** Octets of HTTP/1.1: any number of interim heads, then a final one and its body. A head comes whole. */
  write(bytes: Buffer): boolean {
    let at = 0;
    while (at < bytes.length && this.#writing !== 'done' && !this.#isGone) {
      at = this.#writing === 'head' ? this.#writeHead(bytes, at) : this.#writeBody(bytes, at);
    }
    return this.#isGone || !this.#stream.writableNeedDrain;
  }

  get #isGone(): boolean {
    return this.#over || this.#stream.destroyed || this.#stream.closed;
  }

  /** Returns the offset behind what was taken. */
  #writeHead(bytes: Buffer, at: number): number {
    const end = parseResponseHead(head, bytes, at, bytes.length);
    if (end <= 0) return this.#giveUp(bytes);
    if (head.status < 200) {
      if (++this.#interim <= MAX_INTERIM)
        this.#stream.additionalHeaders({ ':status': head.status, ...fieldObject(head) });
      return end;
    }
    return this.#respond(bytes, end);
  }

  #respond(bytes: Buffer, at: number): number {
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
      this.#stream.respond(fields, { endStream, waitForTrailers });
    } catch {
      return this.#giveUp(bytes); // a field that Node.js does not let out
    }
    if (waitForTrailers) this.#stream.once('wantTrailers', this.#sendTrailers);
    if (!endStream) this.#writeRuns(bytes);
    return end;
  }

  #writeBody(bytes: Buffer, at: number): number {
    const end = this.#reader.feed(bytes, at, bytes.length);
    if (end < 0) return this.#giveUp(bytes);
    this.#writeRuns(bytes);
    return end;
  }

  /** The last run ends the stream, so that its frame says so. */
  #writeRuns(bytes: Buffer): void {
    const { runs, runCount, done } = this.#reader;
    for (let i = 0; i < runCount; i++) {
      const run = bytes.subarray(runs[2 * i] as number, runs[2 * i + 1] as number); // there are runCount of them
      if (done && i === runCount - 1) this.#stream.end(run);
      else {
        this.#unwritten++;
        this.#stream.write(run, this.#onWritten);
      }
    }
    if (!done) return;
    this.#writing = 'done';
    if (runCount === 0) this.#stream.end();
  }

  readonly #sendTrailers = (): void => {
    if (this.#isGone) return;
    const { trailer } = this.#reader;
    this.#stream.sendTrailers(trailer.length === 0 ? {} : trailerFields(trailer));
  };

  /** For a response that cannot be told in HTTP/2. */
  #giveUp(bytes: Buffer): number {
    this.#fail();
    return bytes.length;
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  /** Nothing follows. A client that still sends its request is told to stop (RFC 9113 §8.1). */
  end(): void {
    if (this.#writing !== 'done') this.#fail();
    else if (!this.#received) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  /** Ends behind what was written. An answer that is not whole ends with an error, never as if it were. */
  destroySoon(): void {
    if (this.#writing === 'done' || this.#isGone) return;
    this.#breaksOff = true;
    if (this.#unwritten === 0) this.#fail();
  }

  readonly #onWritten = (): void => {
    this.#unwritten--;
    if (this.#breaksOff && this.#unwritten === 0 && !this.#isGone) this.#fail();
  };

  destroy(): void {
    this.#fail();
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
    this.#stream.destroy(new Error('the exchange failed'));
  }

  readonly #onDrain = (): void => {
    this.emit('drain');
  };

  readonly #onFinish = (): void => {
    this.emit('finish');
  };

  readonly #onClose = (): void => {
    if (this.#over) return;
    this.#over = true;
    // Where the client has reset it with octets unread, it would wait for them to be read. Not destroyed: in 'aborted' its
    // own reset is still to come, and without that nghttp2 asks a stream that is gone for data, for ever.
    this.#stream.resume();
    this.#onEnd(this.#writing === 'done' ? 'answered' : this.#closedByUs ? 'cut' : 'reset');
    this.emit('close');
  };
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

function noop(): void {}
