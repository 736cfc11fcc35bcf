import { connect, type Socket } from 'node:net';
import { connectFailure } from '../http1/upstream-connection.ts';
import type { AttemptFailure } from './failures.ts';

/** A connection being made for a tunnel, apart from the pool. Ends with one of the two calls, or with `destroy`. */
export class Dial {
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;

  constructor(
    to: { readonly host: string; readonly port: number; readonly timeoutMs: number },
    onConnected: (socket: Socket) => void,
    onFailed: (failure: AttemptFailure) => void,
  ) {
    const socket = connect({ host: to.host, port: to.port, noDelay: true });
    this.#socket = socket;
    const fail = (failure: AttemptFailure): void => {
      this.destroy();
      onFailed(failure);
    };
    this.#timer = setTimeout(() => fail('connect_timeout'), to.timeoutMs);
    const onError = (error: Error): void => fail(connectFailure(error));
    socket.once('error', onError);
    socket.once('connect', () => {
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
