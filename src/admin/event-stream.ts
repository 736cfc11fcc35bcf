import type { ServerResponse } from 'node:http';
import type { ControlPlane } from '../app/control-plane.ts';
import type { StoredEvent } from '../store/store.ts';

export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Tells nginx and its kin not to collect the stream.
  'x-accel-buffering': 'no',
} as const;

/** A comment each 15 s keeps idle connections open and finds dead ones. */
const HEARTBEAT_MS = 15_000;
/** What may wait in our memory for a reader: some pages of events. One that lets more pile up is dropped; it may resume. */
const BACKLOG_BYTES = 4 << 20;
const RETRY_MS = 2000;

export interface EventStreamOptions {
  readonly control: ControlPlane;
  /** Begin after this event. */
  readonly since: number;
  /** Ends the stream: the reader has left, or the server closes. */
  readonly signal: AbortSignal;
  readonly heartbeatMs?: number;
}

/** Sends events as server-sent events until the signal aborts or the reader is too slow. The head has been sent. */
export function openEventStream(response: ServerResponse, options: EventStreamOptions): void {
  new EventStream(response, options).start();
}

class EventStream {
  private cursor: number;
  private stalled = false;
  private readonly stopped = new AbortController();
  private readonly response: ServerResponse;
  private readonly options: EventStreamOptions;

  constructor(response: ServerResponse, options: EventStreamOptions) {
    this.response = response;
    this.options = options;
    this.cursor = options.since;
  }

  start(): void {
    const { signal, heartbeatMs = HEARTBEAT_MS } = this.options;
    const heartbeat = setInterval(() => this.beat(), heartbeatMs);
    this.stopped.signal.addEventListener('abort', () => clearInterval(heartbeat));
    this.response.once('close', () => this.stopped.abort());
    this.response.on('drain', () => {
      this.stalled = false;
    });
    signal.addEventListener('abort', () => this.stop());
    if (signal.aborted) {
      this.stop();
      return;
    }
    this.response.write(`retry: ${RETRY_MS}\n\n`);
    this.goOn();
  }

  /** Sends what is stored page by page, waiting for the reader, so that a long history is no backlog. */
  private catchUp(): void {
    const { control } = this.options;
    while (!this.stopped.signal.aborted) {
      const page = control.events(this.cursor);
      if (page.length === 0) {
        // Tells a reader of the past where the past ends.
        this.response.write(': caught up\n\n');
        control.watchEvents(this.cursor, (events) => this.follow(events), this.stopped.signal);
        return;
      }
      if (!this.send(page)) {
        this.response.once('drain', () => this.goOn());
        return;
      }
    }
  }

  /** A history that cannot be read ends this stream, not the gate; the reader may resume where it was. */
  private goOn(): void {
    try {
      this.catchUp();
    } catch (error) {
      process.emitWarning(`the event log cannot be read: ${String(error)}`);
      this.drop();
    }
  }

  /** What happens does not wait for the reader, as pages of the past do, however large. */
  private follow(events: readonly StoredEvent[]): void {
    this.send(events);
    if (this.response.writableLength > BACKLOG_BYTES) this.drop();
  }

  /** false when the reader should be waited for. */
  private send(events: readonly StoredEvent[]): boolean {
    this.cursor = events.at(-1)?.id ?? this.cursor;
    return this.response.write(events.map(format).join(''));
  }

  /** A reader that took nothing of what waits between two beats is gone, whatever its connection says. */
  private beat(): void {
    const waiting = this.response.writableNeedDrain;
    if (waiting && this.stalled) this.drop();
    else if (!waiting) this.response.write(': \n\n');
    this.stalled = waiting;
  }

  private stop(): void {
    this.stopped.abort();
    this.response.end();
  }

  private drop(): void {
    this.stopped.abort();
    this.response.destroy();
  }
}

function format(event: StoredEvent): string {
  return `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`;
}
