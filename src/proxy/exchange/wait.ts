import type { Waiter, WaitingRoom } from './waiting-room.ts';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * A request's wait for a place on a target. However often it waits, all of it ends at one time. One object serves the
 * requests of a connection in turn.
 */
export class Wait {
  /** Null while it does not wait. */
  #room: WaitingRoom | null = null;
  #untilMs = NEVER;

  reset(): void {
    this.#untilMs = NEVER;
  }

  /** When it is in vain, in `performance.now()` time; Infinity while the request does not wait. */
  get endsAtMs(): number {
    return this.#room === null ? NEVER : this.#untilMs;
  }

  /** False when the room is full, or the request has waited `timeoutMs` already. */
  begin(room: WaitingRoom, waiter: Waiter, timeoutMs: number): boolean {
    const nowMs = performance.now();
    if (this.#untilMs === NEVER) this.#untilMs = nowMs + timeoutMs;
    if (nowMs >= this.#untilMs || !room.enter(waiter)) return false;
    this.#room = room;
    return true;
  }

  /** It is the waiter's turn: the room has let it go. */
  onTurn(): void {
    this.#room = null;
  }

  /** The waiter leaves, if it waits. */
  leave(waiter: Waiter): void {
    this.#room?.leave(waiter);
    this.#room = null;
  }
}
