const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = 'content-length:';

/** Counts answers in a stream of responses that all have a Content-Length; no other framing is understood. */
export class AnswerReader {
  errors = 0;
  #left = 0;
  #partial: Buffer = Buffer.alloc(0);

  /** How many answers end in `chunk`. */
  feed(chunk: Buffer): number {
    let buf = this.#partial.length > 0 ? Buffer.concat([this.#partial, chunk]) : chunk;
    this.#partial = buf.subarray(0, 0);
    let answers = 0;
    while (buf.length > 0) {
      if (this.#left === 0) {
        const end = buf.indexOf(HEAD_END);
        if (end < 0) {
          this.#partial = Buffer.from(buf);
          return answers;
        }
        this.#left = end + HEAD_END.length + this.#bodyBytes(buf.latin1Slice(0, end));
      }
      const taken = Math.min(this.#left, buf.length);
      this.#left -= taken;
      if (this.#left === 0) answers++;
      buf = buf.subarray(taken);
    }
    return answers;
  }

  #bodyBytes(head: string): number {
    if (!head.startsWith('HTTP/1.1 200')) this.errors++;
    const at = head.toLowerCase().indexOf(LENGTH);
    if (at < 0) throw new Error(`an answer without Content-Length:\n${head}`);
    return Number.parseInt(head.slice(at + LENGTH.length), 10);
  }
}
