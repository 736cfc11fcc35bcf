import { ByteWriter } from '../http1/byte-writer.ts';
import type { Outcome } from '../traffic/ledger.ts';

/** One finished request. Times in ms; `path` without its query, which may hold secrets. */
export interface AccessEntry {
  /** The client's X-Request-Id; null where the gate has given one: its prefix and `number` in base 36. */
  readonly givenId: string | null;
  readonly number: number;
  readonly client: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly upstreamMs: number;
  readonly service: string;
  readonly upstream: string;
  readonly target: string;
  readonly retries: number;
  readonly outcome: Outcome;
}

/** Lines are handed on when this much has gathered, or after FLUSH_MS. */
const FLUSH_BYTES = 64 * 1024;
const FLUSH_MS = 100;
/** Longer than most lines: the buffer grows where it must. */
const LINE_BYTES = 4 * 1024;

/**
 * Gathers access lines of a worker and hands them on in batches, since one message per line would cost more than the
 * request. They are octets from the start, so that no thread has to make text into octets: `JSON.stringify` of an entry,
 * and its way to the output, took ten times as long.
 */
export class AccessLog {
  readonly #send: (lines: Uint8Array<ArrayBuffer>) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #writer = new ByteWriter(FLUSH_BYTES + LINE_BYTES);
  readonly #client = new Memo();
  readonly #method = new Memo();
  readonly #host = new Memo();
  readonly #service = new Memo();
  readonly #upstream = new Memo();
  readonly #target = new Memo();
  readonly #outcome = new Memo();
  readonly #idPrefix: Buffer;

  /** `idPrefix`: of the ids that the gate gives; see {@link AccessEntry}. The octets given to `send` are its own. */
  constructor(idPrefix: string, send: (lines: Uint8Array<ArrayBuffer>) => void) {
    this.#idPrefix = octets(idPrefix);
    this.#send = send;
    this.#timer = setInterval(() => this.flush(), FLUSH_MS);
    this.#timer.unref();
    this.#writer.begin();
  }

  write(entry: AccessEntry): void {
    this.#render(entry);
    if (this.#writer.length >= FLUSH_BYTES) this.flush();
  }

  flush(): void {
    const { length } = this.#writer;
    if (length === 0) return;
    const lines = Buffer.from(new ArrayBuffer(length));
    this.#writer.copyTo(lines);
    this.#writer.begin();
    this.#send(lines);
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }

  #render(e: AccessEntry): void {
    const w = this.#writer;
    const durationUs = Math.max(Math.round(e.durationMs * 1000), 0);
    const upstreamUs = Math.min(Math.max(Math.round(e.upstreamMs * 1000), 0), durationUs);
    w.all(timePart());
    this.#writeId(e);
    w.all(PART.client);
    w.all(this.#client.octets(e.client));
    w.all(PART.method);
    w.all(this.#method.octets(e.method));
    w.all(PART.host);
    w.all(this.#host.octets(e.host));
    w.all(PART.path);
    w.text(escaped(e.path));
    w.all(PART.status);
    w.digits(e.status, 10);
    w.all(PART.bytes);
    w.digits(e.bytes, 10);
    w.all(PART.duration);
    writeMillis(w, durationUs);
    w.all(PART.upstreamTime);
    writeMillis(w, upstreamUs);
    w.all(PART.overhead);
    writeMillis(w, durationUs - upstreamUs);
    w.all(PART.service);
    w.all(this.#service.octets(e.service));
    w.all(PART.upstream);
    w.all(this.#upstream.octets(e.upstream));
    w.all(PART.target);
    w.all(this.#target.octets(e.target));
    w.all(PART.retries);
    w.digits(e.retries, 10);
    w.all(PART.outcome);
    w.all(this.#outcome.octets(e.outcome));
    w.all(PART.end);
  }

  #writeId({ givenId, number }: AccessEntry): void {
    if (givenId !== null) {
      this.#writer.text(escaped(givenId));
      return;
    }
    this.#writer.all(this.#idPrefix);
    this.#writer.digits(number, 36);
  }
}

const PART = {
  client: octets('","client":"'),
  method: octets('","method":"'),
  host: octets('","host":"'),
  path: octets('","path":"'),
  status: octets('","status":'),
  bytes: octets(',"bytes":'),
  duration: octets(',"durationMs":'),
  upstreamTime: octets(',"upstreamMs":'),
  overhead: octets(',"overheadMs":'),
  service: octets(',"service":"'),
  upstream: octets('","upstream":"'),
  target: octets('","target":"'),
  retries: octets('","retries":'),
  outcome: octets(',"outcome":"'),
  end: octets('"}\n'),
} as const;

/** A text that is mostly the same from one line to the next, as the octets that stand for it within a JSON string. */
class Memo {
  #text = '';
  #octets = octets('');

  octets(text: string): Buffer {
    if (text !== this.#text) {
      this.#text = text;
      this.#octets = octets(JSON.stringify(text).slice(1, -1));
    }
    return this.#octets;
  }
}

let millisecond = -1;
let time = octets('');
/** How a line begins, made anew once a millisecond: formatting a date costs as much as the rest of the line. */
function timePart(): Buffer {
  const now = Date.now();
  if (now !== millisecond) {
    millisecond = now;
    time = octets(`{"level":"info","time":"${new Date(now).toISOString()}","event":"access","requestId":"`);
  }
  return time;
}

/** Microseconds as milliseconds with three places. */
function writeMillis(writer: ByteWriter, us: number): void {
  const rest = us % 1000;
  writer.digits((us - rest) / 1000, 10);
  writer.all(rest < 10 ? POINT_00 : rest < 100 ? POINT_0 : POINT);
  writer.digits(rest, 10);
}

const POINT = octets('.');
const POINT_0 = octets('.0');
const POINT_00 = octets('.00');

/** Values from the wire hold visible ASCII only (the parser saw to it), so quotes and backslashes are all that can break a line. */
function escaped(text: string): string {
  return text.includes('"') || text.includes('\\') ? JSON.stringify(text).slice(1, -1) : text;
}

function octets(text: string): Buffer {
  return Buffer.from(text);
}
