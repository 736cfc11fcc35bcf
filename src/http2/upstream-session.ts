import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { VANISHED_AFTER_MS } from '../http1/client-socket.ts';
import { type ConnectFailure, connectFailure, refusesClient } from '../http1/connect-failure.ts';
import type { Deadlines, Timed } from '../http1/deadlines.ts';
import type { UpstreamTls } from '../http1/upstream-tls.ts';
import { isLocalFault } from '../platform/local-fault.ts';
import type { UpstreamStream } from './upstream-stream.ts';

/** Where sessions come from. */
export interface SessionOwner {
  readonly host: string;
  readonly port: number;
  /** For new sessions; null: they are plain. */
  readonly tls: UpstreamTls | null;
  /** It can take requests from now on; those in `waiting` first. */
  onOpen(session: UpstreamSession): void;
  /** It never opened. What waited for it is in `waiting`. */
  onFailed(session: UpstreamSession, failure: ConnectFailure): void;
  /** Its last stream has ended. */
  onIdle(session: UpstreamSession): void;
  /** Its socket has closed, for whatever reason. Comes last. */
  onClosed(session: UpstreamSession): void;
}

/** Most streams at once on a session, if its peer allows so many; beyond, another session is opened. */
const MAX_STREAMS = 100;
/** Streams in the life of a session: their ids do not come back. */
const MAX_REQUESTS = 2 ** 29;
/** With requests under way, a peer that says nothing for this long is asked whether it is there. */
const QUIET_MS = 5_000;
/** A ping is answered, or something else comes, within this, or the peer is taken for dead. */
const PING_MS = 5_000;
/** After a goodbye, the peer has this long to close its side. */
const GOODBYE_MS = 2_000;

const OPTIONS = {
  // A repeated field would make `request` throw; whether it may be repeated is for the target to say.
  strictSingleValueFields: false,
  /** MiB; what it bounds is bounded by streams and windows already, and beyond it streams would fail. */
  maxSessionMemory: 256,
  maxHeaderListPairs: 1_000,
  /** Octets, by an estimate on the safe side: how large a head may be is for the listener and the target to say. */
  maxSendHeaderBlockLength: 8 * 1024 * 1024,
  settings: { enablePush: false, initialWindowSize: 256 * 1024, maxHeaderListSize: 64 * 1024 },
};
/** Octets on their way over all streams; a stream that is not read does not take them from the others. */
const SESSION_WINDOW = 16 * 1024 * 1024;

type State = 'connecting' | 'open' | 'leaving' | 'closed';

/**
 * One HTTP/2 connection to a target. It counts as open when the peer's SETTINGS are there, since until then nobody knows
 * how many streams it takes, or whether it speaks HTTP/2 at all.
 */
export class UpstreamSession implements Timed {
  deadlineMs = Number.POSITIVE_INFINITY;
  deadlineIndex = -1;
  /** What it was made with; null: it is plain. */
  readonly tls: UpstreamTls | null;
  /** Streams that begin when it opens. */
  readonly waiting = new Set<UpstreamStream>();
  /** One of those has waited in vain. It may open yet, for the others; whoever comes has a better chance elsewhere. */
  isLate = false;
  /** Of a GOAWAY: streams above it were never processed (RFC 9113 §6.8). */
  lastStreamId = Number.POSITIVE_INFINITY;

  readonly #owner: SessionOwner;
  readonly #deadlines: Deadlines;
  readonly #socket: Socket;
  /** The socket, once TLS is being agreed on. */
  #secure: TLSSocket | null = null;
  #http2: ClientHttp2Session | null = null;
  #state: State = 'connecting';
  #failure: Error | null = null;
  #streams = 0;
  #requests = 0;
  #limit = 0;
  #isPinging = false;
  /** Nothing but the answer to our last ping has come since. */
  #pinged = false;
  /** Something has come since the last look. */
  #heard = false;
  #saidGoodbye = false;

  constructor(owner: SessionOwner, deadlines: Deadlines) {
    this.#owner = owner;
    this.#deadlines = deadlines;
    this.tls = owner.tls;
    deadlines.add(this);
    this.#socket = this.tls === null ? this.#connectPlain() : this.#connectSecure(this.tls);
    this.#socket.on('error', (error) => this.#onError(error));
    this.#socket.on('close', () => this.#onClose());
  }

  get isConnecting(): boolean {
    return this.#state === 'connecting';
  }

  /** False as well once Node.js has given it up by itself, though its socket is still to close. */
  get hasRoom(): boolean {
    const http2 = this.#http2;
    if (http2 === null || http2.closed || http2.destroyed) return false;
    return this.#state === 'open' && this.#streams < this.#limit;
  }

  /** Most streams at once; 0: the peer wants none for now. */
  get limit(): number {
    return this.#limit;
  }

  get isIdle(): boolean {
    return this.#state === 'open' && this.#streams === 0 && this.waiting.size === 0 && !this.#isPinging;
  }

  /** One place less, until `leave`. */
  enter(): void {
    if (this.#streams++ === 0 && !this.#isPinging) this.#watch();
  }

  leave(): void {
    if (--this.#streams === 0) this.#onIdle();
  }

  /** A stream for one of those that entered; it ends with 'close' even where none could be opened. */
  request(fields: readonly string[], endStream: boolean): ClientHttp2Stream {
    if (this.#http2 === null) throw new Error('a request before the session was open');
    if (++this.#requests >= MAX_REQUESTS) this.#state = 'leaving';
    return this.#http2.request(fields, { endStream });
  }

  /** Something came that was not asked for by a ping. */
  heard(): void {
    this.#heard = true;
    this.#pinged = false;
  }

  #watch(): void {
    this.#heard = false;
    this.deadlineMs = performance.now() + QUIET_MS;
  }

  /**
   * Is the peer there at all? Asked once until something else comes, because gRPC servers take more pings for an attack,
   * and not again before that was answered. It also finds the sessions that nghttp2 has given up for what the peer sent:
   * they read nothing any more, not even that the peer has closed, and Node.js does not tell; but it cannot send a ping
   * on them, nor on others while ten pings are unanswered.
   */
  suspect(): void {
    if (this.#http2 === null || this.#http2.destroyed || this.#pinged || this.#isPinging) return;
    this.#pinged = true;
    this.#isPinging = true;
    this.#awaitPing();
    const isSent = this.#http2.ping((error) => this.#afterPing(error));
    if (!isSent) this.destroy();
  }

  /** Its answer may be far behind what else is on the way. */
  #awaitPing(): void {
    this.#heard = false;
    this.deadlineMs = performance.now() + PING_MS;
  }

  #afterPing(error: Error | null): void {
    this.#isPinging = false;
    if (error !== null) this.destroy();
    else if (this.#streams > 0) this.#watch();
    else this.#onIdle();
  }

  #onIdle(): void {
    if (this.#isPinging || this.#saidGoodbye || this.#state === 'closed') return;
    if (this.#state === 'leaving') this.close();
    else this.#owner.onIdle(this);
  }

  /** Says goodbye and closes; for one without streams. */
  close(): void {
    this.#state = 'leaving';
    if (this.#http2 === null) {
      this.destroy();
      return;
    }
    this.#saidGoodbye = true;
    this.deadlineMs = performance.now() + GOODBYE_MS;
    this.#http2.close();
  }

  destroy(): void {
    if (this.#state !== 'closed') this.#state = 'leaving';
    this.#http2?.destroy();
    this.#socket.destroy();
  }

  onDeadline(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#saidGoodbye) this.destroy();
    else if (this.#isPinging && this.#heard) this.#awaitPing();
    else if (this.#isPinging) this.destroy();
    else if (this.#streams === 0) this.close();
    else {
      const isQuiet = !this.#heard;
      this.#watch();
      if (isQuiet) this.suspect();
    }
  }

  #connectPlain(): Socket {
    const socket = connect({ host: this.#owner.host, port: this.#owner.port, noDelay: true });
    return socket.on('connect', () => this.#onConnect());
  }

  #connectSecure(tls: UpstreamTls): Socket {
    const socket = tls.connect(this.#owner);
    socket.on('connect', () => {
      this.#secure = socket;
    });
    return socket.on('secureConnect', () => {
      if (socket.alpnProtocol === 'h2') this.#onConnect();
      else this.#fail('not_http2');
    });
  }

  #onConnect(): void {
    this.#socket.setKeepAlive(true, VANISHED_AFTER_MS);
    const http2 = connectHttp2('http://target', { ...OPTIONS, createConnection: () => this.#socket });
    this.#http2 = http2;
    http2.setLocalWindowSize(SESSION_WINDOW);
    http2.on('error', (error) => this.#onError(error));
    http2.on('remoteSettings', ({ maxConcurrentStreams }) => this.#onSettings(maxConcurrentStreams ?? MAX_STREAMS));
    http2.on('goaway', (_, lastStreamId) => this.#onGoaway(lastStreamId));
  }

  #onSettings(maxConcurrentStreams: number): void {
    this.#limit = Math.min(maxConcurrentStreams, MAX_STREAMS);
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#owner.onOpen(this);
  }

  /** Node.js goes on with the streams that the peer will still serve, or drops them all if it was not a clean goodbye. */
  #onGoaway(lastStreamId: number): void {
    this.lastStreamId = Math.min(this.lastStreamId, lastStreamId);
    if (this.#state === 'open') this.#state = 'leaving';
  }

  #onError(error: Error): void {
    this.#failure ??= error;
    if (this.#state === 'connecting') this.#fail(this.#connectFailure(error));
  }

  #onClose(): void {
    if (this.#state === 'connecting') this.#fail(this.#connectFailure(this.#failure));
    this.#state = 'closed';
    this.#deadlines.remove(this);
    this.#owner.onClosed(this);
  }

  #connectFailure(error: Error | null): ConnectFailure {
    if (this.#http2 === null || isLocalFault(error)) return connectFailure(error, this.#secure);
    if (refusesClient(error)) return 'tls_alert';
    return 'not_http2';
  }

  #fail(failure: ConnectFailure): void {
    this.destroy();
    this.#owner.onFailed(this, failure);
  }
}
