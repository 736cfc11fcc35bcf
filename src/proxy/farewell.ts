/** How a client connection ends in a shutdown, in `performance.now()` time. */
export interface Farewell {
  /** From then on a response tells the client to close. */
  readonly tellAtMs: number;
  /** Then it is closed if it carries nothing. */
  readonly closeAtMs: number;
}

/** Few clients are no crowd: the window is this long for them, and grows with each connection. */
const LEAST_WINDOW_MS = 1000;
const WINDOW_PER_CONNECTION_MS = 1;
/**
 * Busy clients are told within this share of what the window exceeds the least one by, so that few are told at once; idle
 * ones are closed within the last part of the window.
 */
const TELLING = 1 / 2;
const CLOSING = 1 / 3;

/** How long it may take to let `connections` clients go, when all is cut in `cutInMs`. */
export function farewellWindow(mostMs: number, connections: number, cutInMs: number): number {
  const neededMs = LEAST_WINDOW_MS + connections * WINDOW_PER_CONNECTION_MS;
  return Math.max(Math.min(mostMs, neededMs, cutInMs / 2), 0);
}

/**
 * Lets the clients of a gate that shuts down go one after another, so that they do not all connect elsewhere at once.
 * Between being told and being closed, a client that uses its connection has time for one more request.
 */
export class Farewells {
  /** When the last of them are closed. */
  readonly endMs: number;
  readonly #startMs: number;
  readonly #windowMs: number;

  constructor(startMs: number, windowMs: number) {
    this.#startMs = startMs;
    this.#windowMs = windowMs;
    this.endMs = startMs + windowMs;
  }

  /** For one connection; `place` in the crowd, 0 to 1. */
  at(place: number): Farewell {
    return {
      tellAtMs: this.#startMs + Math.max(this.#windowMs - LEAST_WINDOW_MS, 0) * TELLING * place,
      closeAtMs: this.endMs - this.#windowMs * CLOSING * (1 - place),
    };
  }
}
