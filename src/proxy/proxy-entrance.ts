import type { BlockList, Socket } from 'node:net';
import type { Deadlines, Timed } from '../http1/deadlines.ts';
import { isTrusted, plainAddress } from './forwarding.ts';
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

const EMPTY = Buffer.alloc(0);

/** Where the connections of a listener tell whom they carry, before anything else is read of them. */
export class ProxyEntrance {
  readonly #options: ProxyEntranceOptions;
  readonly #arriving = new Set<Arrival>();
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
      const options = { ...this.#options, ...this.#policy };
      const arrival = new Arrival(socket, peer, options, () => this.#arriving.delete(arrival));
      this.#arriving.add(arrival);
    } else if (mode === 'optional') onPassed(socket, null);
    else refuse(socket, peer, this.#options, 'not from a trusted proxy');
  }

  /** Closes the connections whose header is not there yet. */
  abandon(): void {
    for (const arrival of this.#arriving) arrival.close();
  }
}

function refuse(socket: Socket, peer: string, { onRefused }: ProxyEntranceOptions, why: string): void {
  socket.on('error', () => {});
  socket.destroy();
  onRefused(peer, why);
}

/** A connection until its header has been read. */
class Arrival implements Timed {
  deadlineIndex = -1;
  deadlineMs: number;
  readonly #socket: Socket;
  readonly #peer: string;
  readonly #options: ProxyEntranceOptions & ProxyPolicy;
  readonly #onOver: () => void;
  #bytes: Buffer = EMPTY;

  constructor(socket: Socket, peer: string, options: ProxyEntranceOptions & ProxyPolicy, onOver: () => void) {
    this.#socket = socket;
    this.#peer = peer;
    this.#options = options;
    this.#onOver = onOver;
    this.deadlineMs = performance.now() + options.headMs;
    options.deadlines.add(this);
    socket.on('error', noop); // 'close' follows and says it all
    socket.on('close', this.#end);
    socket.on('end', this.close);
    socket.on('data', this.#onData);
    socket.resume();
  }

  /** Balancers connect and say nothing to see whether we are there; that is no fault. */
  onDeadline(): void {
    if (this.#bytes.length === 0) this.close();
    else this.#refuse('not whole in time');
  }

  readonly close = (): void => {
    this.#end();
    this.#socket.destroy();
  };

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const header = parseProxyHeader(this.#bytes, this.#options.headBytes);
    switch (header.kind) {
      case 'incomplete':
        return;
      case 'header':
        this.#pass(header.client, this.#bytes.subarray(header.length));
        return;
      case 'absent':
        if (this.#options.mode === 'required') this.#refuse('missing');
        else this.#pass(null, this.#bytes);
        return;
      case 'refused':
        this.#refuse(header.why);
    }
  };

  #pass(client: string | null, rest: Buffer): void {
    const socket = this.#socket;
    this.#end();
    socket.off('close', this.#end);
    socket.off('end', this.close);
    socket.off('data', this.#onData);
    socket.pause();
    if (rest.length > 0) socket.unshift(rest);
    this.#options.onPassed(socket, client);
    socket.off('error', noop); // only now: whoever took it has its own
  }

  #refuse(why: string): void {
    this.#end();
    refuse(this.#socket, this.#peer, this.#options, why);
  }

  readonly #end = (): void => {
    this.#options.deadlines.remove(this);
    this.#onOver();
  };
}

function noop(): void {}
