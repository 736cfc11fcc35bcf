import { connect, type TLSSocket } from 'node:tls';
import { type Protocol, type SecureOptions, secureOptions, type TargetTls } from '../platform/tls.ts';

/** TLS with one target: what its connections have in common, and the session that the next of them resumes. */
export class UpstreamTls {
  readonly settings: TargetTls;
  readonly #options: SecureOptions;
  #session: Buffer | null = null;

  constructor(settings: TargetTls, host: string, protocol: Protocol) {
    this.settings = settings;
    this.#options = secureOptions(settings, host, protocol);
  }

  /** A connection under way; `secureConnect` follows when the target is who it should be, else an error. */
  connect(to: { readonly host: string; readonly port: number }): TLSSocket {
    const { host, port } = to;
    const session = this.#session === null ? {} : { session: this.#session };
    const socket = connect({ ...this.#options, ...session, host, port });
    socket.setNoDelay(true);
    socket.on('session', (ticket: Buffer) => {
      this.#session = ticket;
    });
    return socket;
  }
}
