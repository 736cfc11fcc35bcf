/**
 * Follows WebSocket frames (RFC 6455 §5.2) in one direction of a tunnel, only to know where one ends: a close frame of
 * ours may stand between two frames, never inside one. Payloads are skipped, not looked at.
 */
export class FrameBoundary {
  /** Octets of the payload still to come. */
  #payload = 0;
  /** Octets of the header gathered so far. */
  readonly #header = new Uint8Array(14);
  #gathered = 0;

  /** The direction stands between two frames. */
  get atBoundary(): boolean {
    return this.#payload === 0 && this.#gathered === 0;
  }

  /** The first `length` octets of `chunk`. */
  feed(chunk: Uint8Array, length = chunk.length): void {
    let at = 0;
    while (at < length) {
      if (this.#payload > 0) {
        const skipped = Math.min(this.#payload, length - at);
        this.#payload -= skipped;
        at += skipped;
        continue;
      }
      this.#header[this.#gathered++] = chunk[at++] as number; // at < length <= chunk.length
      if (this.#gathered < headerLength(this.#header, this.#gathered)) continue;
      this.#payload = payloadLength(this.#header);
      this.#gathered = 0;
    }
  }
}

function headerLength(header: Uint8Array, gathered: number): number {
  if (gathered < 2) return 2;
  const second = header[1] as number;
  const length = second & 0x7f;
  const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
  return 2 + extended + ((second & 0x80) === 0 ? 0 : 4);
}

function payloadLength(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset);
  const length = view.getUint8(1) & 0x7f;
  if (length === 126) return view.getUint16(2);
  return length === 127 ? Number(view.getBigUint64(2)) : length;
}

/** A close frame with status 1001, going away (RFC 6455 §7.4.1), unmasked as a server sends it. */
export const GOING_AWAY: Buffer = Buffer.from([0x88, 0x02, 0x03, 0xe9]);
