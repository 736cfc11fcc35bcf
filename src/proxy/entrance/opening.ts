import type { Socket } from 'node:net';
import type { Deadlines, Timed } from '../../http1/deadlines.ts';

export interface OpeningOptions {
  readonly deadlines: Deadlines;
  /** For all of it, however it trickles in. */
  readonly waitMs: number;
  /** All octets so far: passes the socket on, closes it, or waits for more. */
  readonly onOctets: (opening: Opening, bytes: Buffer) => void;
  /** The time is over; the same, without the waiting. */
  readonly onTimeout: (opening: Opening, bytes: Buffer) => void;
  /** Passed on, closed or gone. */
  readonly onOver: (opening: Opening) => void;
}

const EMPTY = Buffer.alloc(0);

/** A connection whose first octets tell who is to have it. */
export class Opening implements Timed {
  deadlineIndex = -1;
  deadlineMs: number;
  readonly socket: Socket;
  readonly #options: OpeningOptions;
  #bytes: Buffer = EMPTY;

  constructor(socket: Socket, options: OpeningOptions) {
    this.socket = socket;
    this.#options = options;
    this.deadlineMs = performance.now() + options.waitMs;
    options.deadlines.add(this);
    socket.on('error', noop); // 'close' follows and says it all
    socket.on('close', this.#end);
    socket.on('end', this.close);
    socket.on('data', this.#onData);
    socket.resume();
  }

  onDeadline(): void {
    this.#options.onTimeout(this, this.#bytes);
  }

  readonly close = (): void => {
    this.#end();
    this.socket.destroy();
  };

  /** Gives the socket away, paused; `rest` is read of it first. */
  pass(rest: Buffer, to: (socket: Socket) => void): void {
    const { socket } = this;
    this.#end();
    socket.off('close', this.#end);
    socket.off('end', this.close);
    socket.off('data', this.#onData);
    socket.pause();
    if (rest.length > 0) socket.unshift(rest);
    to(socket);
    socket.off('error', noop); // only now: whoever took it has its own
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    this.#options.onOctets(this, this.#bytes);
  };

  readonly #end = (): void => {
    this.#options.deadlines.remove(this);
    this.#options.onOver(this);
  };
}

function noop(): void {}
