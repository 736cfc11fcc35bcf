import { createServer, type Server, type Socket } from 'node:net';
import { VANISHED_AFTER_MS } from '../../http1/client-socket.ts';
import { DownstreamConnection } from '../../http1/downstream-connection.ts';
import type { ConnectionContext } from '../connection-context.ts';
import type { Farewells } from '../farewell.ts';
import { createTrust, ForwardingFields } from '../forwarding.ts';
import type { Gateway } from '../gateway.ts';
import { Http2Lane } from '../http2-lane.ts';
import type { ListenerOptions, TlsOptions } from '../messages.ts';
import { PrefaceEntrance } from './preface-entrance.ts';
import { ProxyEntrance, type ProxyPolicy, type ProxyProtocol } from './proxy-entrance.ts';
import { isHttp2Agreed, TlsEntrance } from './tls-entrance.ts';

/** Share of the clients that one relief may cost their idle connection. */
const RELIEF = 1 / 8;

/** One address that this worker accepts clients on. */
export class Listener {
  readonly connections = new Set<DownstreamConnection>();
  readonly #tls: TlsEntrance | null;
  /** Stands before TLS. */
  readonly #proxied: ProxyEntrance | null;
  /** Behind the others, on plain listeners that speak HTTP/2. */
  readonly #preface: PrefaceEntrance | null;
  readonly #http2: Http2Lane | null;
  /** Whom TCP sockets carry, where a proxy said so. */
  readonly #clients = new WeakMap<Socket, string>();
  readonly #server: Server;
  readonly #gateway: Gateway;
  #options: ListenerOptions;
  #trust: ReturnType<typeof createTrust>;
  #port = 0;
  /** Set when it is to end. */
  #farewells: Farewells | null = null;

  /** `ticketKeys`: see {@link TlsEntrance}; used where the options have TLS. Throws for a certificate that cannot be used. */
  constructor(options: ListenerOptions, gateway: Gateway, ticketKeys: Buffer) {
    this.#options = options;
    this.#gateway = gateway;
    this.#trust = createTrust(options.trustedProxies);
    this.#tls = options.tls === undefined ? null : this.#entrance(options.tls, ticketKeys);
    this.#proxied = options.proxyProtocol === undefined ? null : this.#proxyEntrance(options.proxyProtocol);
    this.#http2 = options.http2 === undefined ? null : new Http2Lane(gateway);
    this.#preface = this.#http2 === null || this.#tls !== null ? null : this.#prefaceEntrance();
    this.#server = this.#createServer();
    this.#server.maxConnections = options.limits.connections;
  }

  get id(): number {
    return this.#options.id;
  }

  get host(): string {
    return this.#options.host;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections, of either version. */
  get size(): number {
    return this.connections.size + (this.#http2?.size ?? 0);
  }

  /** Neither a connection nor one that is about to be. */
  get empty(): boolean {
    const arriving = (this.#tls?.handshaking ?? 0) + (this.#proxied?.size ?? 0) + (this.#preface?.size ?? 0);
    return this.size === 0 && arriving === 0;
  }

  /**
   * Takes over everything but the address, TLS at all, HTTP/2 at all and the PROXY protocol, for connections from now on. Throws for a
   * certificate that cannot be used, and changes nothing.
   */
  update(options: ListenerOptions): void {
    if (options.tls !== undefined) this.#tls?.update(options.tls, options.timeouts.headMs);
    this.#options = options;
    this.#trust = createTrust(options.trustedProxies);
    this.#proxied?.update(this.#proxyPolicy());
    this.#preface?.update(options.timeouts.headMs);
    this.#server.maxConnections = options.limits.connections;
  }

  listen(reusePort: boolean): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, reusePort, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => this.#onNotAccepted());
        this.#server.on('drop', () => this.#gateway.spare.regain());
        const address = this.#server.address();
        if (typeof address === 'object' && address !== null) this.#port = address.port;
        resolve();
      });
    });
  }

  /** Accepts no more; connections live on. */
  close(): void {
    this.#server.close();
  }

  /** Tells every client when to go: the gate ends, or this listener does. */
  dismiss(farewells: Farewells): void {
    this.#farewells = farewells;
    for (const connection of this.connections) this.#sayFarewell(connection, Math.random());
    this.#http2?.dismiss(farewells);
  }

  /** Closes the connections whose time has come and that carry no request. */
  sweep(nowMs: number): void {
    if (this.#farewells === null) return;
    if (nowMs >= this.#farewells.endMs) this.#abandon();
    for (const connection of this.connections) {
      if (nowMs >= connection.closeAtMs && connection.idle) connection.close();
    }
    this.#http2?.sweep(nowMs);
  }

  /** Closes some of the connections that carry no request, those that were there first. */
  relieve(): void {
    this.#server.maxConnections = this.#options.limits.connections;
    let left = Math.ceil(this.size * RELIEF);
    for (const connection of this.connections) {
      if (left === 0) return;
      if (!connection.idle) continue;
      connection.close();
      left--;
    }
    this.#http2?.relieve(left);
  }

  closeAll(): void {
    this.#abandon();
    for (const connection of this.connections) connection.close();
    this.#http2?.destroyAll();
  }

  /** There is no file descriptor for a client: until the next sweep has made room, whoever comes is turned away. */
  #onNotAccepted(): void {
    const gateway = this.#gateway;
    if (gateway.spare.release()) this.#server.maxConnections = 0;
    else {
      gateway.relieve();
      this.relieve();
    }
    gateway.onShortage(); // last: another listener may wait for that sweep to open again
  }

  #abandon(): void {
    this.#proxied?.abandon();
    this.#tls?.abandon();
    this.#preface?.abandon();
  }

  #sayFarewell(connection: DownstreamConnection, place: number): void {
    if (this.#farewells === null) return;
    const { tellAtMs, closeAtMs } = this.#farewells.at(place);
    connection.tellAtMs = Math.min(tellAtMs, connection.tellAtMs); // a shutdown does not keep whom a reload dismissed
    connection.closeAtMs = Math.min(closeAtMs, connection.closeAtMs);
  }

  #entrance(tls: TlsOptions, ticketKeys: Buffer): TlsEntrance {
    return new TlsEntrance(tls, {
      ticketKeys,
      handshakeMs: this.#options.timeouts.headMs,
      deadlines: this.#gateway.deadlines,
      http2: this.#options.http2 !== undefined,
      onSecure: (socket, carrier) => {
        if (isHttp2Agreed(socket)) this.#acceptHttp2(socket, carrier);
        else this.#accept(socket, carrier);
      },
    });
  }

  #prefaceEntrance(): PrefaceEntrance {
    return new PrefaceEntrance(this.#options.timeouts.headMs, {
      deadlines: this.#gateway.deadlines,
      onKnown: (socket, http2) => {
        if (http2) this.#acceptHttp2(socket, socket);
        else {
          this.#accept(socket, socket);
          socket.resume();
        }
      },
    });
  }

  #createServer(): Server {
    const proxied = this.#proxied;
    if (proxied === null && this.#tls !== null) return this.#tls.server;
    const options = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: VANISHED_AFTER_MS };
    if (proxied !== null) return createServer(options, (socket) => proxied.take(socket));
    const preface = this.#preface;
    if (preface !== null) return createServer(options, (socket) => preface.take(socket));
    return createServer(options, (socket) => this.#accept(socket, socket));
  }

  #proxyPolicy(): ProxyPolicy {
    const { timeouts, limits } = this.#options;
    return { trust: this.#trust, headMs: timeouts.headMs, headBytes: limits.headBytes };
  }

  #proxyEntrance(mode: ProxyProtocol): ProxyEntrance {
    const gateway = this.#gateway;
    return new ProxyEntrance(this.#proxyPolicy(), {
      mode,
      deadlines: gateway.deadlines,
      onPassed: (socket, client) => {
        if (client !== null) this.#clients.set(socket, client);
        this.#enter(socket);
      },
      onRefused: (peer, why) => gateway.onProxyRefused(peer, why),
    });
  }

  /** A paused TCP socket whose next octets are the client's. */
  #enter(socket: Socket): void {
    if (this.#preface !== null) {
      this.#preface.take(socket);
      return;
    }
    if (this.#tls === null) {
      this.#accept(socket, socket);
      socket.resume();
      return;
    }
    socket.allowHalfOpen = false; // as for those that the TLS server accepts itself
    this.#tls.server.emit('connection', socket);
  }

  #accept(socket: Socket, carrier: Socket): void {
    if (socket.remoteAddress === undefined) {
      socket.destroy(); // gone before we looked
      return;
    }
    const gateway = this.#gateway;
    const connection = new DownstreamConnection(socket, this.#options, gateway, gateway.deadlines);
    connection.carrier = carrier;
    const client = this.#carried(carrier);
    if (client !== undefined) connection.remoteAddress = client;
    const secure = this.#tls !== null;
    const context: ConnectionContext = {
      exchange: null,
      forwarding: new ForwardingFields(connection.remoteAddress, this.#trust, {
        pseudonym: gateway.pseudonym,
        secure,
        http2: false,
      }),
      secure,
      bodyBytes: this.#options.limits.bodyBytes,
      onClosed: () => this.connections.delete(connection),
    };
    connection.context = context;
    this.connections.add(connection);
    this.#sayFarewell(connection, 0); // its handshake lasted into the shutdown: its first response is the last
  }

  /** Only where HTTP/2 is spoken. */
  #acceptHttp2(socket: Socket, carrier: Socket): void {
    if (socket.remoteAddress === undefined) {
      socket.destroy(); // gone before we looked
      return;
    }
    const client = this.#carried(carrier) ?? socket.remoteAddress;
    const session = this.#http2?.accept(socket, { client, listener: this.#options, trust: this.#trust });
    if (this.#farewells !== null) session?.dismiss(this.#farewells.at(0));
  }

  /** Whom a TCP socket carries, if a proxy said so. */
  #carried(carrier: Socket): string | undefined {
    return this.#proxied === null ? undefined : this.#clients.get(carrier);
  }
}
