/** How a byte stream ended, as its reader sees it. */
export type Ending = 'fin' | 'reset';

/** Longest wait of a test for anything, unless it names another; milliseconds. */
export const DEADLINE_MS = 6_000;

interface Waiter {
  readonly check: () => boolean;
}

/** Collects the bytes of one direction of a connection and lets a test wait for a condition on them. */
export class Inbox {
  ended: Ending | null = null;
  #store: Buffer = Buffer.alloc(4096);
  #length = 0;
  readonly #waiters = new Set<Waiter>();

  get length(): number {
    return this.#length;
  }

  /** A view of everything received so far. */
  get bytes(): Buffer {
    return this.#store.subarray(0, this.#length);
  }

  push(chunk: Buffer): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#store.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#store.length * 2));
      this.#store.copy(larger, 0, 0, this.#length);
      this.#store = larger;
    }
    chunk.copy(this.#store, this.#length);
    this.#length = needed;
    this.wake();
  }

  end(how: Ending): void {
    this.ended ??= how;
    this.wake();
  }

  /** Looks at all waiting conditions again. */
  wake(): void {
    for (const waiter of [...this.#waiters]) if (waiter.check()) this.#waiters.delete(waiter);
  }

  /** Resolves with the probe's first answer other than undefined; fails, showing what did arrive, at the deadline. */
  wait<T>(what: string, probe: () => T | undefined, deadlineMs = DEADLINE_MS): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let timer: NodeJS.Timeout | undefined;
    const waiter: Waiter = {
      check: () => {
        try {
          const answer = probe();
          if (answer === undefined) return false;
          resolve(answer);
        } catch (error) {
          reject(error);
        }
        clearTimeout(timer);
        return true;
      },
    };
    if (!waiter.check()) {
      this.#waiters.add(waiter);
      const failure = new Error(`waited ${deadlineMs} ms for ${what}`); // here for its stack
      timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        failure.message += `; the stream is ${this.ended ?? 'open'} after ${this.#length} bytes: ${excerpt(this.bytes)}`;
        reject(failure);
      }, deadlineMs);
    }
    return promise;
  }
}

/** The beginning of some bytes, printable. */
export function excerpt(bytes: Buffer, limit = 300): string {
  const text = JSON.stringify(bytes.subarray(0, limit).toString('latin1'));
  return bytes.length > limit ? `${text} …` : text;
}

/** Resolves when `probe` holds, looking again every few milliseconds; for state that sends no event. */
export async function eventually(what: string, probe: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
  const failure = new Error(`waited ${deadlineMs} ms until ${what}`);
  const until = performance.now() + deadlineMs;
  while (!probe()) {
    if (performance.now() > until) throw failure;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
