import { setTimeout as delay } from 'node:timers/promises';
import { Wakeup } from '../../platform/wakeup.ts';
import type { Store } from '../../store/store.ts';
import { toDelivery } from './compose.ts';
import { type CourierParts, deliver } from './courier.ts';
import { isWanted } from './subscription.ts';

export interface NotifierParts extends Omit<CourierParts, 'outbox' | 'arrived'> {
  readonly store: Pick<Store<unknown>, 'events' | 'latestEvent' | 'outbox'>;
  /** A new id for each notification. */
  readonly newId: () => string;
}

/** Events read at once. */
const BATCH = 200;
/** After the store failed. */
const REST_MS = 1000;
/** Nothing waits; a wake-up that was missed is made good by then. */
const IDLE_MS = 60_000;

/**
 * Tells webhooks of events, each at least once: what is wanted is queued in the store, and stays there until its receiver
 * has answered with 2xx. Receivers do not wait for each other; one's notifications are sent one after the other.
 */
export class Notifier {
  readonly #parts: NotifierParts;
  readonly #wakeup = new Wakeup();
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #arrived = new Set<string>();

  constructor(parts: NotifierParts) {
    this.#parts = parts;
  }

  /** Resolves when the signal has ended and nothing is being sent any more. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#wakeup.sleep(this.#look(signal), signal);
    }
    await Promise.all(this.#lanes.values());
  }

  /**
   * Events were committed. Queues them at once, before anything else can be: so nobody misses the first event after a
   * reload that names them. Never throws; what fails now is tried again.
   */
  notice(): void {
    try {
      this.#collect();
    } catch (err) {
      this.#heldUp(err);
    }
    this.wake();
  }

  /** There may be something to send. */
  wake(): void {
    this.#wakeup.wake();
  }

  /** Ms until the next look. */
  #look(signal: AbortSignal): number {
    try {
      this.#collect();
      return this.#startLanes(signal);
    } catch (err) {
      this.#heldUp(err);
      return REST_MS;
    }
  }

  #heldUp(err: unknown): void {
    this.#parts.log.error({ event: 'notification.failed', err }, 'notifications are held up; trying again');
  }

  /** Queues what is wanted of the events since the last time. Who begins to ask is not told of what was before. */
  #collect(): void {
    const { store, config, newId } = this.#parts;
    const { outbox } = store;
    const { notifications } = config();
    const before = outbox.cursor();
    if (notifications.length === 0) {
      if (before !== null) outbox.queue(null, []);
      return;
    }
    let cursor = before ?? store.latestEvent();
    if (before === null) outbox.queue(cursor, []);
    for (;;) {
      const events = store.events(cursor, BATCH);
      const last = events.at(-1);
      if (last === undefined) return;
      cursor = last.id;
      const deliveries = events.flatMap((event) =>
        notifications.filter((wanted) => isWanted(wanted, event)).map((wanted) => toDelivery(event, wanted, newId())),
      );
      outbox.queue(cursor, deliveries);
    }
  }

  /** Ms until something is due for which nobody is at work. */
  #startLanes(signal: AbortSignal): number {
    const { store, clock } = this.#parts;
    const now = clock.wallMs();
    let waitMs = IDLE_MS;
    for (const to of store.outbox.waiting()) {
      if (this.#lanes.has(to)) continue;
      const dueAt = store.outbox.next(to)?.dueAt ?? now;
      if (dueAt > now) waitMs = Math.min(waitMs, dueAt - now);
      else this.#lanes.set(to, this.#lane(to, signal));
    }
    return waitMs;
  }

  /** Sends to one receiver what is due, until nothing is. */
  async #lane(to: string, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#parts;
    const { outbox } = store;
    try {
      while (!signal.aborted) {
        const delivery = outbox.next(to);
        if (delivery === null || (delivery.dueAt ?? 0) > clock.wallMs()) break;
        await deliver(delivery, { ...this.#parts, outbox, arrived: this.#arrived }, signal);
      }
    } catch (err) {
      if (!signal.aborted) this.#heldUp(err);
      // Not at once: what is due still would fail in the same way.
      await delay(REST_MS, undefined, { signal }).catch(() => undefined);
    }
    this.#lanes.delete(to);
    this.wake();
  }
}
