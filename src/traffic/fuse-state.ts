import type { Fuse } from './snapshot.ts';

/** Requests that may wait on a candidate that has not answered one yet. */
const PROBATION = 8;

/**
 * The worker's own brake on a candidate. It blows by the rule of {@link Fuse} and stays blown until a fuse with another
 * id arrives. Until then it also bounds how many requests wait for the candidate's answer: a few at first, one more for
 * each good answer. Without that bound every client could be waiting on a bad candidate before its first failure is
 * known; with it, a candidate that fails all has had no more requests than PROBATION and those that blew the fuse.
 */
export class FuseState {
  readonly fuse: Fuse;
  blown = false;
  #trials = 0;
  #errors = 0;
  #waiting = 0;
  #answered = 0;

  constructor(fuse: Fuse) {
    this.fuse = fuse;
  }

  /** Whether one more request may go to the candidate now. */
  get admits(): boolean {
    return !this.blown && this.#waiting < PROBATION + this.#answered;
  }

  /** A request goes to the candidate; `onAnswered` or `onUnanswered` follows. */
  onSent(): void {
    this.#waiting++;
  }

  /** A response head below 500 came. */
  onAnswered(): void {
    this.#waiting--;
    this.#answered++;
  }

  /** The request failed, or its client left. */
  onUnanswered(): void {
    this.#waiting--;
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
