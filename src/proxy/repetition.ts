/** Between two reports of the same trouble, ms. */
const INTERVAL_MS = 10_000;

/** Trouble that a client can cause at will: all of it is counted, and some of it told. */
export class Repetition {
  #untold = 0;
  #tellAtMs = 0;

  /** How often it happened since it was last told, if it is to be told now; else 0. */
  note(nowMs: number): number {
    this.#untold++;
    if (nowMs < this.#tellAtMs) return 0;
    const count = this.#untold;
    this.#untold = 0;
    this.#tellAtMs = nowMs + INTERVAL_MS;
    return count;
  }
}
