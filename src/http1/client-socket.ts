/**
 * Whoever is silent this long is asked by TCP whether it is there (SO_KEEPALIVE): a peer that vanished without a word
 * would otherwise never be found by a connection that has nothing to write, such as that of a stream of events.
 */
export const VANISHED_AFTER_MS = 60_000;

/**
 * What a connection needs of its socket: that of TCP or TLS, or what carries one request of HTTP/2. Events as those of
 * `net.Socket`.
 */
export interface ClientSocket {
  readonly remoteAddress?: string | undefined;
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
  /** It copies what is written to it, so that the memory is free when `write` returns. */
  readonly copies?: boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error' | 'close' | 'end' | 'drain', listener: () => void): unknown;
  once(event: 'finish', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'error' | 'close' | 'end' | 'drain' | 'finish', listener: () => void): unknown;
  /** `onWritten`: for when the octets have been handed on, or never will be; TCP and TLS only. */
  write(bytes: Buffer, onWritten?: (() => void) | undefined): boolean;
  pause(): unknown;
  resume(): unknown;
  end(): unknown;
  destroy(): unknown;
  destroySoon(): unknown;
  resetAndDestroy(): unknown;
}
