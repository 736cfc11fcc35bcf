/** Why a message was refused; index into nothing, compared by identity. Negative, so that parsers can return them. */
export const REFUSED = {
  syntax: -1,
  headTooLarge: -2,
  targetTooLong: -3,
  tooManyFields: -4,
  version: -5,
  host: -6,
  framing: -7,
  method: -8,
  expectation: -9,
} as const;

/** A parser's answer when the head is not complete yet. */
export const INCOMPLETE = 0;

/** No Content-Length was given. */
export const NO_LENGTH = -1;

/**
 * A parsed message head: offsets into the buffer it came in, nothing decoded or copied. One instance per connection is
 * used again for each message, so that parsing allocates nothing.
 */
export class Head {
  buf: Buffer = EMPTY;
  /** First octet of the head and the first after its final CRLF. */
  start = 0;
  end = 0;
  /** Where the field lines begin; they end at `end - 2`. */
  fieldsStart = 0;

  count = 0;
  /** Four per field line: name start, name end (the colon), value start, value end (white space trimmed). */
  spans: Int32Array;
  /** Id of each field, see fields.ts. */
  ids: Uint8Array;

  /** Minor version of HTTP/1. */
  minor = 1;
  /** Of requests: index into METHODS of ledger.ts; `OTHER` for unknown ones. */
  method = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Authority: from an absolute-form target, else from Host; equal offsets where there is none (HTTP/1.0). */
  hostStart = 0;
  hostEnd = 0;
  /** The target came in absolute form: its authority replaces Host (RFC 9112 §3.2.2). */
  absolute = false;
  /** Of responses. */
  status = 0;

  contentLength = NO_LENGTH;
  chunked = false;
  /** `Connection` tokens. */
  close = false;
  keepAlive = false;
  upgradeToken = false;
  /** There are `Connection` tokens that name other fields: those must be removed (RFC 9110 §7.6.1). */
  namesFields = false;
  /** Seen field ids as a bit set of ids 0 to 31. */
  seen = 0;
  cookies = 0;

  constructor(fields: number) {
    this.spans = new Int32Array(fields * 4);
    this.ids = new Uint8Array(fields);
  }

  get capacity(): number {
    return this.ids.length;
  }

  reset(buf: Buffer, start: number): void {
    this.buf = buf;
    this.start = start;
    this.end = start;
    this.count = 0;
    this.minor = 1;
    this.method = 0;
    this.hostStart = 0;
    this.hostEnd = 0;
    this.absolute = false;
    this.status = 0;
    this.contentLength = NO_LENGTH;
    this.chunked = false;
    this.close = false;
    this.keepAlive = false;
    this.upgradeToken = false;
    this.namesFields = false;
    this.seen = 0;
    this.cookies = 0;
  }

  has(id: number): boolean {
    return (this.seen & (1 << id)) !== 0;
  }

  /** Index of the first field line with this id at or after `from`; -1 if there is none. */
  indexOf(id: number, from = 0): number {
    for (let i = from; i < this.count; i++) if (this.ids[i] === id) return i;
    return -1;
  }

  nameStart(i: number): number {
    return this.spans[i * 4] as number;
  }

  nameEnd(i: number): number {
    return this.spans[i * 4 + 1] as number;
  }

  valueStart(i: number): number {
    return this.spans[i * 4 + 2] as number;
  }

  valueEnd(i: number): number {
    return this.spans[i * 4 + 3] as number;
  }

  /** First octet after the line's CRLF. */
  lineEnd(i: number): number {
    return i + 1 < this.count ? this.nameStart(i + 1) : this.end - 2;
  }

  /** The value as Latin-1 text; only for fields that are looked into. */
  value(i: number): string {
    return this.buf.latin1Slice(this.valueStart(i), this.valueEnd(i));
  }

  /** Doubles the room for field lines. */
  grow(): void {
    const spans = new Int32Array(this.spans.length * 2);
    spans.set(this.spans);
    const ids = new Uint8Array(this.ids.length * 2);
    ids.set(this.ids);
    this.spans = spans;
    this.ids = ids;
  }

  /** Lets go of the buffer, so that an idle connection does not keep it alive. */
  release(): void {
    this.buf = EMPTY;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
