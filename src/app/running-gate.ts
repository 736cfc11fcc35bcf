import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminServer } from '../admin/server.ts';
import type { Logger } from '../telemetry/log.ts';
import type { LineSink } from '../telemetry/stdout.ts';
import type { Composition } from './compose.ts';
import type { ControlPlane } from './control-plane.ts';
import type { BoundAddress } from './workers/worker-thread.ts';

/** `cut`: something was still in flight at the deadline. */
export type Stopped = 'drained' | 'cut';

/** A gate that serves. */
export interface Gate {
  readonly control: ControlPlane;
  /** Where clients connect now; a reload may change it. */
  readonly addresses: readonly BoundAddress[];
  readonly admin: AdminServer['address'];
  /**
   * Readiness fails, then listeners close, requests finish until `shutdown.drainTimeout`, and the rest ends. Calling it
   * again returns the same promise.
   */
  stop(): Promise<Stopped>;
  /** Resolves when the gate has stopped, however it ended. */
  readonly closed: Promise<void>;
}

export interface GateParts {
  readonly parts: Composition;
  readonly control: ControlPlane;
  readonly admin: AdminServer['address'];
  readonly readiness: Readiness;
  /** Ends what the gate does by itself: rollouts, watching the file, sweeping. */
  readonly running: AbortController;
  /** Everything that must be closed at the end. */
  readonly owned: AsyncDisposableStack;
  readonly log: Logger;
  readonly sink: LineSink;
}

/** May take traffic. */
export interface Readiness {
  ready: boolean;
}

export class RunningGate implements Gate {
  readonly control: ControlPlane;
  readonly admin: AdminServer['address'];
  readonly closed: Promise<void>;
  private readonly inside: GateParts;
  private readonly resolveClosed: () => void;
  private stopping: Promise<Stopped> | null = null;

  constructor(inside: GateParts) {
    this.inside = inside;
    this.control = inside.control;
    this.admin = inside.admin;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.resolveClosed = resolve;
  }

  get addresses(): readonly BoundAddress[] {
    return this.inside.parts.pool.addresses();
  }

  stop(): Promise<Stopped> {
    this.stopping ??= this.shutDown().finally(this.resolveClosed);
    return this.stopping;
  }

  /**
   * Readiness fails first; after a delay in which balancers take notice, nothing more is decided and the workers drain;
   * the admin API and the store close last.
   */
  private async shutDown(): Promise<Stopped> {
    const { parts, readiness, running, owned, log, sink } = this.inside;
    const { readinessDelayMs, drainTimeoutMs, closeSpreadMs } = parts.core.current().config.shutdown;
    readiness.ready = false;
    log.info({ event: 'stopping', readinessDelayMs, drainTimeoutMs }, 'stopping');
    if (readinessDelayMs > 0) await sleep(readinessDelayMs);
    running.abort();
    const stopped = await parts.pool.stop({
      cutAtMs: parts.clock.monotonicMs() + drainTimeoutMs,
      spreadMs: closeSpreadMs,
    });
    await owned.disposeAsync();
    log.info({ event: 'stopped', result: stopped }, 'stopped');
    await sink.flush();
    return stopped;
  }
}
