import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type ConnectFailure, connectFailure } from '../http1/connect-failure.ts';
import type { UpstreamTls } from '../http1/upstream-tls.ts';

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

  constructor(to: DialOptions, onConnected: (socket: Socket) => void, onFailed: (failure: ConnectFailure) => void) {
    let handshaking: TLSSocket | null = null;
    const secure = to.tls?.connect(to);
    secure?.once('connect', () => {
      handshaking = secure;
    });
    const socket = secure ?? connect({ host: to.host, port: to.port, noDelay: true });
    this.#socket = socket;
    const fail = (failure: ConnectFailure): void => {
      this.destroy();
      onFailed(failure);
    };
    this.#timer = setTimeout(() => fail('connect_timeout'), to.timeoutMs);
    const onError = (error: Error): void => fail(connectFailure(error, handshaking));
    socket.once('error', onError);
    socket.once(secure === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(this.#timer);
      socket.off('error', onError);
      onConnected(socket);
    });
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  }
}
