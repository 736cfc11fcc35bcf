/** Lets one loop sleep until there is something to do. */
export class Wakeup {
  #pending = false;
  #awake: (() => void) | null = null;

  /** Ends the sleep, or the next one at once when nobody sleeps. */
  wake(): void {
    this.#pending = true;
    this.#awake?.();
  }

  /** Resolves when woken, after `ms`, or when the signal ends. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const end = (): void => resolve();
      this.#awake = end;
      signal.addEventListener('abort', end, { once: true });
      const timer = setTimeout(end, ms);
      await promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      this.#awake = null;
    }
    this.#pending = false;
  }
}
