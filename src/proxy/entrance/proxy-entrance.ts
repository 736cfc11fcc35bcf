import type { BlockList, Socket } from 'node:net';
import type { Deadlines } from '../../http1/deadlines.ts';
import { isTrusted, plainAddress } from '../forwarding.ts';
import { Opening } from './opening.ts';
import { parseProxyHeader } from './proxy-header.ts';

/** `optional`: trusted proxies may send a header, others cannot. `required`: no connection without one. */
export type ProxyProtocol = 'optional' | 'required';

/** What can change while it serves, for connections from then on. */
export interface ProxyPolicy {
  /** Who may speak for clients. */
  readonly trust: BlockList | null;
  /** For a whole header, however it trickles in. */
  readonly headMs: number;
  readonly headBytes: number;
}

export interface ProxyEntranceOptions {
  readonly mode: ProxyProtocol;
  readonly deadlines: Deadlines;
  /** What follows is the client's; `client` is null where nobody said who that is. The socket is paused. */
  readonly onPassed: (socket: Socket, client: string | null) => void;
  /** The connection was closed. */
  readonly onRefused: (peer: string, why: string) => void;
}

/** Where the connections of a listener tell whom they carry, before anything else is read of them. */
export class ProxyEntrance {
  readonly #options: ProxyEntranceOptions;
  readonly #arriving = new Set<Opening>();
  #policy: ProxyPolicy;

  constructor(policy: ProxyPolicy, options: ProxyEntranceOptions) {
    this.#policy = policy;
    this.#options = options;
  }

  update(policy: ProxyPolicy): void {
    this.#policy = policy;
  }

  /** Connections whose header is not there yet. */
  get size(): number {
    return this.#arriving.size;
  }

  take(socket: Socket): void {
    if (socket.remoteAddress === undefined) {
      // Gone before we looked, as a balancer's checks often are: that is no fault.
      socket.on('error', noop);
      socket.destroy();
      return;
    }
    socket.pause();
    const { mode, onPassed } = this.#options;
    const peer = plainAddress(socket.remoteAddress);
    if (isTrusted(this.#policy.trust, peer)) {
      this.#arriving.add(this.#arrival(socket, peer));
    } else if (mode === 'optional') onPassed(socket, null);
    else refuse(socket, peer, this.#options, 'not from a trusted proxy');
  }

  /** Closes the connections whose header is not there yet. */
  abandon(): void {
    for (const arrival of this.#arriving) arrival.close();
  }

  /** A connection until its header has been read. */
  #arrival(socket: Socket, peer: string): Opening {
    const { deadlines, onRefused } = this.#options;
    const { headMs, headBytes } = this.#policy;
    return new Opening(socket, {
      deadlines,
      waitMs: headMs,
      onOctets: (arrival, bytes) => this.#onOctets(arrival, bytes, headBytes, peer),
      onTimeout: (arrival, bytes) => {
        // Balancers connect and say nothing to see whether we are there; that is no fault.
        arrival.close();
        if (bytes.length > 0) onRefused(peer, 'not whole in time');
      },
      onOver: (arrival) => this.#arriving.delete(arrival),
    });
  }

  #onOctets(arrival: Opening, bytes: Buffer, headBytes: number, peer: string): void {
    const { mode, onPassed, onRefused } = this.#options;
    const header = parseProxyHeader(bytes, headBytes);
    const refuseFor = (why: string): void => {
      arrival.close();
      onRefused(peer, why);
    };
    switch (header.kind) {
      case 'incomplete':
        return;
      case 'header':
        arrival.pass(bytes.subarray(header.length), (socket) => onPassed(socket, header.client));
        return;
      case 'absent':
        if (mode === 'required') refuseFor('missing');
        else arrival.pass(bytes, (socket) => onPassed(socket, null));
        return;
      case 'refused':
        refuseFor(header.why);
    }
  }
}

function refuse(socket: Socket, peer: string, { onRefused }: ProxyEntranceOptions, why: string): void {
  socket.on('error', noop);
  socket.destroy();
  onRefused(peer, why);
}

function noop(): void {}
