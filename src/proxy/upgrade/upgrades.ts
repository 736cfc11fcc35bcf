import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer, type ProxyServer } from 'http-proxy-3';
import { createServer } from '../../platform/node-http.ts';
import { TARGET, UPSTREAM } from '../../traffic/ledger.ts';
import { add } from '../accounting.ts';
import { contextOf } from '../connection-context.ts';
import type { Target, Upstream } from '../routing-table.ts';
import { Handshake, type RoutedHandshake } from './handshake.ts';
import { Tunnel, type TunnelEnds } from './tunnel.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** More than any listener lets through: what comes here was found to be within limits. */
const MAX_HEAD_BYTES = 2 * 1024 * 1024;

/**
 * WebSockets: a handshake that the exchange has routed is handed, socket and all, to a node:http server that never
 * listens, and answered by http-proxy-3. What is left to us is to pass on what goes through tunnels, to count them, and to
 * close them when their target drains.
 */
export class UpgradeLane {
  readonly #server: Server;
  readonly #proxy: ProxyServer;
  readonly #handshakes = new WeakMap<Duplex, Handshake>();
  readonly #tunnels = new Set<Tunnel>();
  /** What to do once a target's socket is piped: listening to it earlier would take octets out of the pipe. */
  readonly #switched = new WeakMap<Duplex, () => void>();
  /** Set by shutdown, `performance.now()` time. */
  #cutAtMs = NEVER;

  constructor() {
    this.#proxy = createProxyServer({});
    // It raises its sockets' errors on itself too and throws those nobody listens to; 'close' follows and says it all.
    this.#proxy.on('error', () => {});
    this.#proxy.on('open', (peer) => this.#switched.get(peer)?.());
    this.#proxy.on('proxyReqWs', (request, incoming, socket) =>
      this.#handshakes.get(socket)?.onRequest(request, incoming),
    );
    this.#server = createServer({ maxHeaderSize: MAX_HEAD_BYTES }, (_, response) => response.destroy());
    this.#server.maxHeadersCount = 0; // no limit: Node.js leaves out what is beyond its own
    this.#server.on('upgrade', (incoming, socket, head) => this.#forward(incoming, socket, head));
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  get size(): number {
    return this.#tunnels.size;
  }

  /** Takes the client's socket over. */
  open(routed: RoutedHandshake): Handshake {
    const { client, head, peer, upstream, target } = routed;
    const { socket: detached, rest, tap } = client.detach();
    const socket = detached as Socket; // streams of HTTP/2 carry no handshakes
    socket.once('close', contextOf(client).onClosed);
    socket.setDefaultEncoding('latin1'); // of the answer's head, which http-proxy-3 writes as text
    const onSwitched = (): void => {
      this.#switched.set(peer.socket, () => this.#onTunnel({ client: socket, tap, peer }, upstream, target));
    };
    const opened = new Handshake(socket, routed, onSwitched);
    this.#handshakes.set(socket, opened);
    socket.unshift(rest.length === 0 ? head : Buffer.concat([head, rest]));
    this.#server.emit('connection', socket);
    socket.resume();
    return opened;
  }

  /** Targets may have begun or stopped to drain. */
  onTableChanged(): void {
    for (const tunnel of this.#tunnels) tunnel.schedule(this.#cutAtMs);
  }

  /** Shutdown: every tunnel is closed by `cutAtMs`. */
  drain(cutAtMs: number): void {
    this.#cutAtMs = cutAtMs;
    this.onTableChanged();
  }

  sweep(nowMs: number): void {
    for (const tunnel of this.#tunnels) tunnel.sweep(nowMs);
  }

  #forward(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const handshake = this.#handshakes.get(socket);
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    this.#proxy.ws(incoming, socket as Socket, head, handshake.proxyOptions, (error) => handshake.onError(error)); // node:http hands back the socket it was given
  }

  #onTunnel(ends: TunnelEnds, upstream: Upstream, target: Target): void {
    const tunnel = new Tunnel(ends, target);
    this.#tunnels.add(tunnel);
    add(upstream.ledger, UPSTREAM.upgrades, 1);
    add(target.ledger, TARGET.upgrades, 1);
    ends.client.once('close', () => {
      this.#tunnels.delete(tunnel);
      ends.peer.socket.destroySoon();
      add(upstream.ledger, UPSTREAM.upgrades, -1);
      add(target.ledger, TARGET.upgrades, -1);
    });
    tunnel.schedule(this.#cutAtMs);
  }
}
