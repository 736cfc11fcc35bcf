/** A client that asked for 100 Continue and hears nothing gets it from us after this long (RFC 9110 §10.1.1). */
const CONTINUE_AFTER_MS = 1000;
/** A client that closed its sending side may have left altogether: it gets this long for an answer to begin. */
const HALF_CLOSED_MS = 2000;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * What a request in progress is due for. `cut`: its target, or the gate, waits no longer for it; `gone`: its client
 * seems to have left; `continue`: its client waits for 100 Continue; `place`: it has waited in vain for a place on a
 * target; `response`: the target has not answered in time.
 */
export type Due = 'cut' | 'gone' | 'continue' | 'place' | 'response';

/**
 * Until when a request in progress waits for what: `performance.now()` times, Infinity for what it does not wait for.
 * One object serves the requests of a connection in turn.
 */
export class RequestDeadlines {
  readonly #clientMs: number;
  #responseAtMs = NEVER;
  #continueAtMs = NEVER;
  #halfClosedAtMs = NEVER;

  /** `clientMs`: how long a client may take nothing. */
  constructor(clientMs: number) {
    this.#clientMs = clientMs;
  }

  reset(): void {
    this.#responseAtMs = NEVER;
    this.#continueAtMs = NEVER;
    this.#halfClosedAtMs = NEVER;
  }

  /** The target is to answer by then. */
  awaitResponse(byMs: number): void {
    this.#responseAtMs = byMs;
  }

  /** It is not the target that is waited for. */
  forgetResponse(): void {
    this.#responseAtMs = NEVER;
  }

  /** The client, whose request came at `receivedAtMs`, sends the body when it is told to, or tired of waiting. */
  awaitContinue(receivedAtMs: number): void {
    this.#continueAtMs = receivedAtMs + CONTINUE_AFTER_MS;
  }

  /** A 100 (Continue) is about to be sent. False: it was not asked for, or one has been sent (RFC 9110 §15.2). */
  takeContinue(): boolean {
    const isWanted = this.#continueAtMs !== NEVER;
    this.#continueAtMs = NEVER;
    return isWanted;
  }

  /** The final response head came. */
  answered(): void {
    this.#responseAtMs = NEVER;
    this.#continueAtMs = NEVER;
    if (this.halfClosed) this.awaitMore();
  }

  /** The client has closed its sending side. */
  get halfClosed(): boolean {
    return this.#halfClosedAtMs !== NEVER;
  }

  /** The client has closed its sending side, and no answer has begun. */
  awaitAnswer(): void {
    this.#halfClosedAtMs = performance.now() + HALF_CLOSED_MS;
  }

  /** The client has closed its sending side, and part of the answer is being written to it: there is to be more. */
  awaitMore(): void {
    this.#halfClosedAtMs = performance.now() + this.#clientMs;
  }

  /** When something is due next. `cutAtMs`, `placeAtMs`: see {@link Due}. */
  next(cutAtMs: number, placeAtMs: number): number {
    return Math.min(this.#responseAtMs, this.#continueAtMs, this.#halfClosedAtMs, cutAtMs, placeAtMs);
  }

  /** The gravest of what is due; null when nothing is. */
  due(nowMs: number, cutAtMs: number, placeAtMs: number): Due | null {
    if (nowMs >= cutAtMs) return 'cut';
    if (nowMs >= this.#halfClosedAtMs) return 'gone';
    if (nowMs >= this.#continueAtMs) return 'continue';
    if (nowMs >= placeAtMs) return 'place';
    return nowMs >= this.#responseAtMs ? 'response' : null;
  }
}
