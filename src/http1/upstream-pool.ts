import { recentClockMs } from '../platform/clock.ts';
import type { Deadlines } from './deadlines.ts';
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts';
import type { LinksOptions, UpstreamHandler, UpstreamLinks } from './upstream-link.ts';
import type { UpstreamTls } from './upstream-tls.ts';

/** Idle connections kept per target and worker for as long as they may idle. */
const KEPT_IDLE = 256;
/**
 * What is above it stays for a moment: the next burst needs it, and to connect anew costs more than a request does. Each one
 * stays a little less than the one below it, so that they do not all close at once.
 */
const SURPLUS_MS = { longest: 4000, shortest: 1000, step: 4 };

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

  /** An idle connection, or null. Behind a pause of ours, the target may be about to close those that are overdue. */
  takeIdle(handler: UpstreamHandler): UpstreamConnection | null {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.deadlineMs > recentClockMs()) {
        connection.assign(handler);
        return connection;
      }
      connection.destroy();
    }
    return null;
  }

  /** A new connection; `handler.onConnected` follows, or a failure. */
  connect(handler: UpstreamHandler, connectTimeoutMs: number): UpstreamConnection {
    this.#count(1);
    return new UpstreamConnection(this, handler, this.#deadlines, connectTimeoutMs);
  }

  onIdle(connection: UpstreamConnection): void {
    if (this.#closing || connection.tls !== this.#tls) {
      connection.destroy();
      return;
    }
    const idleMs = Math.min(this.#idleMs, connection.keepAliveMs, surplusMs(this.#idle.length - KEPT_IDLE));
    connection.deadlineMs = recentClockMs() + idleMs;
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

/** How long the connection may idle that finds so many above the kept ones; they are none below 0. */
function surplusMs(above: number): number {
  if (above < 0) return Number.POSITIVE_INFINITY;
  return Math.max(SURPLUS_MS.longest - SURPLUS_MS.step * above, SURPLUS_MS.shortest);
}
