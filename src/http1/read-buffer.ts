/** Most messages fit it. */
const SMALL = 16 * 1024;
const LARGE = 64 * 1024;
/** Large buffers kept for the next connection that needs one: allocating them is what starts major collections. */
const MAX_SPARE = 32;

/** All connections of a thread read into this one, so that it stays in the processor's cache. */
const shared = Buffer.allocUnsafeSlow(SMALL);
const spare: Buffer[] = [];

/**
 * Where a connection reads to: memory that is used again, since mapping a fresh 64 KiB for each read costs more than
 * reading. At first the buffer that all share: what lies there must be used or copied within the call that tells of it.
 * A connection that fills it gets a larger one to itself, of which parts may be lent to a write.
 */
export class ReadBuffer {
  current: Buffer = shared;
  readonly #keeps: boolean;
  #filled = false;
  #lent = false;
  /** The message in hand has filled a buffer. */
  #bulky = false;

  /** `keeps`: the large buffer stays from one large message to the next. */
  constructor(keeps: boolean) {
    this.#keeps = keeps;
  }

  /** Others read to the same place. */
  get isShared(): boolean {
    return this.current === shared;
  }

  /** What was read last is needed until a write is done that could not finish at once. */
  lend(): void {
    this.#lent = true;
  }

  /** So many octets were read. */
  note(length: number): void {
    this.#filled = length === this.current.length;
    if (this.#filled) this.#bulky = true;
  }

  /** After each read, with all uses of what it brought over or lent: where the next goes, or null for the same place. */
  next(messageDone: boolean): Buffer | null {
    if (this.#filled) {
      if (!this.isShared && !this.#lent) return null;
      return this.#enlarge();
    }
    if (this.isShared) return null;
    const stays = !messageDone || (this.#keeps && this.#bulky);
    if (messageDone) this.#bulky = false;
    if (!stays) return this.#share();
    return this.#lent ? this.#enlarge() : null;
  }

  /** The connection is closed: nothing is read any more. */
  release(): void {
    if (!this.isShared) this.#share();
  }

  #enlarge(): Buffer {
    this.#lent = false;
    this.#filled = false;
    this.current = spare.pop() ?? Buffer.allocUnsafeSlow(LARGE);
    return this.current;
  }

  #share(): Buffer {
    if (!this.#lent && spare.length < MAX_SPARE) spare.push(this.current);
    this.#lent = false;
    this.current = shared;
    return shared;
  }
}
