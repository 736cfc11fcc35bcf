import type { Socket } from 'node:net';
import { FrameBoundary, GOING_AWAY } from './frame-boundary.ts';
import type { Target } from './routing-table.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Between saying goodbye on a tunnel and cutting it. */
const GOODBYE_MS = 1000;
/** Tunnels are closed spread over this last part of the drain window, so that clients do not all return at once. */
const SPREAD = 1 / 3;

/** A switched connection: two sockets that http-proxy-3 pipes into each other. */
export class Tunnel {
  readonly #client: Socket;
  readonly #peer: Socket;
  readonly #target: Target;
  readonly #boundary = new FrameBoundary();
  #closeAtMs = NEVER;
  #saidGoodbye = false;
  /** Where in the spread this tunnel is closed, 0 to 1. */
  readonly #place = Math.random();

  constructor(client: Socket, peer: Socket, target: Target) {
    this.#client = client;
    this.#peer = peer;
    this.#target = target;
    peer.on('data', (chunk: Buffer) => this.#boundary.feed(chunk));
    const onEnd = (): void => this.#closeBy(performance.now() + GOODBYE_MS);
    peer.once('end', onEnd);
    client.once('end', onEnd);
  }

  /** One side has said goodbye: the pipe passes that on, and the rest gets a moment. */
  #closeBy(deadlineMs: number): void {
    this.#saidGoodbye = true;
    this.#closeAtMs = deadlineMs;
  }

  schedule(shutdownAtMs: number): void {
    if (this.#saidGoodbye) return;
    const cutAtMs = Math.min(this.#target.cutAtMs, shutdownAtMs);
    if (cutAtMs === NEVER) this.#closeAtMs = NEVER;
    else if (this.#closeAtMs === NEVER || cutAtMs < this.#closeAtMs) {
      const window = Math.max(cutAtMs - performance.now(), 0);
      this.#closeAtMs = cutAtMs - window * SPREAD * this.#place;
    }
  }

  sweep(nowMs: number): void {
    if (nowMs < this.#closeAtMs) return;
    if (this.#saidGoodbye) {
      this.#client.destroy();
      return;
    }
    this.#closeBy(nowMs + GOODBYE_MS);
    this.#peer.unpipe(this.#client);
    if (this.#boundary.atBoundary) this.#client.end(GOING_AWAY);
    else this.#client.end();
    this.#peer.end();
    this.#peer.resume();
  }
}
