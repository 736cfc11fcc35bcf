import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../telemetry/log.ts';
import type { Composition } from './compose.ts';

export type Stopped = 'drained' | 'cut';

export interface Stoppable {
  readonly parts: Composition;
  /** Ends what the gate does by itself: rollouts, watching the file, sweeping. */
  readonly running: AbortController;
  readonly owned: AsyncDisposableStack;
  readonly log: Logger;
}

/**
 * The order of a shutdown, once readiness fails: a delay in which balancers take notice, then no more decisions, then
 * the workers drain until the deadline, then the admin API and the store close.
 */
export async function stopGate({ parts, running, owned, log }: Stoppable): Promise<Stopped> {
  const { readinessDelayMs, drainTimeoutMs } = parts.core.current().config.shutdown;
  log.info({ event: 'stopping', readinessDelayMs, drainTimeoutMs }, 'stopping');
  if (readinessDelayMs > 0) await sleep(readinessDelayMs);
  running.abort();
  const stopped = await parts.pool.stop(parts.clock.monotonicMs() + drainTimeoutMs);
  await owned.disposeAsync();
  log.info({ event: 'stopped', result: stopped }, 'stopped');
  return stopped;
}
