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
 * request. They are octets from the start, so that no thread has to make text into octets, and the parts that
 * stay the same from one line to the next are made once.
 */
export class AccessLog {
  readonly #send: (lines: Uint8Array<ArrayBuffer>) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #writer = new ByteWriter(FLUSH_BYTES + LINE_BYTES);
  readonly #asked = new Kept(() => new AskedPart());
  readonly #status = new StatusPart();
  readonly #answered = new Kept(() => new AnsweredPart());
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
    w.all(this.#asked.of(e.client).octets(e));
    w.text(escaped(e.path));
    w.all(this.#status.octets(e.status));
    w.digits(e.bytes, 10);
    w.all(DURATION);
    writeMillis(w, durationUs);
    w.all(UPSTREAM_TIME);
    writeMillis(w, upstreamUs);
    w.all(OVERHEAD);
    writeMillis(w, durationUs - upstreamUs);
    w.all(this.#answered.of(e.target).octets(e));
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

const DURATION = octets(',"durationMs":');
const UPSTREAM_TIME = octets(',"upstreamMs":');
const OVERHEAD = octets(',"overheadMs":');

/** Parts of lines by what they are mostly alike for. */
class Kept<T> {
  readonly #parts = new Map<string, T>();
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  of(key: string): T {
    const found = this.#parts.get(key);
    if (found !== undefined) return found;
    if (this.#parts.size >= MOST_KEPT) this.#parts.clear();
    const made = this.#make();
    this.#parts.set(key, made);
    return made;
  }
}

const MOST_KEPT = 8192;

/** Who asked for what: for one client mostly the same from one line to the next, and then not made anew. */
class AskedPart {
  #method = '';
  #host = '';
  #octets = octets('');

  octets({ client, method, host }: AccessEntry): Buffer {
    if (method !== this.#method || host !== this.#host || this.#octets.length === 0) {
      this.#method = method;
      this.#host = host;
      this.#octets = octets(
        `","client":"${escaped(client)}","method":"${escaped(method)}","host":"${escaped(host)}","path":"`,
      );
    }
    return this.#octets;
  }
}

/** By whom and how it was answered, to the end of the line; for one target, as {@link AskedPart}. */
class AnsweredPart {
  #service = '';
  #upstream = '';
  #retries = -1;
  #outcome = '';
  #octets = octets('');

  octets(e: AccessEntry): Buffer {
    if (
      e.outcome !== this.#outcome ||
      e.upstream !== this.#upstream ||
      e.service !== this.#service ||
      e.retries !== this.#retries
    ) {
      this.#make(e);
    }
    return this.#octets;
  }

  #make({ service, upstream, target, retries, outcome }: AccessEntry): void {
    this.#service = service;
    this.#upstream = upstream;
    this.#retries = retries;
    this.#outcome = outcome;
    const by = `"service":"${escaped(service)}","upstream":"${escaped(upstream)}","target":"${escaped(target)}"`;
    this.#octets = octets(`,${by},"retries":${retries},"outcome":"${outcome}"}\n`);
  }
}

/** As {@link AskedPart}. */
class StatusPart {
  #status = -1;
  #octets = octets('');

  octets(status: number): Buffer {
    if (status !== this.#status) {
      this.#status = status;
      this.#octets = octets(`","status":${status},"bytes":`);
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
