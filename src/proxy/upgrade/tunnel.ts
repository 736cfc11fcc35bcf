import type { Socket } from 'node:net';
import { ByteWriter } from '../../http1/byte-writer.ts';
import type { Tap } from '../../http1/tap.ts';
import type { Target } from '../routing-table.ts';
import { FrameBoundary, GOING_AWAY } from './frame-boundary.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Between saying goodbye on a tunnel and cutting it. */
const GOODBYE_MS = 1000;
/** Tunnels are closed spread over this last part of the drain window, so that clients do not all return at once. */
const SPREAD = 1 / 3;

/** What http-proxy-3 has piped into each other. */
export interface TunnelEnds {
  readonly client: Socket;
  /** The client's; null where its socket brings what it reads in buffers of its own. */
  readonly tap: Tap | null;
  readonly peer: Tap;
}

/** What goes through tunnels, for the moment of being passed on. */
const writer = new ByteWriter(64 * 1024);

/**
 * A switched connection: two sockets of which each passes on what the other says, through memory that is used again; or by
 * their pipe, where the client's socket cannot.
 */
export class Tunnel {
  readonly #client: Socket;
  readonly #peer: Socket;
  readonly #target: Target;
  readonly #boundary = new FrameBoundary();
  #closeAtMs = NEVER;
  #saidGoodbye = false;
  /** Where in the spread this tunnel is closed, 0 to 1. */
  readonly #place = Math.random();

  constructor({ client, tap, peer: peerTap }: TunnelEnds, target: Target) {
    const { socket: peer } = peerTap;
    this.#client = client;
    this.#peer = peer;
    this.#target = target;
    if (tap === null) peer.on('data', (chunk: Buffer) => this.#boundary.feed(chunk));
    else {
      passOn(peerTap, client, (bytes, length) => this.#boundary.feed(bytes, length));
      passOn(tap, peer, () => {});
    }
    const onEnd = (): void => this.#closeBy(performance.now() + GOODBYE_MS);
    peer.once('end', onEnd);
    client.once('end', onEnd);
  }

  /** One side has said goodbye: that is passed on, and the rest gets a moment. */
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

/** Takes over from a pipe. `look` sees what goes through. */
function passOn(from: Tap, to: Socket, look: (bytes: Uint8Array, length: number) => void): void {
  const { socket } = from;
  const use = 'encrypted' in to ? 'encrypted' : 'written';
  socket.unpipe(to);
  for (let left: Buffer | null = socket.read(); left !== null; left = socket.read()) {
    look(left, left.length);
    to.write(left);
  }
  from.divert((buf, length) => {
    if (!to.writable) return; // it has been told goodbye
    look(buf, length);
    writer.begin();
    writer.bytes(buf, 0, length);
    if (!writer.sendTo(to, use)) socket.pause();
  });
  to.on('drain', () => socket.resume());
  socket.once('end', () => to.end());
  if (to.writableNeedDrain) socket.pause();
  else socket.resume();
}
