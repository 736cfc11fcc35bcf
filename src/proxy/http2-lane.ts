import type { BlockList, Socket } from 'node:net';
import { DownstreamConnection } from '../http1/downstream-connection.ts';
import type { Malformed } from '../http2/request-head.ts';
import { ServerSession, type SessionHandler } from '../http2/server-session.ts';
import type { StreamServer } from '../http2/stream-socket.ts';
import type { Farewells } from './farewell.ts';
import { ForwardingFields } from './forwarding.ts';
import type { Gateway } from './gateway.ts';
import type { ListenerOptions } from './messages.ts';

/** A connection that is to be served. */
export interface Http2Client {
  /** Its address. */
  readonly client: string;
  readonly listener: ListenerOptions;
  readonly trust: BlockList | null;
}

/** Where the listener's options say nothing: it stopped to offer HTTP/2 while the client agreed on it. */
const STREAMS = 100;

/** The HTTP/2 connections of a listener. Each of their requests is served as a connection of its own. */
export class Http2Lane {
  readonly #gateway: Gateway;
  readonly #sessions = new Set<ServerSession>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Returns the session, which lasts until both sides have gone. */
  accept(socket: Socket, of: Http2Client): ServerSession {
    const { timeouts, limits, http2 } = of.listener;
    const session = new ServerSession(socket, {
      client: of.client,
      options: { timeouts, limits: { ...limits, streams: http2?.streams ?? STREAMS } },
      deadlines: this.#gateway.deadlines,
      handler: this.#handler(of, () => this.#sessions.delete(session)),
    });
    this.#sessions.add(session);
    return session;
  }

  /** Tells every client when to go. */
  dismiss(farewells: Farewells): void {
    for (const session of this.#sessions) session.dismiss(farewells.at(Math.random()));
  }

  sweep(nowMs: number): void {
    for (const session of this.#sessions) session.sweep(nowMs);
  }

  /** Closes so many of the sessions that carry no request, those that were there first. */
  relieve(count: number): void {
    let left = count;
    for (const session of this.#sessions) {
      if (left === 0) return;
      if (session.streams > 0) continue;
      session.close();
      left--;
    }
  }

  destroyAll(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #handler({ client, listener, trust }: Http2Client, onClosed: () => void): SessionHandler {
    const gateway = this.#gateway;
    const { pseudonym } = gateway;
    const secure = listener.tls !== undefined;
    const forwarding = new ForwardingFields(client, trust, { pseudonym, secure, http2: true });
    const { bodyBytes } = listener.limits;
    return {
      serve: (socket) => {
        const connection = new DownstreamConnection(socket, listener, gateway, gateway.deadlines);
        connection.context = { exchange: null, forwarding, secure, bodyBytes, onClosed: noop };
        return new StreamConnection(connection, gateway);
      },
      onClosed,
    };
  }
}

/** Serves the requests that one stream after another carries. */
class StreamConnection implements StreamServer {
  readonly #connection: DownstreamConnection;
  readonly #gateway: Gateway;

  constructor(connection: DownstreamConnection, gateway: Gateway) {
    this.#connection = connection;
    this.#gateway = gateway;
  }

  get idle(): boolean {
    return this.#connection.idle;
  }

  refuse({ status, detail }: Malformed): void {
    this.#connection.receivedAtMs = performance.now();
    this.#gateway.onRefused(this.#connection, status, detail);
  }
}

function noop(): void {}
