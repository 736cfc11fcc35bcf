import type { BodyReader } from '../../http1/body-reader.ts';
import { singleRun, writeBody } from '../../http1/body-writer.ts';
import type { ByteWriter } from '../../http1/byte-writer.ts';
import type { DownstreamConnection } from '../../http1/downstream-connection.ts';
import type { Head } from '../../http1/head.ts';
import { type RequestRewrite, writeRequestHead } from '../../http1/request-writer.ts';
import { giveSlot, takeSlot } from '../../http1/slots.ts';
import { relayableTrailers } from '../../http1/trailers.ts';
import type { SentRequest, UpstreamLink } from '../../http1/upstream-link.ts';

/** Why a request's body is not forwarded any further. */
export interface BodyRefusal {
  readonly status: number;
  readonly detail: string;
}

const TOO_LARGE: BodyRefusal = { status: 413, detail: 'the request body is too large' };
const BAD_TRAILERS: BodyRefusal = { status: 400, detail: 'malformed trailer section' };

/** A request is kept for being sent again while it is not longer than this: it then fits memory that is used again. */
const KEPT_BYTES = 32 * 1024;

/** A request on its way from the client to a target. One object serves the requests of a connection in turn. */
export class RequestRelay {
  /** All of the request has come from the client. */
  done = true;
  /** Nothing but what is kept of it has gone out: the request can be sent again. */
  replayable = true;

  readonly #writer: ByteWriter;
  readonly #reader: BodyReader;
  readonly #maxBodyBytes: number;
  #chunked = false;
  /** What is kept: the head and what came with it of the body, at least. Null when there is none to send. */
  #slot: Buffer | null = null;
  #length = 0;
  /** When the writer held it. */
  #turn = 0;

  constructor(writer: ByteWriter, reader: BodyReader, maxBodyBytes: number) {
    this.#writer = writer;
    this.#reader = reader;
    this.#maxBodyBytes = maxBodyBytes;
  }

  reset(): void {
    this.done = this.#reader.done;
    this.replayable = true;
  }

  /** Octets of what is kept; 0 when there is nothing. */
  get firstBytes(): number {
    return this.#slot === null ? 0 : this.#length;
  }

  /** The request is over. */
  release(): void {
    if (this.#slot !== null) giveSlot(this.#slot);
    this.#slot = null;
  }

  /** Builds the first part, once for all attempts. */
  prepare(head: Head, buf: Buffer, rewrite: RequestRewrite): BodyRefusal | null {
    this.#chunked = head.chunked;
    const trailers = this.#admit();
    if (isRefusal(trailers)) return trailers;
    this.#writer.begin();
    writeRequestHead(this.#writer, head, rewrite);
    this.#writeBody(buf, trailers);
    this.#length = this.#writer.length;
    this.#turn = this.#writer.turn;
    this.#slot = takeSlot(this.#length);
    this.#writer.copyTo(this.#slot);
    return null;
  }

  /** Sends what is kept. False: the connection is full for now. */
  begin(connection: UpstreamLink, request: SentRequest): boolean {
    if (this.#slot === null) return true;
    if (this.#turn !== this.#writer.turn) {
      this.#writer.begin();
      this.#writer.bytes(this.#slot, 0, this.#length);
    }
    return connection.begin(this.#writer, request);
  }

  /** What is kept, in a buffer of its own. */
  copyFirst(): Buffer {
    return Buffer.from(this.#slot?.subarray(0, this.#length) ?? []);
  }

  /** Goes on with the body data in the runs of the reader. False: the connection is full for now. */
  forward(buf: Buffer, from: DownstreamConnection, connection: UpstreamLink): boolean | BodyRefusal {
    const keeps = this.replayable && connection.mayRefuse;
    this.replayable = false;
    this.done = this.#reader.done;
    const trailers = this.#admit();
    if (isRefusal(trailers)) return trailers;
    const run = keeps || from.sharesBuffer ? null : singleRun(buf, this.#reader, this.#chunked ? 'chunked' : 'raw');
    if (run === null) {
      this.#writer.begin();
      this.#writeBody(buf, trailers);
      if (keeps) this.replayable = this.#keep();
      return this.#writer.length === 0 || connection.send(this.#writer);
    }
    const flushed = connection.write(run);
    if (connection.isWriting) from.lend();
    return flushed;
  }

  /** What the writer holds is kept behind the rest, if all of it is short enough. */
  #keep(): boolean {
    const length = this.#length + this.#writer.length;
    if (this.#slot === null || length > KEPT_BYTES) return false;
    if (length > this.#slot.length) {
      const larger = takeSlot(length);
      this.#slot.copy(larger, 0, 0, this.#length);
      giveSlot(this.#slot);
      this.#slot = larger;
    }
    this.#writer.copyTo(this.#slot, this.#length);
    this.#length = length;
    return true;
  }

  /** Checks what has come of the body; its trailers, once it is done. */
  #admit(): Buffer | null | BodyRefusal {
    if (this.#reader.bytes > this.#maxBodyBytes) return TOO_LARGE;
    if (!this.#reader.done) return null;
    const trailers = relayableTrailers(this.#reader.trailer);
    return trailers === 'malformed' ? BAD_TRAILERS : trailers;
  }

  #writeBody(buf: Buffer, trailers: Buffer | null): void {
    writeBody(this.#writer, buf, this.#reader, this.#chunked ? 'chunked' : 'raw', trailers);
  }
}

export function isRefusal(value: Buffer | boolean | BodyRefusal | null): value is BodyRefusal {
  return typeof value === 'object' && value !== null && 'status' in value;
}
