/** Below this many octets a loop beats the call into `Buffer.copy`. */
const LOOP_LIMIT = 24;

/**
 * Assembles one outgoing message in a scratch buffer that all connections of a thread share, then copies it out once,
 * exactly sized. Use: `begin`, any number of writes, `take`. Not re-entrant: nothing may be awaited in between.
 */
export class ByteWriter {
  #scratch: Buffer;
  #at = 0;

  constructor(capacity: number) {
    this.#scratch = Buffer.allocUnsafeSlow(capacity);
  }

  begin(): void {
    this.#at = 0;
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

  /** What was written, in a buffer of its own. */
  take(): Buffer {
    const out = Buffer.allocUnsafe(this.#at);
    this.#scratch.copy(out, 0, 0, this.#at);
    return out;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#scratch.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#scratch.length * 2, this.#at + more));
    this.#scratch.copy(larger, 0, 0, this.#at);
    this.#scratch = larger;
  }
}
