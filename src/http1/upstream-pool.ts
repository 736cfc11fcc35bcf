import { recentClockMs } from '../platform/clock.ts';
import type { Deadlines } from './deadlines.ts';
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts';
import type { LinksOptions, UpstreamHandler, UpstreamLinks } from './upstream-link.ts';
import type { UpstreamTls } from './upstream-tls.ts';

/** Idle connections kept per target and worker; more are closed when they fall idle. */
const MAX_IDLE = 256;

/**
 * The connections to one target. The one that fell idle last is used first, so that surplus ones age and close.
 */
export class UpstreamPool implements ConnectionOwner, UpstreamLinks {
  readonly upgradable = true;
  readonly host: string;
  readonly port: number;
  /** Open connections, idle or not. */
  open = 0;
  readonly #deadlines: Deadlines;
  readonly #idle: UpstreamConnection[] = [];
  readonly #onOpenChange: (open: number) => void;
  #idleMs: number;
  #closing = false;
  #tls: UpstreamTls | null = null;

  constructor(options: LinksOptions) {
    this.host = options.host;
    this.port = options.port;
    this.#idleMs = options.idleMs;
    this.#deadlines = options.deadlines;
    this.#onOpenChange = options.onOpenChange;
  }

  set idleMs(idleMs: number) {
    this.#idleMs = idleMs;
  }

  get tls(): UpstreamTls | null {
    return this.#tls;
  }

  useTls(tls: UpstreamTls): void {
    this.#tls = tls;
    this.closeIdle();
  }

  /** An idle connection, or null. */
  takeIdle(handler: UpstreamHandler): UpstreamConnection | null {
    const connection = this.#idle.pop();
    if (connection === undefined) return null;
    connection.assign(handler);
    return connection;
  }

  /** A new connection; `handler.onConnected` follows, or a failure. */
  connect(handler: UpstreamHandler, connectTimeoutMs: number): UpstreamConnection {
    this.#count(1);
    return new UpstreamConnection(this, handler, this.#deadlines, connectTimeoutMs);
  }

  onIdle(connection: UpstreamConnection): void {
    if (this.#closing || connection.tls !== this.#tls || this.#idle.length >= MAX_IDLE) {
      connection.destroy();
      return;
    }
    connection.deadlineMs = recentClockMs() + Math.min(this.#idleMs, connection.keepAliveMs);
    this.#idle.push(connection);
  }

  onClosed(connection: UpstreamConnection): void {
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#count(-1);
  }

  /** While closing, idle connections are closed at once and others as soon as they fall idle. */
  set closing(closing: boolean) {
    this.#closing = closing;
    if (closing) this.closeIdle();
  }

  closeIdle(): void {
    for (const connection of [...this.#idle]) connection.destroy();
  }

  #count(change: number): void {
    this.open += change;
    this.#onOpenChange(this.open);
  }
}
