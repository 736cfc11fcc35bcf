import type { StoredEvent } from './store.ts';

interface Watcher {
  cursor: number;
  readonly onEvents: (events: readonly StoredEvent[]) => void;
}

/**
 * Followers of the event log, each at its own place in it. They are called after the commit has returned, from a
 * microtask: a follower that throws is an uncaught exception of its own and never fails a commit that is durable. A log
 * that cannot be read is a warning.
 */
export class Watchers {
  readonly #read: (since: number) => readonly StoredEvent[];
  readonly #watchers = new Set<Watcher>();
  #readable = true;

  constructor(read: (since: number) => readonly StoredEvent[]) {
    this.#read = read;
  }

  add(since: number, onEvents: Watcher['onEvents'], signal: AbortSignal): void {
    if (signal.aborted) return;
    const watcher: Watcher = { cursor: since, onEvents };
    this.#watchers.add(watcher);
    signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true });
    queueMicrotask(() => this.#deliver(watcher));
  }

  wake(): void {
    for (const watcher of this.#watchers) queueMicrotask(() => this.#deliver(watcher));
  }

  close(): void {
    this.#watchers.clear();
  }

  #deliver(watcher: Watcher): void {
    while (this.#watchers.has(watcher)) {
      const events = this.#tryRead(watcher.cursor);
      const last = events.at(-1);
      if (last === undefined) return;
      watcher.cursor = last.id;
      watcher.onEvents(events);
    }
  }

  /** A log that cannot be read now is read again with the next commit: the trail must not stop the traffic. */
  #tryRead(since: number): readonly StoredEvent[] {
    try {
      const events = this.#read(since);
      this.#readable = true;
      return events;
    } catch (error) {
      if (this.#readable) process.emitWarning(`the event log of the store cannot be read: ${String(error)}`);
      this.#readable = false;
      return [];
    }
  }
}
