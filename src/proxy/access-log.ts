import type { Outcome } from '../traffic/ledger.ts';

/** One finished request. Times in ms; `path` without its query, which may hold secrets. */
export interface AccessEntry {
  readonly requestId: string;
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
const FLUSH_CHARS = 32 * 1024;
const FLUSH_MS = 100;

/**
 * Gathers access lines of a worker and hands them on in batches, since one message per line would cost more than the
 * request. The lines are built by hand: JSON.stringify of an object takes about three times as long.
 */
export class AccessLog {
  readonly #send: (lines: string) => void;
  readonly #timer: NodeJS.Timeout;
  #lines = '';

  constructor(send: (lines: string) => void) {
    this.#send = send;
    this.#timer = setInterval(() => this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  write(entry: AccessEntry): void {
    this.#lines += render(entry);
    if (this.#lines.length >= FLUSH_CHARS) this.flush();
  }

  flush(): void {
    if (this.#lines === '') return;
    this.#send(this.#lines);
    this.#lines = '';
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}

function render(e: AccessEntry): string {
  const durationUs = Math.round(e.durationMs * 1000);
  const upstreamUs = Math.round(e.upstreamMs * 1000);
  return `{"level":"info","time":"${isoTime()}","event":"access","requestId":"${quoteless(e.requestId)}","client":"${e.client}","method":"${quoteless(e.method)}","host":"${quoteless(e.host)}","path":"${quoteless(e.path)}","status":${e.status},"bytes":${e.bytes},"durationMs":${millis(durationUs)},"upstreamMs":${millis(upstreamUs)},"overheadMs":${millis(durationUs - upstreamUs)},"service":"${e.service}","upstream":"${e.upstream}","target":"${e.target}","retries":${e.retries},"outcome":"${e.outcome}"}\n`;
}

let millisecond = -1;
let time = '';
/** Made anew once a millisecond: formatting a date costs as much as the rest of the line. */
function isoTime(): string {
  const now = Date.now();
  if (now !== millisecond) {
    millisecond = now;
    time = new Date(now).toISOString();
  }
  return time;
}

/** Microseconds as milliseconds with three places; V8 takes ten times as long to print a fraction. */
function millis(us: number): string {
  const rest = us % 1000;
  return `${(us - rest) / 1000}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`;
}

/** Values from the wire hold visible ASCII only (the parser saw to it), so quotes and backslashes are all that can break a line. */
function quoteless(text: string): string {
  return text.includes('"') || text.includes('\\') ? JSON.stringify(text).slice(1, -1) : text;
}
