import type { BodyReader } from '../../http1/body-reader.ts';
import { equalsIgnoreCase } from '../../http1/bytes.ts';
import type { Head } from '../../http1/head.ts';
import type { CompareRoute } from '../../traffic/snapshot.ts';

/** A response as far as it is compared with another: its status, some fields and its body up to a size. */
export class ResponseCapture {
  /** 0 while there is none. */
  status = 0;
  /** Values of the compared fields, in the order of `rules.headers`; several lines of one name are joined. */
  headers: readonly string[] = [];
  contentType = '';
  /** The body is larger than what is compared. */
  tooLarge = false;

  readonly rules: CompareRoute;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(rules: CompareRoute) {
    this.rules = rules;
  }

  get body(): Buffer {
    return Buffer.concat(this.#parts, this.#bytes);
  }

  begin(head: Head): void {
    this.status = head.status;
    this.headers = this.rules.headers.map((name) => joinedValues(head, name));
    this.contentType = joinedValues(head, 'content-type');
    this.#parts = [];
    this.#bytes = 0;
  }

  /** Copies the runs of `reader` in `buf`, since that buffer is used again. */
  add(buf: Buffer, reader: BodyReader): void {
    this.#bytes += reader.runBytes();
    if (this.#bytes > this.rules.bodyBytes) {
      this.tooLarge = true;
      this.#parts = [];
      this.#bytes = 0;
    }
    if (this.tooLarge) return;
    for (let i = 0; i < reader.runCount; i++)
      this.#parts.push(Buffer.from(buf.subarray(reader.runs[2 * i] as number, reader.runs[2 * i + 1] as number)));
  }
}

function joinedValues(head: Head, name: string): string {
  const wanted = Buffer.from(name, 'latin1');
  const values: string[] = [];
  for (let i = 0; i < head.count; i++)
    if (equalsIgnoreCase(head.buf, head.nameStart(i), head.nameEnd(i), wanted)) values.push(head.value(i));
  return values.join(', ');
}
