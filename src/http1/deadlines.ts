/** Something that must act by a point in time. `deadlineMs` is `performance.now()` time, Infinity for none. */
export interface Timed {
  deadlineMs: number;
  /** Called by a sweep at or after the deadline; sets a new one or ends. */
  onDeadline(nowMs: number): void;
  /** Place in the list; owned by {@link Deadlines}. */
  deadlineIndex: number;
}

/**
 * All deadlines of a thread in one list that one timer sweeps. Arming a deadline is a store to a number, against about
 * a microsecond for a timer each; the price is that a deadline is met up to one sweep late.
 */
export class Deadlines<T extends Timed = Timed> {
  readonly #list: T[] = [];

  get size(): number {
    return this.#list.length;
  }

  add(timed: T): void {
    timed.deadlineIndex = this.#list.length;
    this.#list.push(timed);
  }

  remove(timed: T): void {
    const index = timed.deadlineIndex;
    if (index < 0) return;
    timed.deadlineIndex = -1;
    const last = this.#list.pop();
    if (last === undefined || last === timed) return;
    this.#list[index] = last;
    last.deadlineIndex = index;
  }

  each(visit: (timed: T) => void): void {
    for (let i = this.#list.length - 1; i >= 0; i--) {
      const timed = this.#list[i];
      if (timed !== undefined) visit(timed);
    }
  }

  /** Backwards, because what is due may remove itself. */
  sweep(nowMs: number): void {
    for (let i = this.#list.length - 1; i >= 0; i--) {
      const timed = this.#list[i];
      if (timed !== undefined && timed.deadlineMs <= nowMs) timed.onDeadline(nowMs);
    }
  }
}
