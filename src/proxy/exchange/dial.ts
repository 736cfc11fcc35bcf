import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type ConnectFailure, connectFailure } from '../../http1/connect-failure.ts';
import { type Tap, tapped } from '../../http1/tap.ts';
import type { UpstreamTls } from '../../http1/upstream-tls.ts';

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** Null: plain. */
  readonly tls: UpstreamTls | null;
  readonly timeoutMs: number;
}

/** A connection being made for a tunnel, apart from the pool. Ends with one of the two calls, or with `destroy`. */
export class Dial {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;

  constructor(to: DialOptions, onConnected: (peer: Tap) => void, onFailed: (failure: ConnectFailure) => void) {
    let handshaking: TLSSocket | null = null;
    const { host, port, tls } = to;
    const { socket, tap } = tapped<Socket>((onread) => {
      const secure = tls?.connect(to, onread);
      secure?.once('connect', () => {
        handshaking = secure;
      });
      return secure ?? connect({ host, port, noDelay: true, onread });
    });
    this.#socket = socket;
    const fail = (failure: ConnectFailure): void => {
      this.destroy();
      onFailed(failure);
    };
    this.#timer = setTimeout(() => fail('connect_timeout'), to.timeoutMs);
    const onError = (error: Error): void => fail(connectFailure(error, handshaking));
    socket.once('error', onError);
    socket.once(tls === null ? 'connect' : 'secureConnect', () => {
      clearTimeout(this.#timer);
      socket.off('error', onError);
      onConnected(tap);
    });
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  }
}
