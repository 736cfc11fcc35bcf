import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Deadlines, Timed } from '../http1/deadlines.ts';
import { Allowance } from './allowance.ts';
import { isMalformed, requestHead } from './request-head.ts';
import { type StreamEnd, type StreamServer, StreamSocket } from './stream-socket.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM } = constants;
const NEVER = Number.POSITIVE_INFINITY;

/** The part of a listener's options that a session obeys. */
export interface SessionOptions {
  readonly timeouts: { readonly headMs: number; readonly keepAliveMs: number };
  readonly limits: {
    readonly headBytes: number;
    readonly fields: number;
    /** Requests at once on one connection. */
    readonly streams: number;
  };
}

export interface SessionHandler {
  /** Listens to a socket that is about to carry requests. */
  serve(socket: StreamSocket): StreamServer;
  onClosed(): void;
}

export interface SessionSurroundings {
  /** Address of the client. */
  readonly client: string;
  readonly options: SessionOptions;
  readonly handler: SessionHandler;
  readonly deadlines: Deadlines;
}

/** What HPACK counts for a field besides its octets (RFC 9113 §6.5.2). */
const FIELD_OVERHEAD = 32;
/** Octets of a response's head, by an estimate on the safe side; what it may have at most is told by who parses it. */
const MAX_SENT_HEAD = 1024 * 1024;
/** Memory that Node.js lets a session use, in MB, before it refuses streams. */
const SESSION_MEMORY_MB = 16;
/** A session that is asked to go gets this long to say goodbye. */
const CLOSING_MS = 2000;
/**
 * Streams that the client ends before they are answered (CVE-2023-44487), be it by a reset or by a fault that has us
 * reset them (CVE-2025-8671). Each request that is answered gives one back: who mostly waits for answers may cancel.
 */
const RESETS = { most: 200, perSecond: 10 } as const;
/** Pings and settings; each request gives one back. */
const CONTROL_FRAMES = { most: 1000, perSecond: 50 } as const;
/** Sockets kept for the next streams of a session, with what serves them, until they were idle for the keep-alive time. */
const MAX_SPARE = 16;
/** GOAWAY on stream 0 with the highest stream id and NO_ERROR: "no new requests, please" (RFC 9113 §6.8). */
const SHUTDOWN_NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/** One HTTP/2 connection from a client: its requests come out as sockets of HTTP/1.1. */
export class ServerSession implements Timed {
  deadlineMs: number;
  deadlineIndex = -1;
  readonly #socket: Socket;
  readonly #secure: boolean;
  readonly #client: string;
  readonly #session: ServerHttp2Session;
  readonly #options: SessionOptions;
  readonly #handler: SessionHandler;
  readonly #deadlines: Deadlines;
  readonly #resets = new Allowance(RESETS);
  readonly #controlFrames = new Allowance(CONTROL_FRAMES);
  /** Between two streams. */
  readonly #spare: StreamSocket[] = [];
  #streams = 0;
  /** Set by a shutdown, `performance.now()` time. */
  #tellAtMs = NEVER;
  #closeAtMs = NEVER;
  #told = false;

  /** `socket` is connected, and what is to be read of it begins with the preface. */
  constructor(socket: Socket, { client, options, handler, deadlines }: SessionSurroundings) {
    this.#socket = socket;
    this.#secure = socket instanceof TLSSocket;
    this.#client = client;
    this.#options = options;
    this.#handler = handler;
    this.#deadlines = deadlines;
    this.deadlineMs = performance.now() + options.timeouts.headMs;
    deadlines.add(this);
    socket.on('error', noop); // the session hears it, too
    socket.allowHalfOpen = false; // half a client can do nothing with a session
    // Before the listener of Node.js, which closes stream by stream while the writes of the others fail.
    socket.on('close', () => this.#session.destroy());
    this.#session = performServerHandshake(socket, sessionOptions(options));
    this.#session.on('error', noop); // 'close' follows and says it all
    this.#session.on('close', this.#onClose);
    this.#session.on('stream', this.#onStream);
    this.#session.on('remoteSettings', this.#onSettings);
    this.#session.on('ping', this.#onControlFrame);
  }

  /** Requests in progress. */
  get streams(): number {
    return this.#streams;
  }

  /** Takes no more requests; ends when those in progress have. */
  close(): void {
    if (this.#session.closed) return;
    this.#session.close();
    if (this.#streams === 0) this.deadlineMs = performance.now() + CLOSING_MS;
  }

  /** What is in progress ends with an error. */
  destroy(): void {
    this.#session.destroy(new Error('the session is over'));
    this.#socket.destroy();
  }

  /** At `tellAtMs` the client is asked to go, at `closeAtMs` no more requests are taken; the earlier of several counts. */
  dismiss({ tellAtMs, closeAtMs }: { readonly tellAtMs: number; readonly closeAtMs: number }): void {
    if (!this.#told) this.#tellAtMs = Math.min(tellAtMs, this.#tellAtMs);
    this.#closeAtMs = Math.min(closeAtMs, this.#closeAtMs);
  }

  sweep(nowMs: number): void {
    if (nowMs >= this.#closeAtMs) this.close();
    else if (nowMs >= this.#tellAtMs) {
      this.#tellAtMs = NEVER;
      this.#tell();
    }
  }

  /**
   * Node.js has a GOAWAY that refuses requests which cross it, and no other. Without TLS the notice is written past it:
   * its frames go out whole, so that ours fits between. Over TLS that would be two writes at once, which TLS of Node.js
   * takes for a fault of its own and ends the process; there the next request brings its client the GOAWAY before its
   * answer, so that one who asks one thing after another does not cross it.
   */
  #tell(): void {
    this.#told = true;
    if (!this.#secure && !this.#session.closed) this.#socket.write(SHUTDOWN_NOTICE);
  }

  /** Idle for too long, or gone without a goodbye. */
  onDeadline(nowMs: number): void {
    if (this.#session.closed) this.destroy();
    else {
      this.#session.close();
      this.deadlineMs = nowMs + CLOSING_MS;
    }
  }

  readonly #onStream = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    flags: number,
    fields: readonly string[],
  ): void => {
    if (stream.destroyed || stream.closed) {
      // Reset by what came with it, so that it never began; or the session has ended before it could.
      stream.on('error', noop);
      this.#onReset();
      return;
    }
    this.#streams++;
    this.deadlineMs = NEVER;
    this.#controlFrames.giveBack();
    const isHead = headers[':method'] === 'HEAD';
    const socket = this.#spare.pop() ?? this.#newSocket();
    socket.carry(stream, isHead);
    const head = requestHead(fields, (flags & NGHTTP2_FLAG_END_STREAM) !== 0);
    if (isMalformed(head)) socket.server?.refuse(head);
    else socket.receive(head);
    if (this.#told && this.#secure) this.close();
  };

  #newSocket(): StreamSocket {
    const socket = new StreamSocket({
      remoteAddress: this.#client,
      onEnd: this.#onStreamEnd,
      onLeft: this.#onSocketLeft,
    });
    socket.server = this.#handler.serve(socket);
    return socket;
  }

  readonly #onStreamEnd = (socket: StreamSocket, end: StreamEnd): boolean => {
    this.#streams--;
    if (this.#streams === 0) {
      const { keepAliveMs } = this.#options.timeouts;
      this.deadlineMs = performance.now() + (this.#session.closed ? CLOSING_MS : keepAliveMs);
    }
    if (end === 'answered') this.#resets.giveBack();
    else if (end === 'reset') this.#onReset();
    const isOver = this.#session.closed || this.#session.destroyed;
    const isKept = end === 'answered' && socket.settled && socket.server?.idle === true && !isOver;
    if (!isKept || this.#spare.length === MAX_SPARE) return false;
    this.#spare.push(socket);
    return true;
  };

  readonly #onSocketLeft = (socket: StreamSocket): void => {
    const index = this.#spare.indexOf(socket);
    if (index >= 0) this.#spare.splice(index, 1);
  };

  #onReset(): void {
    if (!this.#resets.take(performance.now())) this.#enough();
  }

  readonly #onSettings = (): void => {
    if (this.#streams === 0) this.deadlineMs = performance.now() + this.#options.timeouts.keepAliveMs;
    this.#onControlFrame();
  };

  readonly #onControlFrame = (): void => {
    if (!this.#controlFrames.take(performance.now())) this.#enough();
  };

  #enough(): void {
    if (!this.#session.destroyed) this.#session.destroy(new Error('too much of it'), NGHTTP2_ENHANCE_YOUR_CALM);
  }

  readonly #onClose = (): void => {
    this.#deadlines.remove(this);
    for (const socket of this.#spare.splice(0)) socket.destroy();
    this.#handler.onClosed();
  };
}

function sessionOptions({ limits }: SessionOptions): Parameters<typeof performServerHandshake>[1] {
  return {
    // Twice as many as are served: who sends a few too many hears so from the gate itself.
    maxHeaderListPairs: limits.fields * 2 + 8,
    maxSendHeaderBlockLength: MAX_SENT_HEAD,
    maxSessionMemory: SESSION_MEMORY_MB,
    strictSingleValueFields: false, // targets may repeat what they like
    settings: {
      maxConcurrentStreams: limits.streams,
      maxHeaderListSize: limits.headBytes + limits.fields * FIELD_OVERHEAD,
    },
  };
}

function noop(): void {}
