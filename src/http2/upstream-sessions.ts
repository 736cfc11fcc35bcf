import type { ConnectFailure } from '../http1/connect-failure.ts';
import type { Deadlines } from '../http1/deadlines.ts';
import type { LinksOptions, UpstreamHandler, UpstreamLink, UpstreamLinks } from '../http1/upstream-link.ts';
import type { UpstreamTls } from '../http1/upstream-tls.ts';
import { type SessionOwner, UpstreamSession } from './upstream-session.ts';
import { UpstreamStream } from './upstream-stream.ts';

/** Most requests that wait for the same session to open, until we know how many it takes. */
const MAX_WAITING = 100;

/**
 * The HTTP/2 sessions with one target. The oldest one with room is used first, so that surplus ones fall idle and close;
 * another one is opened when none has room.
 */
export class UpstreamSessions implements SessionOwner, UpstreamLinks {
  readonly upgradable = false;
  readonly host: string;
  readonly port: number;
  idleMs: number;
  readonly #deadlines: Deadlines;
  readonly #onOpenChange: (open: number) => void;
  /** Oldest first. */
  readonly #sessions: UpstreamSession[] = [];
  /** As many as the peer allowed last. */
  #expected = MAX_WAITING;
  #closing = false;
  #tls: UpstreamTls | null = null;

  constructor(options: LinksOptions) {
    this.host = options.host;
    this.port = options.port;
    this.idleMs = options.idleMs;
    this.#deadlines = options.deadlines;
    this.#onOpenChange = options.onOpenChange;
  }

  get tls(): UpstreamTls | null {
    return this.#tls;
  }

  useTls(tls: UpstreamTls): void {
    this.#tls = tls;
    this.closeIdle();
  }

  set closing(closing: boolean) {
    this.#closing = closing;
    if (closing) this.closeIdle();
  }

  closeIdle(): void {
    for (const session of [...this.#sessions]) if (session.isIdle) session.close();
  }

  takeIdle(handler: UpstreamHandler): UpstreamLink | null {
    for (const session of this.#sessions) {
      if (session.hasRoom && session.tls === this.#tls) return UpstreamStream.onOpen(session, handler, this.#deadlines);
    }
    return null;
  }

  connect(handler: UpstreamHandler, connectTimeoutMs: number): UpstreamLink {
    const deadlineMs = performance.now() + connectTimeoutMs;
    return UpstreamStream.waiting(this.#connecting(), handler, this.#deadlines, deadlineMs);
  }

  onOpen(session: UpstreamSession): void {
    this.#expected = Math.max(session.limit, 1);
    for (const stream of [...session.waiting]) {
      if (session.hasRoom) stream.onSession();
      else if (session.limit === 0) stream.onSessionFailed('connect_failed');
      else stream.waitFor(this.#connecting());
    }
    if (session.isIdle) this.onIdle(session);
  }

  onFailed(session: UpstreamSession, failure: ConnectFailure): void {
    for (const stream of [...session.waiting]) stream.onSessionFailed(failure);
  }

  onIdle(session: UpstreamSession): void {
    if (this.#closing || session.tls !== this.#tls) session.close();
    else session.deadlineMs = performance.now() + this.idleMs;
  }

  onClosed(session: UpstreamSession): void {
    const index = this.#sessions.indexOf(session);
    if (index >= 0) this.#sessions.splice(index, 1);
    this.#onOpenChange(this.#sessions.length);
  }

  #connecting(): UpstreamSession {
    for (const session of this.#sessions) {
      const isRight = session.isConnecting && !session.isLate && session.tls === this.#tls;
      if (isRight && session.waiting.size < this.#expected) return session;
    }
    const session = new UpstreamSession(this, this.#deadlines);
    this.#sessions.push(session);
    this.#onOpenChange(this.#sessions.length);
    return session;
  }
}
