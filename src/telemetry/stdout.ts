import { fstatSync, write } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';

/**
 * The one writer of log and access lines of all threads. It never blocks the event loop, never throws and never lets
 * memory grow: when the reader stalls it drops access lines first, log lines last, and says how many once it can.
 */
export interface LineSink {
  /** Log lines, each ended by a line feed. Kept before access lines when room is short. */
  write(lines: string): void;
  /** Access lines in UTF-8, each ended by a line feed. The octets are the sink's from then on. */
  writeAccess(lines: Uint8Array): void;
  /**
   * Resolves when everything is written, when the output is gone for good, or when it has taken nothing for a second:
   * a stalled reader must not keep the process from ending.
   */
  flush(): Promise<void>;
}

/** Lines waiting, in octets: access lines may use the first, log lines all of it. */
const ACCESS_LIMIT = 4 << 20;
const LIMIT = 8 << 20;
/** Most that is handed to the output at once. */
const BATCH = 256 << 10;
/** Pause after an error that may pass, such as a full disk. */
const RETRY_MS = 1000;
const STALL_MS = 1000;
const LINE_FEED = 0x0a;
/** Errors after which nothing will ever be read. */
const FINAL = new Set(['EPIPE', 'EBADF', 'EINVAL', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);

/** Writes some of the buffer, then calls back with what it took or why it could not; once per call. */
type Output = (bytes: Uint8Array, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void;

/** A sink on an open file descriptor; 1, the default, is standard output. */
export function createLineSink(fd = 1): LineSink {
  return new QueuedSink(openOutput(fd));
}

interface Chunk {
  readonly lines: Uint8Array;
  readonly access: boolean;
}

class QueuedSink implements LineSink {
  private queue: Chunk[] = [];
  private accessSize = 0;
  private size = 0;
  private pending: Uint8Array | null = null;
  private dead = false;
  private dropped = { access: 0, log: 0 };
  private waiting: (() => void)[] = [];
  /** Grows with each write that the output took: how `flush` tells slow from stalled. */
  private progress = 0;
  private readonly output: Output;

  constructor(output: Output) {
    this.output = output;
  }

  write(text: string): void {
    if (this.dead) return;
    const lines = Buffer.from(text);
    if (this.size + lines.length > LIMIT) this.evictAccess();
    if (this.size + lines.length > LIMIT) this.dropped.log += countLines(lines);
    else this.enqueue({ lines, access: false });
  }

  writeAccess(lines: Uint8Array): void {
    if (this.dead) return;
    if (this.size + lines.length > ACCESS_LIMIT) this.dropped.access += countLines(lines);
    else this.enqueue({ lines, access: true });
  }

  flush(): Promise<void> {
    if (this.idle()) return Promise.resolve();
    return new Promise((resolve) => {
      let seen = this.progress;
      const timer = setInterval(() => {
        if (seen === this.progress) finish();
        seen = this.progress;
      }, STALL_MS);
      const finish = () => {
        clearInterval(timer);
        resolve();
      };
      this.waiting.push(finish);
    });
  }

  private enqueue(chunk: Chunk): void {
    this.queue.push(chunk);
    this.size += chunk.lines.length;
    if (chunk.access) this.accessSize += chunk.lines.length;
    if (this.pending === null) this.next();
  }

  private evictAccess(): void {
    if (this.accessSize === 0) return;
    for (const chunk of this.queue) if (chunk.access) this.dropped.access += countLines(chunk.lines);
    this.queue = this.queue.filter((chunk) => !chunk.access);
    this.size -= this.accessSize;
    this.accessSize = 0;
  }

  private next(): void {
    const parts = this.takeBatch();
    if (parts.length === 0) {
      this.settle();
      return;
    }
    const [first] = parts;
    this.pending = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
    this.attempt();
  }

  private takeBatch(): Uint8Array[] {
    const batch = this.dropNotice();
    let size = 0;
    let taken = 0;
    while (taken < this.queue.length && size < BATCH) {
      const chunk = this.queue[taken++];
      if (chunk === undefined) break;
      batch.push(chunk.lines);
      size += chunk.lines.length;
      this.size -= chunk.lines.length;
      if (chunk.access) this.accessSize -= chunk.lines.length;
    }
    this.queue.splice(0, taken);
    return batch;
  }

  private dropNotice(): Uint8Array[] {
    const { access, log } = this.dropped;
    if (access + log === 0) return [];
    this.dropped = { access: 0, log: 0 };
    const time = new Date().toISOString();
    const msg = 'the reader of the log was too slow; lines were dropped';
    return [Buffer.from(`${JSON.stringify({ level: 'warn', time, event: 'log.dropped', access, log, msg })}\n`)];
  }

  private attempt(): void {
    const { pending } = this;
    if (pending === null) return;
    this.output(pending, (error, written) => {
      if (error === null) this.took(pending, written);
      else this.failed(error);
    });
  }

  private took(pending: Uint8Array, written: number): void {
    this.progress++;
    this.pending = written < pending.length ? pending.subarray(written) : null;
    if (this.pending === null) this.next();
    else this.attempt();
  }

  private failed(error: NodeJS.ErrnoException): void {
    // ENOSPC, EAGAIN, EIO: the disk may be freed, the reader may catch up. Unref: no process lives for its log alone.
    if (FINAL.has(error.code ?? '')) this.giveUp();
    else setTimeout(() => this.attempt(), RETRY_MS).unref();
  }

  private giveUp(): void {
    this.dead = true;
    this.queue = [];
    this.pending = null;
    this.settle();
  }

  private idle(): boolean {
    return this.dead || (this.pending === null && this.queue.length === 0);
  }

  private settle(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const finish of waiting) finish();
  }
}

function countLines(lines: Uint8Array): number {
  let count = 0;
  for (let at = lines.indexOf(LINE_FEED); at !== -1; at = lines.indexOf(LINE_FEED, at + 1)) count++;
  return count;
}

/**
 * Pipes, sockets and terminals are written through a stream: `fs.write` to a pipe that nobody reads holds a thread of
 * the pool, and a process cannot exit while it does. Files and devices are written by the pool.
 */
function openOutput(fd: number): Output {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isSocket() || isatty(fd)) return streamOutput(fd);
  return (buffer, done) => write(fd, buffer, 0, buffer.length, null, (error, written) => done(error, written));
}

function streamOutput(fd: number): Output {
  const stream = standardStream(fd) ?? new Socket({ fd, readable: false, writable: true });
  // Each write reports its own error; without a listener the stream would throw it a second time.
  stream.on('error', () => undefined);
  return (buffer, done) => {
    stream.write(buffer, (error) => done(error ?? null, buffer.length));
  };
}

/** Two handles on one descriptor would steal each other's readiness events. */
function standardStream(fd: number): NodeJS.WriteStream | null {
  if (fd === 1) return process.stdout;
  return fd === 2 ? process.stderr : null;
}
