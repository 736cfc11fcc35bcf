import type { BodyReader } from './body-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { ConnectFailure } from './connect-failure.ts';
import type { Deadlines } from './deadlines.ts';
import type { Head } from './head.ts';
import type { UpstreamTls } from './upstream-tls.ts';

/**
 * What one exchange holds of a target: a connection of HTTP/1.1, or a stream of HTTP/2. With the exchange it speaks
 * HTTP/1.1 either way: a request's octets go in, a response's head and body runs come out (see UpstreamHandler).
 */
export interface UpstreamLink {
  /** Was there before: a failure before any answer may be the keep-alive race. */
  readonly reused: boolean;
  /** Octets of the current response were received. */
  readonly answered: boolean;
  /** May end a request as `unprocessed` after it was sent: a small body is kept, so that it can be sent again. */
  readonly mayRefuse: boolean;
  /** Of a gRPC response, once it is known; NO_GRPC for any other. */
  readonly grpcStatus: number;
  /** Begins the request that `writer` holds. False when its octets are queued: wait for `onUpstreamDrain`. */
  begin(writer: ByteWriter, request: SentRequest): boolean;
  /** Goes on with the request's body, of what `writer` holds. */
  send(writer: ByteWriter): boolean;
  /** As `send`, without a copy: the octets are in use for as long as `isWriting`. */
  write(bytes: Buffer): boolean;
  /** Octets are in use by a write that could not finish at once. */
  readonly isWriting: boolean;
  /** What was last given to `onBody` lies where other connections will read to: it must be copied to be kept. */
  readonly sharesBuffer: boolean;
  /** A part of the buffer last given to `onBody` is still needed, such as by a write that could not finish at once. */
  lend(): void;
  pause(): void;
  resume(): void;
  /** The exchange is over. `reusable`: all of the request was sent. */
  release(reusable: boolean): void;
  /** The exchange is given up: no call of its handler follows. */
  destroy(): void;
}

/** Why a link failed its exchange. */
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

/** Who is told what happens on a link: the exchange that holds it. */
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

/** What a link must know of a request besides its octets. */
export interface SentRequest {
  /** HEAD: its response has no body. */
  readonly isHead: boolean;
  /** The client said `TE: trailers`, which HTTP/2 alone passes on. */
  readonly trailers: boolean;
}

/** The links to one target. */
export interface UpstreamLinks {
  /** Takes `Upgrade`; where it does not, the field is ignored (RFC 9110 §7.8). */
  readonly upgradable: boolean;
  readonly tls: UpstreamTls | null;
  /** For what is idle from now on. */
  idleMs: number;
  /** While closing, what is idle is closed at once and the rest as soon as it falls idle. */
  closing: boolean;
  /** For connections from now on; those made with other settings are closed as soon as they are idle. */
  useTls(tls: UpstreamTls): void;
  /** Gives up the connections that are not in use. */
  closeIdle(): void;
  /** A link that is ready, or null. */
  takeIdle(handler: UpstreamHandler): UpstreamLink | null;
  /** A link by way of a new connection; `handler.onConnected` follows, or a failure. */
  connect(handler: UpstreamHandler, connectTimeoutMs: number): UpstreamLink;
}

/** What links to a target are made with, whatever their kind. */
export interface LinksOptions {
  readonly host: string;
  readonly port: number;
  readonly idleMs: number;
  readonly deadlines: Deadlines;
  /** Called with the number of open connections whenever it changes. */
  readonly onOpenChange: (open: number) => void;
}
