import type { BodyReader } from './body-reader.ts';
import { CR, LF } from './bytes.ts';
import { Head, INCOMPLETE, NO_LENGTH, REFUSED } from './head.ts';
import type { ReadBuffer } from './read-buffer.ts';
import { type Refusal, refusalOf } from './refusals.ts';
import { areEmptyLines, parseRequestHead } from './request-parser.ts';

/** Whom an intake tells what came: its connection. */
export interface IntakeHandler {
  /** A request is in progress. */
  readonly busy: boolean;
  /** The next request may begin. */
  readonly serves: boolean;
  /** Octets of a request came. Called again as more of its head comes. */
  onHeadBegun(): void;
  /** A whole head, and in the runs of the reader what came of the body. `head` and `buf` are valid during the call only. */
  onHead(head: Head, buf: Buffer): void;
  /** More of the body, in the runs of the reader. */
  onBody(buf: Buffer): void;
  onBodyMalformed(refusal: Refusal): void;
  /** What came is no request. */
  onHeadRefused(refusal: Refusal): void;
  /** More is not to be read for now. */
  onFull(): void;
}

export interface IntakeOptions {
  readonly reader: BodyReader;
  readonly limits: { readonly headBytes: number; readonly fields: number };
  /** Null where what is received lies in buffers of its own. */
  readonly reads: ReadBuffer | null;
}

const EMPTY = Buffer.alloc(0);
const MALFORMED_BODY: Refusal = [400, 'malformed chunked body'];

/** Parsed and used within one call, so that all connections of a thread can share it. */
const head = new Head(128);

/** Of a body that waits for a target, so much is read, and what one more read brings. */
const HELD_BYTES = 16 * 1024;

/**
 * Cuts the octets of a connection into requests, one after another (RFC 9112 §9.3.2). Pipelined requests wait unparsed
 * until their turn.
 */
export class RequestIntake {
  readonly #handler: IntakeHandler;
  readonly #reader: BodyReader;
  readonly #limits: IntakeOptions['limits'];
  readonly #reads: ReadBuffer | null;
  /** Octets received and not taken yet: an unfinished head, pipelined requests, or a body that is held. */
  #kept: Buffer = EMPTY;
  /** The body waits for a target. */
  #held = false;
  /** Guards against a request that is answered at once from within #pump. */
  #pumping = false;

  constructor(handler: IntakeHandler, { reader, limits, reads }: IntakeOptions) {
    this.#handler = handler;
    this.#reader = reader;
    this.#limits = limits;
    this.#reads = reads;
  }

  /** Nothing waits. */
  get empty(): boolean {
    return this.#kept.length === 0;
  }

  /** A part of a held body waits. */
  get holds(): boolean {
    return this.#held && this.#kept.length > 0;
  }

  /** Octets buf[0, to); where the buffer is shared, they are gone when this returns. */
  receive(buf: Buffer, to: number): void {
    const { busy, serves } = this.#handler;
    if (busy && !this.#reader.done && !this.#held) {
      this.#takeBody(buf, to);
      return;
    }
    if (this.#kept.length === 0 && !busy && serves) {
      this.#pump(buf, to);
      return;
    }
    const chunk = buf.subarray(0, to);
    this.#kept = Buffer.concat([this.#kept, chunk]);
    if (this.#held ? this.#kept.length > HELD_BYTES : busy || !serves) this.#handler.onFull();
    else if (!this.#held && (this.#kept.length > this.#limits.headBytes || chunk.includes(LF))) this.goOn();
    // else a head that trickles in: it cannot be whole without a line feed, so it is not parsed again for each octet
  }

  /** With the requests that wait. False: it is at them already. */
  goOn(): boolean {
    if (this.#pumping) return false;
    if (this.#kept.length > 0) this.#pump(this.#kept, this.#kept.length);
    return true;
  }

  /** There is no target for the body yet. */
  hold(): void {
    this.#held = !this.#reader.done;
  }

  /** Goes on with what came of the body while it was held. */
  letGo(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#kept.length > 0) this.#takeBody(this.#kept, this.#kept.length);
  }

  /** What waits, which is the taker's from now on. */
  takeRest(): Buffer {
    const rest = this.#kept;
    this.#kept = EMPTY;
    return rest;
  }

  #takeBody(buf: Buffer, to: number): void {
    const end = this.#reader.feed(buf, 0, to);
    if (end < 0) {
      this.#handler.onBodyMalformed(MALFORMED_BODY);
      return;
    }
    this.#keep(buf, end, to);
    this.#handler.onBody(buf);
  }

  /** What was received and is not taken yet. */
  #keep(buf: Buffer, from: number, to: number): void {
    if (from === to) this.#kept = EMPTY;
    else if (this.#reads?.current === buf) this.#kept = Buffer.from(buf.subarray(from, to));
    else this.#kept = buf.subarray(from, to);
  }

  /** Takes buf[0, to) and what is kept of it, request by request, for as long as each is answered at once and taken. */
  #pump(buf: Buffer, to: number): void {
    this.#pumping = true;
    let begun = this.#takeRequest(buf, to);
    while (begun && this.#kept.length > 0 && !this.#handler.busy && this.#handler.serves) {
      begun = this.#takeRequest(this.#kept, this.#kept.length);
    }
    this.#pumping = false;
  }

  /** False when there is no whole request head yet, or never will be. */
  #takeRequest(buf: Buffer, to: number): boolean {
    if (buf[0] === CR && areEmptyLines(buf, to)) {
      this.#keep(buf, to & ~1, to); // half a line at most: no request has begun
      return false;
    }
    this.#handler.onHeadBegun();
    const { headBytes, fields } = this.#limits;
    const end = parseRequestHead(head, buf, 0, to, fields);
    if (end === INCOMPLETE ? to > headBytes : end > headBytes) {
      this.#handler.onHeadRefused(refusalOf(tooLarge(buf.subarray(0, to), headBytes)));
      return false;
    }
    if (end === INCOMPLETE) {
      this.#keep(buf, 0, to);
      return false;
    }
    if (end < 0) {
      this.#handler.onHeadRefused(refusalOf(end));
      return false;
    }
    this.#reader.reset(
      head.chunked ? 'chunked' : head.contentLength === NO_LENGTH ? 'none' : 'length',
      Math.max(head.contentLength, 0),
    );
    const bodyEnd = this.#reader.feed(buf, end, to);
    if (bodyEnd < 0) {
      this.#handler.onHeadRefused(MALFORMED_BODY);
      return false;
    }
    this.#keep(buf, bodyEnd, to);
    this.#held = false;
    this.#handler.onHead(head, buf);
    head.release();
    return true;
  }
}

/** Whether a head too large is so because of its target decides between 414 and 431 (RFC 9112 §3, RFC 6585 §5). */
function tooLarge(buf: Buffer, headBytes: number): number {
  const line = buf.indexOf('\r\n');
  return line < 0 || line > headBytes ? REFUSED.targetTooLong : REFUSED.headTooLarge;
}
