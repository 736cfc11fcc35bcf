import type { BodyReader } from '../../http1/body-reader.ts';
import { type OutFraming, singleRun, writeBody } from '../../http1/body-writer.ts';
import type { ByteWriter } from '../../http1/byte-writer.ts';
import type { DownstreamConnection } from '../../http1/downstream-connection.ts';
import { type Head, NO_LENGTH } from '../../http1/head.ts';
import { type ResponseRewrite, writeResponseHead } from '../../http1/response-writer.ts';
import { relayableTrailers } from '../../http1/trailers.ts';
import type { UpstreamLink } from '../../http1/upstream-link.ts';
import { httpDate } from '../http-date.ts';

/** Filled anew for each response and used at once. */
const scratch: ResponseRewrite = { framing: 'none', keepLength: false, close: false, date: httpDate, extra: '' };

const INTERIM = { framing: 'none', keepLength: false, close: false, date: null, extra: '' } as const;

/**
 * A final response on its way from a target to the client. Its head waits in the writer for the data that came with it,
 * so that both go out in one write. One object serves the responses of a connection in turn.
 */
export class ResponseRelay {
  /** Body octets relayed, framing left out. */
  bytes = 0;
  /** The connection ends with this response. */
  close = false;

  readonly #client: DownstreamConnection;
  readonly #writer: ByteWriter;
  #state: 'waiting' | 'head' | 'body' = 'waiting';
  #framing: OutFraming = 'none';
  /** The client can tell a whole message from one that was cut. */
  #delimited = true;

  constructor(client: DownstreamConnection, writer: ByteWriter) {
    this.#client = client;
    this.#writer = writer;
  }

  reset(): void {
    this.#state = 'waiting';
    this.bytes = 0;
  }

  /** Octets of the final response have gone out: no other answer can be given any more. */
  get committed(): boolean {
    return this.#state === 'body';
  }

  /** Relays an interim response. False: the client is full for now. */
  interim(head: Head): boolean {
    this.#writer.begin();
    writeResponseHead(this.#writer, head, INTERIM);
    return this.#client.send(this.#writer);
  }

  /** Takes the final head; `data` must follow at once. `mustClose`: for reasons of the request or of ours. */
  begin(head: Head, to: { isHead: boolean; http10: boolean; mustClose: boolean; extra: string }): void {
    const bodyless = to.isHead || head.status === 204 || head.status === 304;
    const sized = head.contentLength !== NO_LENGTH;
    if (bodyless) this.#framing = 'none';
    else this.#framing = sized || to.http10 ? 'raw' : 'chunked';
    this.#delimited = bodyless || sized || this.#framing === 'chunked';
    this.close = to.mustClose || !this.#delimited;
    this.#writer.begin();
    scratch.framing = this.#framing;
    scratch.keepLength = head.status !== 204 && !head.chunked;
    scratch.close = this.close;
    scratch.extra = to.extra;
    writeResponseHead(this.#writer, head, scratch);
    this.#state = 'head';
  }

  /** Relays the runs of `reader`. 'full': the client takes no more for now; 'malformed': the trailer section is. */
  data(buf: Buffer, reader: BodyReader, from: UpstreamLink | null): 'flushed' | 'full' | 'malformed' {
    const trailers = reader.done && this.#framing === 'chunked' ? relayableTrailers(reader.trailer) : null;
    if (trailers === 'malformed') return 'malformed';
    this.bytes += reader.runBytes();
    return this.#write(buf, reader, trailers, from) ? 'flushed' : 'full';
  }

  /** Ends a committed response so that the client sees an incomplete message (RFC 9112 §8). */
  cut(): void {
    if (this.#delimited) this.#client.cut();
    else this.#client.reset();
  }

  #write(buf: Buffer, reader: BodyReader, trailers: Buffer | null, from: UpstreamLink | null): boolean {
    const mustCopy = from?.sharesBuffer === true && !this.#client.copies;
    const run = mustCopy ? null : singleRun(buf, reader, this.#framing);
    if (this.#state === 'head') {
      this.#state = 'body';
      if (run !== null && run.length > this.#client.joinedBytes) {
        this.#client.send(this.#writer);
        return this.#writeRun(run, from);
      }
    } else {
      if (run !== null) return this.#writeRun(run, from);
      this.#writer.begin();
    }
    writeBody(this.#writer, buf, reader, this.#framing, trailers);
    return this.#writer.length === 0 || this.#client.send(this.#writer);
  }

  /** Hands on a part of the target connection's read buffer without a copy of ours. */
  #writeRun(run: Buffer, from: UpstreamLink | null): boolean {
    const flushed = this.#client.write(run);
    if (this.#client.isWriting) from?.lend();
    return flushed;
  }
}
