import type { OnReadOpts } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { type Protocol, type SecureOptions, secureOptions, type TargetTls } from '../platform/tls.ts';

/** A write of this size says when it is done, and no more is read meanwhile that would have to be kept. */
const BULK_BYTES = 16 * 1024;

/** TLS with one target: what its connections have in common, and the session that the next of them resumes. */
export class UpstreamTls {
  readonly settings: TargetTls;
  readonly #options: SecureOptions;
  #session: Buffer | null = null;

  constructor(settings: TargetTls, host: string, protocol: Protocol) {
    this.settings = settings;
    this.#options = secureOptions(settings, host, protocol);
  }

  /**
   * A connection under way; `secureConnect` follows when the target is who it should be, else an error. `onread`: where it
   * reads to, and no 'data' is told.
   */
  connect(to: { readonly host: string; readonly port: number }, onread?: OnReadOpts): TLSSocket {
    const { host, port } = to;
    const session = this.#session === null ? {} : { session: this.#session };
    const into = onread === undefined ? {} : { onread, highWaterMark: BULK_BYTES };
    const socket = connect({ ...this.#options, ...session, ...into, host, port });
    socket.setNoDelay(true);
    socket.on('session', (ticket: Buffer) => {
      this.#session = ticket;
    });
    return socket;
  }
}
