import { CR, HEX, LF, TOKEN, VALUE } from './bytes.ts';

/** How the end of a body is known (RFC 9112 §6.3). */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

const MALFORMED = -1;

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Extensions are ignored, but not without bound (CVE-2024-22019); in octets per body. */
const MAX_EXTENSION_BYTES = 4096;
const MAX_TRAILER_BYTES = 8192;
/** Hexadecimal digits of a chunk size: up to 2^48 - 1. */
const MAX_SIZE_DIGITS = 12;

const STATE = {
  size: 0,
  extensionName: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailerStart: 6,
  trailerLine: 7,
  trailerLf: 8,
  endLf: 9,
  extensionStart: 10,
  extensionValueStart: 11,
  extensionValue: 12,
  extensionQuoted: 13,
  extensionEscaped: 14,
  extensionEnd: 15,
} as const;
type ChunkState = (typeof STATE)[keyof typeof STATE];

/**
 * Tells body from framing in a stream of buffers. `feed` reports where the data lies in the buffer it was given, as
 * runs (start, end), so that nothing is copied. Chunked framing is checked strictly: CRLF only, no white space, sizes
 * without overflow, extensions and trailers bounded (RFC 9112 §7.1).
 */
export class BodyReader {
  framing: Framing = 'none';
  done = true;
  /** Body octets seen so far, framing left out. */
  bytes = 0;
  /** Data in the buffer last fed: run i is [runs[2i], runs[2i + 1]). */
  readonly runs: number[] = [];
  runCount = 0;
  /** Octets of the trailer section as they came, without the final empty line; empty when there is none. */
  trailer: Buffer = EMPTY;

  #left = 0;
  #state: ChunkState = STATE.size;
  #digits = 0;
  #overhead = 0;
  #trailerParts: Buffer[] | null = null;

  reset(framing: Framing, length = 0): void {
    this.framing = framing;
    this.done = framing === 'none' || (framing === 'length' && length === 0);
    this.bytes = 0;
    this.runCount = 0;
    this.trailer = EMPTY;
    this.#left = framing === 'length' ? length : 0;
    this.#state = STATE.size;
    this.#digits = 0;
    this.#overhead = 0;
    this.#trailerParts = null;
  }

  /** Reads buf[from, to). Returns the offset behind what belongs to this body, or -1 if its framing is malformed. */
  feed(buf: Buffer, from: number, to: number): number {
    this.runCount = 0;
    if (this.done) return from;
    if (this.framing === 'chunked') return this.#feedChunked(buf, from, to);
    const take = this.framing === 'length' ? Math.min(this.#left, to - from) : to - from;
    this.#addRun(from, from + take);
    if (this.framing === 'length') {
      this.#left -= take;
      this.done = this.#left === 0;
    }
    return from + take;
  }

  /** Octets in the runs of the last feed. */
  runBytes(): number {
    let total = 0;
    for (let i = 0; i < this.runCount; i++) total += (this.runs[2 * i + 1] as number) - (this.runs[2 * i] as number);
    return total;
  }

  #addRun(start: number, end: number): void {
    if (start === end) return;
    this.bytes += end - start;
    this.runs[2 * this.runCount] = start;
    this.runs[2 * this.runCount + 1] = end;
    this.runCount++;
  }

  #feedChunked(buf: Buffer, from: number, to: number): number {
    let p = from;
    while (p < to) {
      if (this.#state === STATE.data) {
        const take = Math.min(this.#left, to - p);
        this.#addRun(p, p + take);
        this.#left -= take;
        p += take;
        if (this.#left === 0) this.#state = STATE.dataCr;
        continue;
      }
      if (this.#state === STATE.trailerLine) {
        p = this.#feedTrailerLine(buf, p, to);
        if (p === MALFORMED) return MALFORMED;
        continue;
      }
      if (!this.#step(buf[p] as number)) return MALFORMED;
      // #step leaves the first octet of a trailer line to #feedTrailerLine.
      if ((this.#state as ChunkState) !== STATE.trailerLine) p++;
      if (this.done) return p;
    }
    return p;
  }

  /** One octet of framing. False if it must not stand here. */
  #step(c: number): boolean {
    switch (this.#state) {
      case STATE.size:
        return this.#stepSize(c);
      case STATE.sizeLf:
        this.#state = this.#left === 0 ? STATE.trailerStart : STATE.data;
        this.#digits = 0;
        return c === LF;
      case STATE.dataCr:
        this.#state = STATE.dataLf;
        return c === CR;
      case STATE.dataLf:
        this.#state = STATE.size;
        return c === LF;
      case STATE.trailerStart:
        this.#state = c === CR ? STATE.endLf : STATE.trailerLine;
        return true;
      case STATE.trailerLf:
        this.#state = STATE.trailerStart;
        return c === LF;
      case STATE.endLf:
        this.#finish();
        return c === LF;
      default:
        return this.#stepExtension(c);
    }
  }

  /** `;name`, `;name=token` or `;name="quoted"`, any number of them; read over and dropped (RFC 9112 §7.1.1). */
  #stepExtension(c: number): boolean {
    if (++this.#overhead > MAX_EXTENSION_BYTES) return false;
    switch (this.#state) {
      case STATE.extensionStart:
        this.#state = STATE.extensionName;
        return TOKEN[c] === 1;
      case STATE.extensionName:
        if (c !== EQUALS) return TOKEN[c] === 1 || this.#endExtension(c);
        this.#state = STATE.extensionValueStart;
        return true;
      case STATE.extensionValueStart:
        this.#state = c === QUOTE ? STATE.extensionQuoted : STATE.extensionValue;
        return c === QUOTE || TOKEN[c] === 1 || this.#endExtension(c);
      case STATE.extensionValue:
        return TOKEN[c] === 1 || this.#endExtension(c);
      case STATE.extensionQuoted:
        if (c === QUOTE) this.#state = STATE.extensionEnd;
        else if (c === BACKSLASH) this.#state = STATE.extensionEscaped;
        return VALUE[c] === 1;
      case STATE.extensionEscaped:
        this.#state = STATE.extensionQuoted;
        return VALUE[c] === 1;
      case STATE.extensionEnd:
        return this.#endExtension(c);
      default:
        return false;
    }
  }

  #endExtension(c: number): boolean {
    this.#state = c === CR ? STATE.sizeLf : STATE.extensionStart;
    return c === CR || c === SEMICOLON;
  }

  #stepSize(c: number): boolean {
    const digit = HEX[c] as number;
    if (digit !== 255) {
      this.#left = this.#left * 16 + digit;
      return ++this.#digits <= MAX_SIZE_DIGITS;
    }
    if (this.#digits === 0) return false;
    if (c === CR) this.#state = STATE.sizeLf;
    else if (c === SEMICOLON) this.#state = STATE.extensionStart;
    else return false;
    return true;
  }

  /** Collects a trailer line up to its CR; its syntax is checked when the trailers are parsed. */
  #feedTrailerLine(buf: Buffer, from: number, to: number): number {
    let p = from;
    while (p < to && VALUE[buf[p] as number] === 1) p++;
    this.#overhead += p - from;
    if (this.#overhead > MAX_TRAILER_BYTES) return MALFORMED;
    this.#trailerParts ??= [];
    this.#trailerParts.push(Buffer.from(buf.subarray(from, p)));
    if (p === to) return p;
    if (buf[p] !== CR) return MALFORMED;
    this.#trailerParts.push(CRLF);
    this.#state = STATE.trailerLf;
    return p + 1;
  }

  #finish(): void {
    this.done = true;
    if (this.#trailerParts !== null) this.trailer = Buffer.concat(this.#trailerParts);
  }
}

const EMPTY = Buffer.alloc(0);
const CRLF = Buffer.from('\r\n');
