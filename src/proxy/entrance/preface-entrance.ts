import type { Socket } from 'node:net';
import type { Deadlines } from '../../http1/deadlines.ts';
import { isHttp2 } from '../../http2/preface.ts';
import { Opening } from './opening.ts';

export interface PrefaceEntranceOptions {
  readonly deadlines: Deadlines;
  /** The socket is paused, and nothing of it has been read. */
  readonly onKnown: (socket: Socket, http2: boolean) => void;
}

/** Where the clients of a plain listener show whether they speak HTTP/2, as those of TLS do by ALPN. */
export class PrefaceEntrance {
  readonly #options: PrefaceEntranceOptions;
  readonly #opening = new Set<Opening>();
  #headMs: number;

  /** `headMs`: for the first octets. */
  constructor(headMs: number, options: PrefaceEntranceOptions) {
    this.#headMs = headMs;
    this.#options = options;
  }

  /** For connections from then on. */
  update(headMs: number): void {
    this.#headMs = headMs;
  }

  /** Connections that have not shown it yet. */
  get size(): number {
    return this.#opening.size;
  }

  take(socket: Socket): void {
    const { deadlines, onKnown } = this.#options;
    const opening = new Opening(socket, {
      deadlines,
      waitMs: this.#headMs,
      onOctets: (_, bytes) => {
        const http2 = isHttp2(bytes);
        if (http2 !== null) opening.pass(bytes, (known) => onKnown(known, http2));
      },
      // The head of an HTTP/1.1 request may begin like the preface: then that lane has an answer.
      onTimeout: (_, bytes) => {
        if (bytes.length === 0) opening.close();
        else opening.pass(bytes, (known) => onKnown(known, false));
      },
      onOver: () => this.#opening.delete(opening),
    });
    this.#opening.add(opening);
  }

  /** Closes the connections that have not shown it yet. */
  abandon(): void {
    for (const opening of this.#opening) opening.close();
  }
}
