import type { ClientRequest, Agent as HttpAgent, IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer, type ProxyServer } from 'http-proxy-3';
import { refusesClient } from '../http1/connect-failure.ts';
import type { DownstreamConnection } from '../http1/downstream-connection.ts';
import type { UpstreamFailure } from '../http1/upstream-connection.ts';
import { Agent, createServer } from '../platform/node-http.ts';
import { TARGET, UPSTREAM } from '../traffic/ledger.ts';
import { add } from './accounting.ts';
import { contextOf } from './connection-context.ts';
import { FrameBoundary, GOING_AWAY } from './frame-boundary.ts';
import type { Target, Upstream } from './routing-table.ts';

/** The exchange of a handshake: one of the three is called, once. */
export interface HandshakeHandler {
  onHandshakeAnswered(status: number): void;
  /** Returns the reply for the client. */
  onHandshakeFailed(failure: UpstreamFailure | 'response_timeout'): Buffer;
  onClientGone(): void;
}

/** A handshake that has been routed. */
export interface RoutedHandshake {
  readonly client: DownstreamConnection;
  /** The handshake as it is to be forwarded. */
  readonly head: Buffer;
  /** Connected to the target. */
  readonly peer: Socket;
  readonly upstream: Upstream;
  readonly target: Target;
  readonly responseTimeoutMs: number;
  /** For a client that takes nothing of a refusal. */
  readonly stallTimeoutMs: number;
  /** Whole field lines to add to the answer. */
  readonly extra: string;
  readonly handler: HandshakeHandler;
}

const NEVER = Number.POSITIVE_INFINITY;
/** Between saying goodbye on a tunnel and cutting it. */
const GOODBYE_MS = 1000;
/** Tunnels are closed spread over this last part of the drain window, so that clients do not all return at once. */
const SPREAD = 1 / 3;

/**
 * WebSockets: a handshake that the exchange has routed is handed, socket and all, to a node:http server that never
 * listens, and tunnelled by http-proxy-3. What is left to us is to count tunnels and to close them when their target
 * drains.
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
    this.#server = createServer({ maxHeaderSize: 128 * 1024 }, (_, response) => response.destroy());
    this.#server.on('upgrade', (incoming, socket, head) => this.#forward(incoming, socket, head));
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  get size(): number {
    return this.#tunnels.size;
  }

  /** Takes the client's socket over. */
  open(routed: RoutedHandshake): void {
    const { client, head, peer, upstream, target } = routed;
    const { socket: detached, rest } = client.detach();
    const socket = detached as Socket; // streams of HTTP/2 carry no handshakes
    socket.once('close', contextOf(client).onClosed);
    const onSwitched = (): void => {
      this.#switched.set(peer, () => this.#onTunnel(socket, peer, upstream, target));
    };
    this.#handshakes.set(socket, new Handshake(socket, routed, onSwitched));
    socket.unshift(rest.length === 0 ? head : Buffer.concat([head, rest]));
    this.#server.emit('connection', socket);
    socket.resume();
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

  #onTunnel(client: Socket, peer: Socket, upstream: Upstream, target: Target): void {
    const tunnel = new Tunnel(client, peer, target);
    this.#tunnels.add(tunnel);
    add(upstream.ledger, UPSTREAM.upgrades, 1);
    add(target.ledger, TARGET.upgrades, 1);
    client.once('close', () => {
      this.#tunnels.delete(tunnel);
      peer.destroySoon();
      add(upstream.ledger, UPSTREAM.upgrades, -1);
      add(target.ledger, TARGET.upgrades, -1);
    });
    tunnel.schedule(this.#cutAtMs);
  }
}

/** A handshake between its forwarding and its answer. */
class Handshake {
  readonly proxyOptions: { target: { protocol: string; host: string; port: number }; agent: HttpAgent };
  readonly #socket: Socket;
  readonly #routed: RoutedHandshake;
  readonly #onSwitched: () => void;
  readonly #timer: NodeJS.Timeout;
  #request: ClientRequest | null = null;
  #timedOut = false;
  #over = false;
  #isTunnel = false;

  constructor(socket: Socket, routed: RoutedHandshake, onSwitched: () => void) {
    const { peer, target, responseTimeoutMs } = routed;
    const { host, port } = target.route;
    this.#socket = socket;
    this.#routed = routed;
    this.#onSwitched = onSwitched;
    const agent = new Agent();
    agent.createConnection = () => peer;
    this.proxyOptions = { target: { protocol: 'http:', host, port }, agent };
    this.#timer = setTimeout(() => this.#onTimeout(), responseTimeoutMs);
    socket.once('close', () => {
      this.#onClientGone();
      // A tunnel closes its own; any other connection to the target ends with the client's.
      if (!this.#isTunnel) peer.destroy();
    });
    socket.once('end', () => this.#onClientGone()); // half a client can do nothing with a tunnel
    socket.on('error', () => {}); // 'close' follows and says it all
  }

  /** http-proxy-3 is about to send; it would normalise the path. */
  onRequest(request: ClientRequest, incoming: IncomingMessage): void {
    this.#request = request;
    request.path = incoming.url ?? '/';
    request.on('upgrade', (response) => {
      addLines(response, this.#routed.extra);
      this.#isTunnel = true;
      this.#end(() => this.#routed.handler.onHandshakeAnswered(101));
      this.#onSwitched();
    });
    request.on('response', (response) => {
      addLines(response, this.#routed.extra);
      response.headers.connection = 'close'; // http-proxy-3 ends the connection behind a refusal
      response.on('error', () => this.#socket.destroy()); // cut inside the body: the client must see it
      response.on('aborted', () => this.#socket.destroy());
      this.#holdBack(response);
      this.#end(() => this.#routed.handler.onHandshakeAnswered(response.statusCode ?? 502));
    });
  }

  /** http-proxy-3 writes on whether the client takes it or not: reading what it writes from has to stop instead. */
  #holdBack(response: IncomingMessage): void {
    const socket = this.#socket;
    response.on('data', () => {
      if (socket.writableNeedDrain) response.pause();
    });
    socket.on('drain', () => response.resume());
    let takenBefore = -1;
    const look = setInterval(() => {
      const taken = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength > 0 && taken === takenBefore) socket.destroy();
      takenBefore = taken;
    }, this.#routed.stallTimeoutMs);
    socket.once('close', () => clearInterval(look));
  }

  onError(error: Error): void {
    const failure = this.#timedOut ? 'response_timeout' : failureOf(error);
    this.#end(() => {
      const reply = this.#routed.handler.onHandshakeFailed(failure);
      if (!this.#socket.destroyed) this.#socket.write(reply);
    });
  }

  #onTimeout(): void {
    this.#timedOut = true;
    this.#request?.destroy(new Error('no answer to the handshake in time'));
  }

  #onClientGone(): void {
    if (this.#over) {
      if (!this.#isTunnel) this.#socket.destroySoon(); // inside a refusal: what was relayed of it may still arrive
      return;
    }
    this.#end(() => this.#routed.handler.onClientGone());
    this.#request?.destroy();
    this.#socket.destroy();
  }

  #end(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    tell();
  }
}

/** A switched connection: two sockets that http-proxy-3 pipes into each other. */
class Tunnel {
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

/** The connection stood already: what is left is that the answer did not come, or was none. */
function failureOf(error: Error): UpstreamFailure {
  if (refusesClient(error)) return 'tls_alert';
  const { code } = error as NodeJS.ErrnoException;
  return code?.startsWith('HPE_') ? 'protocol' : 'reset';
}

/** http-proxy-3 sends on what stands in `headers`. */
function addLines(response: IncomingMessage, lines: string): void {
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(': ');
    if (colon < 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 2);
    if (name === 'set-cookie') response.headers['set-cookie'] = [...(response.headers['set-cookie'] ?? []), value];
    else response.headers[name] = value;
  }
}
