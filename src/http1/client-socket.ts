/**
 * What a connection needs of its socket: that of TCP or TLS, or what carries one request of HTTP/2. Events as those of
 * `net.Socket`.
 */
export interface ClientSocket {
  readonly remoteAddress?: string | undefined;
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error' | 'close' | 'end' | 'drain', listener: () => void): unknown;
  once(event: 'finish', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'error' | 'close' | 'end' | 'drain' | 'finish', listener: () => void): unknown;
  write(bytes: Buffer): boolean;
  pause(): unknown;
  resume(): unknown;
  end(): unknown;
  destroy(): unknown;
  destroySoon(): unknown;
  resetAndDestroy(): unknown;
}
