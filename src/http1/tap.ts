import type { OnReadOpts, Socket } from 'node:net';

/** All sockets that are read this way read to here. */
const shared = Buffer.allocUnsafeSlow(16 * 1024);

/** Where octets go that a socket has read: they lie at the start of `buf`, and are gone when it returns. */
export type Sink = (buf: Buffer, length: number) => void;

/**
 * A socket that reads into memory that is used again, and tells 'data' all the same until `divert` says where else its
 * octets go: so that others may begin a conversation on it which is then only passed on.
 */
export class Tap {
  readonly socket: Socket;
  #sink: Sink | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** From now on. What was read before stands in the socket, and is read from there. */
  divert(sink: Sink): void {
    this.#sink = sink;
  }

  /** So many octets were read to `buf`. False: no more is read until somebody has taken them. */
  take(buf: Buffer, length: number): boolean {
    if (this.#sink === null) return this.socket.push(Buffer.from(buf.subarray(0, length)));
    this.#sink(buf, length);
    return true;
  }
}

/** A tap on a socket that is about to connect: `make` is given where it reads to. */
export function tapped<T extends Socket>(make: (onread: OnReadOpts) => T): { readonly socket: T; readonly tap: Tap } {
  const socket = make({ buffer: shared, callback: (length) => tap.take(shared, length) });
  const tap = new Tap(socket);
  return { socket, tap };
}
