import type { Fuse } from './snapshot.ts';

/**
 * The worker's own count against a {@link Fuse}. Once blown it stays blown until a fuse with another id arrives.
 */
export class FuseState {
  readonly fuse: Fuse;
  blown = false;
  #trials = 0;
  #errors = 0;

  constructor(fuse: Fuse) {
    this.fuse = fuse;
  }

  /** Counts one judged attempt; true if this one blew the fuse. */
  record(failed: boolean): boolean {
    if (this.blown) return false;
    this.#trials++;
    if (!failed) return false;
    this.#errors++;
    const limit = this.fuse.limits[this.#trials - 1];
    this.blown = limit !== undefined && this.#errors >= limit;
    return this.blown;
  }
}
