import type { BodyReader } from '../http1/body-reader.ts';
import { singleRun, writeBody } from '../http1/body-writer.ts';
import type { ByteWriter } from '../http1/byte-writer.ts';
import type { Head } from '../http1/head.ts';
import { type RequestRewrite, writeRequestHead } from '../http1/request-writer.ts';
import { relayableTrailers } from '../http1/trailers.ts';
import type { UpstreamLink } from '../http1/upstream-link.ts';

/** Why a request's body is not forwarded any further. */
export interface BodyRefusal {
  readonly status: number;
  readonly detail: string;
}

const TOO_LARGE: BodyRefusal = { status: 413, detail: 'the request body is too large' };
const BAD_TRAILERS: BodyRefusal = { status: 400, detail: 'malformed trailer section' };

/** A request on its way from the client to a target. One object serves the requests of a connection in turn. */
export class RequestRelay {
  /** All of the request has come from the client. */
  done = true;
  /** Nothing but `first` has gone out: the request can be sent again. */
  replayable = true;
  /** The head and what came with it of the body. */
  first: Buffer | null = null;

  readonly #writer: ByteWriter;
  readonly #reader: BodyReader;
  readonly #maxBodyBytes: number;
  #chunked = false;

  constructor(writer: ByteWriter, reader: BodyReader, maxBodyBytes: number) {
    this.#writer = writer;
    this.#reader = reader;
    this.#maxBodyBytes = maxBodyBytes;
  }

  reset(): void {
    this.done = this.#reader.done;
    this.replayable = true;
    this.first = null;
  }

  /** Builds what is sent first, once for all attempts. */
  prepare(head: Head, buf: Buffer, rewrite: RequestRewrite): BodyRefusal | null {
    this.#chunked = head.chunked;
    const trailers = this.#admit();
    if (isRefusal(trailers)) return trailers;
    this.#writer.begin();
    writeRequestHead(this.#writer, head, rewrite);
    this.#writeBody(buf, trailers);
    this.first = this.#writer.take();
    return null;
  }

  /** Goes on with the body data in the runs of the reader. False: the connection is full for now. */
  forward(buf: Buffer, connection: UpstreamLink): boolean | BodyRefusal {
    this.replayable = false;
    this.done = this.#reader.done;
    const trailers = this.#admit();
    if (isRefusal(trailers)) return trailers;
    const out = singleRun(buf, this.#reader, this.#chunked ? 'chunked' : 'raw') ?? this.#frame(buf, trailers);
    return out.length === 0 || connection.write(out);
  }

  /** Checks what has come of the body; its trailers, once it is done. */
  #admit(): Buffer | null | BodyRefusal {
    if (this.#reader.bytes > this.#maxBodyBytes) return TOO_LARGE;
    if (!this.#reader.done) return null;
    const trailers = relayableTrailers(this.#reader.trailer);
    return trailers === 'malformed' ? BAD_TRAILERS : trailers;
  }

  #frame(buf: Buffer, trailers: Buffer | null): Buffer {
    this.#writer.begin();
    this.#writeBody(buf, trailers);
    return this.#writer.take();
  }

  #writeBody(buf: Buffer, trailers: Buffer | null): void {
    writeBody(this.#writer, buf, this.#reader, this.#chunked ? 'chunked' : 'raw', trailers);
  }
}

export function isRefusal(value: Buffer | boolean | BodyRefusal | null): value is BodyRefusal {
  return typeof value === 'object' && value !== null && 'status' in value;
}
