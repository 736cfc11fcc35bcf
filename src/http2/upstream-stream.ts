import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { addAbortSignal } from 'node:stream';
import { BodyReader, type Framing } from '../http1/body-reader.ts';
import type { ByteWriter } from '../http1/byte-writer.ts';
import type { Deadlines, Timed } from '../http1/deadlines.ts';
import { Head, NO_LENGTH } from '../http1/head.ts';
import { parseRequestHead } from '../http1/request-parser.ts';
import type { SentRequest, UpstreamFailure, UpstreamHandler, UpstreamLink } from '../http1/upstream-link.ts';
import { isGrpcType, NO_GRPC, parseGrpcStatus } from '../traffic/grpc.ts';
import { requestFields } from './request-fields.ts';
import { readResponseFields, trailerLines } from './response-head.ts';
import type { UpstreamSession } from './upstream-session.ts';

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_REFUSED_STREAM } = constants;
/** The peer broke the protocol on this stream, in its opinion or in ours. */
const PROTOCOL_CODES: ReadonlySet<number> = new Set([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_STREAM_CLOSED,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_COMPRESSION_ERROR,
  constants.NGHTTP2_ENHANCE_YOUR_CALM,
]);
/** Interim responses of one request: flow control does not hold them back. */
const MAX_INTERIM = 100;
/** A target may work on behind its answer, for as long as this, and ends the stream when it is done. */
const END_MS = 60_000;

/** Parsed and used within one call. */
const requestHead = new Head(64);
const responseHead = new Head(64);
const EMPTY = Buffer.alloc(0);
const ABORTED = AbortSignal.abort();
const AS_IT_IS = { unsized: false, empty: false };

/**
 * One exchange on an HTTP/2 connection to a target, in the guise of one of HTTP/1.1. While it waits for its session it has
 * no stream; the stream itself is opened by `begin`. Trailers of requests are left out (RFC 9110 §6.5.1): Node.js aborts
 * the whole process when a stream that has some to send is destroyed within a read, such as by a GOAWAY.
 */
export class UpstreamStream implements UpstreamLink, Timed {
  deadlineMs = Number.POSITIVE_INFINITY;
  deadlineIndex = -1;
  readonly reused: boolean;
  answered = false;
  readonly mayRefuse = true;
  grpcStatus = NO_GRPC;
  /** Frames are made of what was written when there is room for them. */
  readonly isWriting = true;
  readonly sharesBuffer = false;

  readonly #deadlines: Deadlines;
  #session: UpstreamSession;
  #handler: UpstreamHandler | null;
  #place: 'waiting' | 'taken' | 'left' = 'waiting';
  #stream: ClientHttp2Stream | null = null;
  /** Tells data from framing in the request. */
  readonly #request = new BodyReader();
  /** Hands the response on: its runs are the data's. */
  readonly #response = new BodyReader();
  #isHead = false;
  /** Something waits until all of a read is known. */
  #readsBehind = false;
  #interim = 0;
  /** A final head was handed on. */
  #inBody = false;
  #isGrpc = false;
  /** `grpc-status` as it came last. */
  #grpcField: string | undefined;
  /** Octets of the response that are still to come; NO_LENGTH where it did not say. */
  #left = NO_LENGTH;
  /** The peer has ended the response: END_STREAM, and no reset that looks like it. */
  #ended = false;
  /** Of a response that was all there when its stream was lost: what the exchange has not taken yet. */
  #rest: Buffer | null = null;
  #trailers: readonly string[] | null = null;

  private constructor(session: UpstreamSession, handler: UpstreamHandler, deadlines: Deadlines, reused: boolean) {
    this.#session = session;
    this.#handler = handler;
    this.#deadlines = deadlines;
    this.reused = reused;
  }

  /** On a session that has room. */
  static onOpen(session: UpstreamSession, handler: UpstreamHandler, deadlines: Deadlines): UpstreamStream {
    const stream = new UpstreamStream(session, handler, deadlines, true);
    stream.#enter();
    return stream;
  }

  /** On a session that is still to open, by `deadlineMs`. */
  static waiting(
    session: UpstreamSession,
    handler: UpstreamHandler,
    deadlines: Deadlines,
    deadlineMs: number,
  ): UpstreamStream {
    const stream = new UpstreamStream(session, handler, deadlines, false);
    stream.deadlineMs = deadlineMs;
    deadlines.add(stream);
    session.waiting.add(stream);
    return stream;
  }

  // --- waiting for a session -----------------------------------------------------------------------------------------

  /** There was no room left on the one it waited for. */
  waitFor(session: UpstreamSession): void {
    this.#session.waiting.delete(this);
    this.#session = session;
    session.waiting.add(this);
  }

  /** Its session is open and has room. */
  onSession(): void {
    this.#stopWaiting();
    this.#enter();
    this.#handler?.onConnected();
  }

  onSessionFailed(failure: UpstreamFailure): void {
    this.#fail(failure);
  }

  onDeadline(): void {
    if (this.#stream !== null) {
      this.#cancel(this.#stream);
      return;
    }
    this.#session.isLate = true;
    this.#fail('connect_timeout');
  }

  #enter(): void {
    this.#place = 'taken';
    this.#session.enter();
  }

  #leave(): void {
    if (this.#place === 'taken') this.#session.leave();
    else if (this.#place === 'waiting') this.#withdraw();
    this.#place = 'left';
    this.#deadlines.remove(this);
  }

  /** A connection that nobody waits for any more is not needed. */
  #withdraw(): void {
    this.#stopWaiting();
    if (this.#session.isConnecting && this.#session.waiting.size === 0) this.#session.destroy();
  }

  #stopWaiting(): void {
    this.#deadlines.remove(this);
    this.#session.waiting.delete(this);
  }

  // --- the request up ------------------------------------------------------------------------------------------------

  begin(writer: ByteWriter, sent: SentRequest): boolean {
    return this.#sendHead(writer.take(), sent);
  }

  send(writer: ByteWriter): boolean {
    return this.write(writer.take());
  }

  #sendHead(bytes: Buffer, sent: SentRequest): boolean {
    this.#isHead = sent.isHead;
    const end = parseRequestHead(requestHead, bytes, 0, bytes.length, 0);
    if (end <= 0) {
      // Ours, and not the target's, if it can be at all: we have written it ourselves.
      process.nextTick(() => this.#fail('local'));
      return true;
    }
    const { chunked, contentLength } = requestHead;
    const request = this.#request;
    request.reset(framingOf(chunked, contentLength), Math.max(contentLength, 0));
    request.feed(bytes, end, bytes.length);
    const fields = requestFields(requestHead, this.#session.tls === null ? 'http' : 'https', sent.trailers);
    const endStream = request.done && request.runCount === 0;
    requestHead.release();
    const stream = this.#session.request(fields, endStream);
    this.#stream = stream;
    this.#listen(stream);
    return endStream || this.#writeBody(stream, bytes);
  }

  write(bytes: Buffer): boolean {
    const stream = this.#stream;
    if (stream === null || stream.closed) return true; // what becomes of it is told by 'close'
    this.#request.feed(bytes, 0, bytes.length);
    return this.#writeBody(stream, bytes);
  }

  #writeBody(stream: ClientHttp2Stream, bytes: Buffer): boolean {
    const { runs, runCount, done } = this.#request;
    for (let i = 0; i < runCount; i++) {
      stream.write(bytes.subarray(runs[2 * i] as number, runs[2 * i + 1] as number));
    }
    if (done) stream.end();
    return !stream.writableNeedDrain;
  }

  // --- the response down ---------------------------------------------------------------------------------------------

  #listen(stream: ClientHttp2Stream): void {
    this.#noteEnd(stream);
    stream.on('error', noop); // 'close' follows and says it all
    stream.on('headers', (_, __, fields: string[]) => this.#onInterim(fields));
    stream.on('response', (headers, flags, fields: string[]) =>
      this.#behindRead(() => this.#onResponse(stream, headers, flags, fields)),
    );
    stream.on('trailers', (headers, _, fields: string[]) => this.#onTrailers(headers, fields));
    stream.on('drain', () => this.#handler?.onUpstreamDrain());
    stream.on('close', () => {
      if (this.#readsBehind) this.#behindRead(() => this.#onClose(stream));
      else this.#onClose(stream);
    });
  }

  /** When all that came in the same read is known, so that a head and what came with it go on in one write. In order. */
  #behindRead(act: () => void): void {
    this.#readsBehind = true;
    setImmediate(() => {
      this.#readsBehind = false;
      act();
    });
  }

  /**
   * A reset without an error ends the readable side as END_STREAM does, and the difference is that between a whole
   * response and one that was cut. Only END_STREAM ends it while the stream is not closed.
   */
  #noteEnd(stream: ClientHttp2Stream): void {
    const push = stream.push;
    stream.push = (chunk, encoding) => {
      if (chunk === null && !stream.closed) this.#ended = true;
      return push.call(stream, chunk, encoding);
    };
  }

  #onInterim(fields: readonly string[]): void {
    if (this.#handler === null || this.#inBody) return;
    this.#hear();
    const isSound = readResponseFields(responseHead, fields, AS_IT_IS) && responseHead.status !== 101;
    if (!isSound || ++this.#interim > MAX_INTERIM) this.#fail('protocol');
    else this.#handler.onHead(responseHead);
  }

  #onResponse(stream: ClientHttp2Stream, headers: IncomingHttpHeaders, flags: number, fields: readonly string[]): void {
    const isCut = stream.destroyed && !this.#ended;
    if (this.#handler === null || this.#inBody || isCut) return;
    this.#hear();
    const status = Number(headers[':status']);
    const isBodyless = this.#isHead || status === 204 || status === 304;
    const isEmpty = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#isGrpc = status === 200 && isGrpcType(headers['content-type']);
    const change = { unsized: this.#isGrpc && !isEmpty, empty: isEmpty && !isBodyless };
    if (!readResponseFields(responseHead, fields, change)) {
      this.#fail('protocol');
      return;
    }
    this.#grpcField ??= single(headers['grpc-status']);
    if (this.#isGrpc && isEmpty) this.grpcStatus = parseGrpcStatus(this.#grpcField);
    if (!isBodyless) this.#left = responseHead.contentLength;
    this.#response.reset(isBodyless ? 'none' : 'close');
    this.#inBody = true;
    this.#handler.onHead(responseHead);
    if (isBodyless) this.#hand(EMPTY, true);
    else this.#begin(stream);
  }

  /** Hands on what came with the head, then goes on as data comes. */
  #begin(stream: ClientHttp2Stream): void {
    const first: Buffer | null = stream.read();
    const isEnd = this.#ended && stream.readableLength === 0;
    this.#hand(first ?? EMPTY, isEnd);
    if (this.#handler === null || isEnd) return;
    stream.on('end', () => this.#onEnd());
    stream.on('data', (chunk: Buffer) => this.#hand(chunk, false));
  }

  /**
   * A response is whole with the last octet of its Content-Length: the client, which counts, may go before the frame that
   * ends the stream is there.
   */
  #hand(data: Buffer, isEnd: boolean): void {
    if (this.#handler === null) return;
    this.#session.heard();
    if (this.#left !== NO_LENGTH) {
      this.#left -= data.length;
      if (this.#left < 0 || (isEnd && this.#left > 0)) {
        this.#fail('truncated');
        return;
      }
    }
    const reader = this.#response;
    reader.feed(data, 0, data.length);
    if (isEnd || this.#left === 0) this.#complete(reader);
    this.#handler.onBody(data, reader);
  }

  #complete(reader: BodyReader): void {
    reader.done = true;
    if (this.#trailers !== null) reader.trailer = trailerLines(this.#trailers);
    if (this.#isGrpc) this.grpcStatus = parseGrpcStatus(this.#grpcField);
  }

  #onTrailers(headers: IncomingHttpHeaders, fields: readonly string[]): void {
    this.#trailers = fields;
    this.#grpcField = single(headers['grpc-status']) ?? this.#grpcField;
  }

  #onEnd(): void {
    if (this.#ended) this.#hand(EMPTY, true); // else it was cut, and 'close' follows
  }

  #hear(): void {
    this.answered = true;
    this.#session.heard();
  }

  /** Nothing: what Node.js reads is not read over. */
  lend(): void {}

  /** Before the body there is nothing that could be held back. */
  pause(): void {
    if (this.#inBody) this.#stream?.pause();
  }

  resume(): void {
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) this.#hand(rest, true);
    else if (this.#inBody) this.#stream?.resume();
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  release(reusable: boolean): void {
    this.#handler = null;
    const stream = this.#stream;
    if (stream === null) this.#leave();
    else if (!reusable || !this.#isSent(stream)) this.#cancel(stream);
    else if (!this.#ended) this.#awaitEnd(stream); // else it closes by itself
  }

  /** What comes until then is dropped. */
  #awaitEnd(stream: ClientHttp2Stream): void {
    stream.resume();
    this.deadlineMs = performance.now() + END_MS;
    this.#deadlines.add(this);
  }

  destroy(): void {
    this.#handler = null;
    this.#rest = null; // Node.js keeps the stream for a while, and by its listeners all that this has
    const stream = this.#stream;
    if (stream === null) {
      this.#leave();
      return;
    }
    if (!this.answered) this.#session.suspect();
    this.#cancel(stream);
  }

  /** Its last frame is out: Node.js has finished writing when nghttp2 has it, which may be waiting for a window. */
  #isSent(stream: ClientHttp2Stream): boolean {
    return this.#request.framing === 'none' || stream.destroyed || stream.state.localClose === 1;
  }

  /**
   * By a reset with CANCEL, and nothing else: the stream's own `close` would end an unfinished request first, as if it
   * were whole.
   */
  #cancel(stream: ClientHttp2Stream): void {
    addAbortSignal(ABORTED, stream);
  }

  #onClose(stream: ClientHttp2Stream): void {
    const isWhole = this.#ended && this.#inBody;
    const failure = this.#handler === null || isWhole ? null : this.#failureOf(stream);
    this.#stream = null;
    if (failure !== null) {
      this.#fail(failure);
      return;
    }
    this.#leave();
    if (this.#handler !== null) this.#takeRest(stream);
  }

  /** All of the response was there when its stream was lost, with its session or by a reset. */
  #takeRest(stream: ClientHttp2Stream): void {
    this.#rest = stream.read(stream.readableLength) ?? EMPTY;
    if (!stream.isPaused()) this.resume();
  }

  #failureOf({ id, rstCode }: ClientHttp2Stream): UpstreamFailure {
    if (this.#inBody) return 'truncated';
    const isUnseen = id === undefined || id > this.#session.lastStreamId || rstCode === NGHTTP2_REFUSED_STREAM;
    if (isUnseen && !this.answered) return 'unprocessed';
    return PROTOCOL_CODES.has(rstCode) ? 'protocol' : 'reset';
  }

  #fail(failure: UpstreamFailure): void {
    const handler = this.#handler;
    this.destroy();
    handler?.onUpstreamFailure(failure);
  }
}

function framingOf(chunked: boolean, contentLength: number): Framing {
  if (chunked) return 'chunked';
  return contentLength === NO_LENGTH ? 'none' : 'length';
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function noop(): void {}
