import type { ClientSocket } from './client-socket.ts';

/**
 * When a socket has done with memory that it is given to write, if nothing waited in it before. `encrypted`: when the call
 * returns, since TLS has encrypted it by then. `written`: when nothing waits in it any more, which with plain TCP is
 * mostly so when the call returns. `told`: only when it says so. `copied`: when the call returns, whatever waited.
 */
export type MemoryUse = 'encrypted' | 'written' | 'told' | 'copied';

/** Below this many octets a loop beats the call into `Buffer.copy`. */
const LOOP_LIMIT = 24;

const INT32_MAX = 0x7fffffff;
/** Of such an integer, in base 10. */
const MOST_DIGITS = 10;
const DIGITS = new Uint8Array(MOST_DIGITS);

/** Messages up to this length are given out through views that are made once. */
const VIEWS = 2048;

/**
 * Assembles one outgoing message in a scratch buffer that all connections of a thread share. Use: `begin`, any number
 * of writes, then `sendTo` or `take`. Not re-entrant: nothing may be awaited in between.
 */
export class ByteWriter {
  #scratch: Buffer;
  readonly #views = new Array<Buffer | undefined>(VIEWS);
  #at = 0;
  #turn = 0;

  constructor(capacity: number) {
    this.#scratch = Buffer.allocUnsafeSlow(capacity);
  }

  begin(): void {
    this.#at = 0;
    this.#turn++;
  }

  /** Tells one message from the next: while it is the same, what was written still stands there. */
  get turn(): number {
    return this.#turn;
  }

  get length(): number {
    return this.#at;
  }

  bytes(from: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    const scratch = this.#scratch;
    if (length > LOOP_LIMIT) {
      from.copy(scratch, this.#at, start, end);
      this.#at += length;
      return;
    }
    let at = this.#at;
    for (let i = start; i < end; i++) scratch[at++] = from[i] as number;
    this.#at = at;
  }

  all(from: Buffer): void {
    this.bytes(from, 0, from.length);
  }

  /** Text of octets: each code unit below 256. */
  text(text: string): void {
    this.#reserve(text.length);
    this.#at += this.#scratch.latin1Write(text, this.#at, text.length);
  }

  /**
   * Writes it to `socket`; false when the socket is full for now. Where `use` allows it, the scratch buffer itself is given
   * to the socket, and left to it if it is still in use when the call returns. `onWritten`: see {@link ClientSocket}.
   */
  sendTo(
    socket: Pick<ClientSocket, 'write' | 'writableLength'>,
    use: MemoryUse,
    onWritten?: (() => void) | undefined,
  ): boolean {
    if (use === 'told' || (use !== 'copied' && socket.writableLength > 0)) return socket.write(this.take(), onWritten);
    const flushed = socket.write(this.#view(), onWritten);
    if (use === 'written' && socket.writableLength > 0) this.#lend();
    return flushed;
  }

  /** A whole number, not negative, in lower-case digits of this base. */
  digits(value: number, base: 10 | 16 | 36): void {
    if (value > INT32_MAX) {
      this.text(value.toString(base));
      return;
    }
    this.#reserve(MOST_DIGITS);
    const scratch = this.#scratch;
    let at = MOST_DIGITS;
    let rest = value;
    do {
      // Each base by itself: dividing by a constant is a multiplication.
      const whole = base === 10 ? (rest / 10) | 0 : base === 16 ? rest >> 4 : (rest / 36) | 0;
      const digit = rest - whole * base;
      DIGITS[--at] = digit < 10 ? 0x30 + digit : 0x57 + digit;
      rest = whole;
    } while (rest > 0);
    let to = this.#at;
    while (at < MOST_DIGITS) scratch[to++] = DIGITS[at++] as number;
    this.#at = to;
  }

  /** A copy in `to`, which has room for it, from `start` on. */
  copyTo(to: Buffer, start = 0): void {
    this.#scratch.copy(to, start, 0, this.#at);
  }

  /** What was written, in a buffer of its own. */
  take(): Buffer {
    const out = Buffer.allocUnsafe(this.#at);
    this.#scratch.copy(out, 0, 0, this.#at);
    return out;
  }

  #view(): Buffer {
    const length = this.#at;
    if (length >= VIEWS) return this.#scratch.subarray(0, length);
    let view = this.#views[length];
    if (view === undefined) {
      view = this.#scratch.subarray(0, length);
      this.#views[length] = view;
    }
    return view;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#scratch.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#scratch.length * 2, this.#at + more));
    this.#scratch.copy(larger, 0, 0, this.#at);
    this.#replace(larger);
  }

  #lend(): void {
    this.begin();
    this.#replace(Buffer.allocUnsafeSlow(this.#scratch.length));
  }

  #replace(scratch: Buffer): void {
    this.#scratch = scratch;
    this.#views.fill(undefined);
  }
}
