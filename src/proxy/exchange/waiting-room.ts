/** A request that waits for a place on a target. */
export interface Waiter {
  /** A place is free, or the routes have changed; it no longer waits, and may come again. */
  onTurn(): void;
}

/**
 * The queue in front of an upstream whose targets all have as many requests as they may: first come, first served, and
 * never longer than `places`. It outlives routing tables.
 */
export class WaitingRoom {
  /** Most that may wait. */
  places = 0;
  /** Whether a target of the upstream can take one more, as the table in force has it. */
  isFree: () => boolean = () => false;

  readonly #onChange: (waiting: number) => void;
  readonly #waiting = new Set<Waiter>();
  #called = false;
  #everyone = false;

  /** `onChange` is told how many wait. */
  constructor(onChange: (waiting: number) => void) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** False when it is full. */
  enter(waiter: Waiter): boolean {
    if (this.#waiting.size >= this.places) return false;
    this.#waiting.add(waiter);
    this.#onChange(this.#waiting.size);
    return true;
  }

  leave(waiter: Waiter): void {
    if (this.#waiting.delete(waiter)) this.#onChange(this.#waiting.size);
  }

  /** A place may have become free. Said in the midst of other work, so it is looked at when that is done. */
  call(): void {
    if (this.#waiting.size === 0 || this.#called) return;
    this.#called = true;
    queueMicrotask(this.#serve);
  }

  /** Where requests may go has changed: everyone asks again, in order. */
  recall(): void {
    this.#everyone = this.#waiting.size > 0;
    this.call();
  }

  readonly #serve = (): void => {
    const everyone = this.#everyone;
    this.#called = false;
    this.#everyone = false;
    if (everyone) {
      // All leave before the first asks again, so that those who must go on waiting keep their order.
      const all = [...this.#waiting];
      this.#waiting.clear();
      for (const waiter of all) waiter.onTurn();
    } else {
      let turns = this.#waiting.size; // one that has to wait again comes last, and is not asked twice
      for (const waiter of this.#waiting) {
        if (turns-- === 0 || !this.isFree()) break;
        this.#waiting.delete(waiter);
        waiter.onTurn();
      }
    }
    this.#onChange(this.#waiting.size);
  };
}
