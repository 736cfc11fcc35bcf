import type { BodyReader } from './body-reader.ts';
import type { DownstreamConnection } from './downstream-connection.ts';
import type { Head } from './head.ts';

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
