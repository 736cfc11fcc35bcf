/** A request that is ready to be sent to a target. */
export interface Departing {
  /** It is its turn. */
  onDeparture(): void;
  /** Place in the queue, -1 while it does not wait; owned by {@link Departures}. */
  departureIndex: number;
}

/** So many requests are sent with no answer between them before the next ones wait. */
const AT_ONCE = 64;
/** Of those that wait, so many are sent in each turn of the event loop. */
const PER_TURN = 16;
/** The queue is cut where it begins when so many have gone, lest it grow for as long as it is never empty. */
const CUT_AT = 1024;

/**
 * In which order one worker sends requests and passes on answers. Node.js tells of all that has come since it last looked,
 * so that the requests of a burst would all be sent before the first answer is looked at, and what serves that one would
 * have left the processor's cache by then. Beyond AT_ONCE they wait, first come, first served, and some go in each turn
 * of the event loop; what was answered is passed on between them.
 */
export class Departures {
  /** In the order in which they came; up to `#next` they have gone, and null stands for one that has left. */
  readonly #queue: (Departing | null)[] = [];
  /** Place of the first one in it. */
  #first = 0;
  #next = 0;
  /** Sent since the last answer. */
  #sent = 0;
  /** A turn is coming. */
  #called = false;

  /** False: it goes at once. Otherwise its turn comes in this or one of the next turns of the event loop, unless it leaves. */
  enter(request: Departing): boolean {
    if (this.#queue.length === 0 && this.#sent < AT_ONCE) {
      this.#sent++;
      return false;
    }
    request.departureIndex = this.#first + this.#queue.length;
    this.#queue.push(request);
    this.#call();
    return true;
  }

  /** The request is over. */
  leave(request: Departing): void {
    if (request.departureIndex < 0) return;
    this.#queue[request.departureIndex - this.#first] = null;
    request.departureIndex = -1;
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
    const queue = this.#queue;
    this.#called = false;
    this.#sent = 0;
    while (this.#sent < PER_TURN && this.#next < queue.length) {
      const request = queue[this.#next++];
      if (request == null) continue;
      this.#sent++;
      request.departureIndex = -1;
      request.onDeparture();
    }
    if (this.#next === queue.length || this.#next >= CUT_AT) this.#cut();
    if (queue.length > 0) this.#call();
  };

  #cut(): void {
    this.#queue.splice(0, this.#next);
    this.#first = this.#queue.length === 0 ? 0 : this.#first + this.#next;
    this.#next = 0;
  }
}
