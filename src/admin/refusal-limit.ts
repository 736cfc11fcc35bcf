import { TealgateError } from '../platform/errors.ts';

/** Refusals at once, and after that per second. */
const BURST = 20;
const PER_SECOND = 1;

/**
 * Bounds how often strangers are told that a link is wrong. What is right is never held up, so that nobody can lock
 * others out by guessing.
 */
export class RefusalLimit {
  readonly #nowMs: () => number;
  #left = BURST;
  #atMs: number;

  /** @param nowMs monotonic */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#atMs = nowMs();
  }

  /** The refusal itself, or `too_many_requests` when there have been too many. */
  count(refusal: TealgateError): TealgateError {
    const nowMs = this.#nowMs();
    this.#left = Math.min(BURST, this.#left + ((nowMs - this.#atMs) / 1000) * PER_SECOND);
    this.#atMs = nowMs;
    if (this.#left < 1) return new TealgateError('too_many_requests', 'too many links were refused; wait a minute');
    this.#left--;
    return refusal;
  }
}
