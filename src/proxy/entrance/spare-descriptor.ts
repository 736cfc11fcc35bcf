import { closeSync, openSync } from 'node:fs';

/**
 * A file descriptor held back for when there is no other left: with it a client can be let in to be turned away. A client
 * that cannot even be turned away stays at the door, and the event loop would look there again and again, in vain.
 */
export class SpareDescriptor {
  #descriptor: number | null = null;

  constructor() {
    this.regain();
  }

  /** Gives it up; false when there was none. */
  release(): boolean {
    if (this.#descriptor === null) return false;
    closeSync(this.#descriptor);
    this.#descriptor = null;
    return true;
  }

  /** Holds one back again, if there is one to be had. */
  regain(): void {
    if (this.#descriptor !== null) return;
    try {
      this.#descriptor = openSync('/dev/null', 'r');
    } catch {
      // Still none: the next to regain it may be luckier.
    }
  }
}
