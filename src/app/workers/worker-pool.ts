import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress, overlaps } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/config.ts';
import type { Clock } from '../../platform/clock.ts';
import { TealgateError } from '../../platform/errors.ts';
import type { ListenerOptions } from '../../proxy/messages.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { RoutingSnapshot } from '../../traffic/snapshot.ts';
import type { Overview } from '../control-plane.ts';
import { assignListeners, type KnownListener, withPorts } from './listener-options.ts';
import { probeAddress } from './probe-address.ts';
import {
  type BoundAddress,
  type DrainLimits,
  startThread,
  type WorkerExit,
  type WorkerReport,
  type WorkerThread,
} from './worker-thread.ts';

/** The data plane as the control plane sees it: N threads that serve the same snapshot on the same ports. */
export interface WorkerPool {
  /** Throws `address_in_use` when another process listens on one of these. */
  expectFree(listeners: readonly ListenerConfig[]): Promise<void>;
  /** Begins at once, and resolves when every worker serves. Throws as `expectFree` does and leaves nothing behind. */
  start(snapshot: RoutingSnapshot, listeners: readonly ListenerConfig[]): Promise<void>;
  /** Resolves when every worker has installed it; one that dies meanwhile is not waited for. */
  publish(snapshot: RoutingSnapshot): Promise<void>;
  /**
   * Adds, removes and changes listeners; throws `address_in_use` with the old ones still served. `spreadMs`: longest time
   * over which clients of removed ones are let go.
   */
  listen(listeners: readonly ListenerConfig[], spreadMs: number): Promise<void>;
  addresses(): readonly BoundAddress[];
  status(): Overview['workers'];
  /** `cut`: something was left at `cutAtMs` (monotonic). Ends every worker in either case; at once when that is past. */
  stop(limits: DrainLimits): Promise<'drained' | 'cut'>;
}

export interface WorkerPoolOptions {
  readonly workers: number;
  readonly accessLog: boolean;
  /** Most clients of one listener, whatever its own limit says; Infinity for no such bound. */
  readonly mostClients: number;
  readonly unrouted: SharedArrayBuffer;
  /** Random: part of the name that this process has in Via and in request ids. */
  readonly instance: string;
  /** Random: TLS sessions begun at one worker go on at another. */
  readonly ticketKeys: Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onReport: (worker: number, report: WorkerReport) => void;
  /** A worker ended without being asked to; it is called before the next one starts. */
  readonly onDeath: (worker: number) => void;
}

interface Slot {
  readonly index: number;
  thread: WorkerThread | null;
  state: Overview['workers'][number]['state'];
  restarts: number;
  /** Deaths without a good while between them. */
  streak: number;
  servingSinceMs: number;
}

const BACKOFF_MS = { first: 100, most: 5000 };
/** A worker that served this long was sound: the back-off begins anew. */
const SOUND_MS = 30_000;
/** What a worker may take after the deadline for the cutting itself. */
const CUT_GRACE_MS = 1000;

export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { clock, log } = options;
  const ending = new AbortController();
  const slots = Array.from({ length: options.workers }, (_, index): Slot => {
    return { index, thread: null, state: 'starting', restarts: 0, streak: 0, servingSinceMs: 0 };
  });
  let snapshot: RoutingSnapshot;
  let known: readonly KnownListener[] = [];

  const listenerOptions = (): ListenerOptions[] => known.map((listener) => shareOf(listener.options, options));
  const threads = (): WorkerThread[] => slots.flatMap(({ thread }) => thread ?? []);

  const begin = (slot: Slot): Promise<readonly BoundAddress[]> => {
    const start = {
      index: slot.index,
      listeners: listenerOptions(),
      snapshot,
      unrouted: options.unrouted,
      accessLog: options.accessLog,
      instance: options.instance,
      ticketKeys: options.ticketKeys,
      reusePort: options.workers > 1,
    };
    const thread = startThread(start, (report) => options.onReport(slot.index, report));
    slot.thread = thread;
    slot.state = 'starting';
    return thread.listening.then((addresses) => {
      slot.state = 'serving';
      slot.servingSinceMs = clock.monotonicMs();
      void thread.exited.then((exit) => died(slot, exit));
      return addresses;
    });
  };

  const died = (slot: Slot, exit: WorkerExit): void => {
    slot.thread = null;
    if (ending.signal.aborted) return;
    if (clock.monotonicMs() - slot.servingSinceMs > SOUND_MS) slot.streak = 0;
    options.onDeath(slot.index);
    log.error({ event: 'worker.died', worker: slot.index, code: exit.code, err: exit.error }, 'a worker died');
    void restart(slot);
  };

  const restart = async (slot: Slot): Promise<void> => {
    slot.state = 'restarting';
    while (!ending.signal.aborted) {
      const delayMs = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** slot.streak++);
      await sleep(delayMs, undefined, { signal: ending.signal }).catch(() => undefined);
      if (ending.signal.aborted) return;
      slot.restarts++;
      try {
        await begin(slot);
        log.warn({ event: 'worker.restarted', worker: slot.index, restarts: slot.restarts }, 'a worker was restarted');
        return;
      } catch (error) {
        await slot.thread?.terminate();
        slot.thread = null;
        if (ending.signal.aborted) return;
        slot.state = 'restarting';
        log.error(
          { event: 'worker.restart_failed', worker: slot.index, err: error },
          'a worker could not be restarted',
        );
      }
    }
  };

  const end = async (): Promise<void> => {
    ending.abort();
    await Promise.all(threads().map((thread) => thread.terminate()));
  };

  /** Asks the first for the ports that are to be chosen, then all the others, which share them. */
  const spread = async (
    asked: readonly Slot[],
    ask: (slot: Slot) => Promise<readonly BoundAddress[]>,
  ): Promise<void> => {
    const [first, ...others] = asked;
    if (first === undefined) return;
    const chooses = known.some(({ options: { port } }) => port === 0);
    const atOnce = chooses ? [] : others.map(ask);
    known = withPorts(known, await ask(first).catch(after(atOnce)));
    await Promise.all(chooses ? others.map(ask) : atOnce);
  };

  return {
    expectFree: (listeners) => probeNew(assignListeners(listeners, known), known),
    async start(firstSnapshot, listeners) {
      snapshot = firstSnapshot;
      known = assignListeners(listeners, []);
      try {
        await spread(slots, begin);
      } catch (error) {
        await end();
        throw error;
      }
    },
    async publish(next) {
      snapshot = next;
      await Promise.all(threads().map((thread) => thread.install({ type: 'snapshot', snapshot: next })));
    },
    async listen(listeners, spreadMs) {
      if (ending.signal.aborted)
        throw new TealgateError('unavailable', 'the gate is stopping; its listeners stay closed');
      const before = known;
      const next = assignListeners(listeners, before);
      await probeNew(next, before);
      known = next;
      const ask = async (slot: Slot) => (await slot.thread?.listen(listenerOptions(), spreadMs)) ?? [];
      // One that is being restarted begins with what is known by then.
      const askAll = () =>
        spread(
          slots.filter(({ thread }) => thread !== null),
          ask,
        );
      try {
        await askAll();
      } catch (error) {
        known = before;
        await askAll();
        throw error;
      }
    },
    addresses: () => known.map(({ options: { id, host, port } }) => ({ id, host, port })),
    status: () => slots.map(({ index, state, restarts }) => ({ index, state, restarts })),
    async stop({ cutAtMs, spreadMs }) {
      ending.abort();
      const leftMs = cutAtMs - clock.monotonicMs();
      if (leftMs > 0)
        await within(
          leftMs + CUT_GRACE_MS,
          threads().map((thread) => thread.drain({ cutAtMs, spreadMs })),
        );
      const stopped = clock.monotonicMs() < cutAtMs ? 'drained' : 'cut';
      await end();
      return stopped;
    },
  };
}

/** Each worker has its part of the connections, rounded up: it cannot know how many the others have. */
function shareOf(listener: ListenerOptions, { workers, mostClients }: WorkerPoolOptions): ListenerOptions {
  const connections = Math.ceil(Math.min(listener.limits.connections, mostClients) / workers);
  return { ...listener, limits: { ...listener.limits, connections } };
}

/** Waits for all, but no longer than `ms`. */
async function within(ms: number, all: readonly Promise<void>[]): Promise<void> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([Promise.all(all), late]);
  timer.abort();
}

async function probeNew(next: readonly KnownListener[], before: readonly KnownListener[]): Promise<void> {
  const had = new Set(before.map(({ options }) => options.id));
  const added = next.filter(({ options }) => !had.has(options.id) && options.port !== 0);
  for (const { options } of added) {
    const open = before.find((listener) => overlaps(listener.options, options));
    if (open !== undefined) throw overlapError(options, open.options);
  }
  await Promise.all(added.map(({ options }) => probeAddress(options.host, options.port)));
}

/** The one cannot be opened before the other is closed, and between the two there would be none. */
function overlapError(wanted: ListenerOptions, open: ListenerOptions): TealgateError {
  const address = formatAddress(wanted);
  const message = `this gate listens on ${formatAddress(open)}, which ${address} cannot take the place of while it runs; restart it, or choose another port`;
  return new TealgateError('address_in_use', message, { details: { address } });
}

/** The first failure is the one to tell; the others are waited for, so that none is left unhandled. */
function after(others: readonly Promise<unknown>[]): (error: unknown) => Promise<never> {
  return async (error) => {
    await Promise.allSettled(others);
    throw error;
  };
}
