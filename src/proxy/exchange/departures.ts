/** A request that is ready to be sent to a target. */
export interface Departing {
  /** It is its turn. */
  onDeparture(): void;
}

/** So many requests are sent with no answer between them before the next ones wait. */
const AT_ONCE = 32;
/** Of those that wait, so many are sent in each turn of the event loop. */
const PER_TURN = 4;

/**
 * In which order one worker sends requests and passes on answers. Node.js tells of all that has come since it last looked,
 * so that the requests of a burst would all be sent before the first answer is looked at, and what serves that one would
 * have left the processor's cache by then. Beyond AT_ONCE they wait, first come, first served, and a few go in each turn
 * of the event loop; what was answered is passed on between them.
 */
export class Departures {
  readonly #waiting = new Set<Departing>();
  /** Sent since the last answer. */
  #sent = 0;
  /** A turn is coming. */
  #called = false;

  /** False: it goes at once. Otherwise its turn comes in this or one of the next turns of the event loop, unless it leaves. */
  enter(request: Departing): boolean {
    if (this.#waiting.size === 0 && this.#sent < AT_ONCE) {
      this.#sent++;
      return false;
    }
    this.#waiting.add(request);
    this.#call();
    return true;
  }

  /** The request is over, whether it waited or not. */
  leave(request: Departing): void {
    if (this.#waiting.size > 0) this.#waiting.delete(request);
  }

  /** An answer has come. */
  onAnswer(): void {
    this.#sent = 0;
  }

  #call(): void {
    if (this.#called) return;
    this.#called = true;
    setImmediate(this.#sendSome);
  }

  readonly #sendSome = (): void => {
    this.#called = false;
    this.#sent = 0;
    for (const request of this.#waiting) {
      if (this.#sent === PER_TURN) break;
      this.#sent++;
      this.#waiting.delete(request);
      request.onDeparture();
    }
    if (this.#waiting.size > 0) this.#call();
  };
}
