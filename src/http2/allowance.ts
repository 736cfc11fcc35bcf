/** A number of things that a client may do, refilled as time goes on and by what it does well. */
export class Allowance {
  readonly #most: number;
  readonly #perMs: number;
  #left: number;
  #atMs = 0;

  /** `most` at once. */
  constructor({ most, perSecond }: { readonly most: number; readonly perSecond: number }) {
    this.#most = most;
    this.#perMs = perSecond / 1000;
    this.#left = most;
  }

  /** False where none is left. `nowMs` never goes back. */
  take(nowMs: number): boolean {
    this.#left = Math.min(this.#most, this.#left + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  giveBack(): void {
    if (this.#left < this.#most) this.#left++;
  }
}
