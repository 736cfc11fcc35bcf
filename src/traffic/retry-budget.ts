/**
 * Bounds retries to a share of recent requests, so that retries cannot multiply an outage (after Envoy's and Finagle's
 * retry budgets): a token bucket that each request fills by `share` and each retry empties by one. It starts with, and
 * never falls behind by idling below, `MINIMUM` retries.
 */
const MINIMUM = 3;
const CAPACITY = 100;

export class RetryBudget {
  #share: number;
  #tokens = MINIMUM;

  constructor(share: number) {
    this.#share = share;
  }

  setShare(share: number): void {
    this.#share = share;
  }

  onRequest(): void {
    this.#tokens = Math.min(this.#tokens + this.#share, CAPACITY);
  }

  /** Takes one retry if the budget has one. */
  tryRetry(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Called about once a second: the minimum is per second, as a trickle of traffic must be able to retry too. */
  refill(): void {
    if (this.#tokens < MINIMUM) this.#tokens = MINIMUM;
  }
}
