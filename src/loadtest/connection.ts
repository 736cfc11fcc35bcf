import type { Client } from 'autocannon';
import { monotonicMs } from '../platform/clock.ts';
import type { Schedule } from './schedule.ts';
import type { Failure, Tally } from './tally.ts';

/** For a whole answer. */
export const ANSWER_TIMEOUT_MS = 10_000;
/** After a connection that could not be made; autocannon itself would try again in the same moment, for ever. */
const RECONNECT_MS = 100;

/** Fields of an answer as autocannon's parser reports them: name, value, name, value. */
interface Head {
  readonly headers: readonly string[];
  readonly versionMinor: number;
}

interface OpenRequest {
  readonly fromMs: number;
  readonly sentMs: number;
  readonly tally: Tally;
}

/**
 * Takes over when one of autocannon's connections sends and how its requests are counted; autocannon writes and parses.
 *
 * By itself it sends the requests of each second in one burst at its beginning, corrects for coordinated omission in
 * seconds where milliseconds are meant, does not count a request whose connection the server closes, reads the next
 * answer as the rest of a broken one, and ignores `Connection: close`. A test that is to find lost requests can afford
 * none of these.
 */
export class Connection {
  readonly #client: Client;
  readonly #index: number;
  readonly #schedule: Schedule;
  readonly #tallyAt: (dueMs: number) => Tally;
  readonly #send: () => void;
  readonly #connect: () => void;
  #n = 0;
  #open: OpenRequest | null = null;
  /** The last answer said that the connection ends with it. */
  #closing = false;
  #upstream: string | null = null;
  #connected = false;
  /** Until the next request is due. */
  #timer: NodeJS.Timeout | null = null;
  /** Until the next attempt to connect. */
  #retry: NodeJS.Timeout | null = null;

  /** `tallyAt`: where a request that is due then is counted. */
  constructor(client: Client, index: number, schedule: Schedule, tallyAt: (dueMs: number) => Tally) {
    this.#client = client;
    this.#index = index;
    this.#schedule = schedule;
    this.#tallyAt = tallyAt;
    this.#send = client._doRequest.bind(client);
    this.#connect = client._connect.bind(client);
    client._doRequest = () => this.#next();
    client._connect = () => this.#reconnect();
    client.on('headers', (head: Head) => this.#onHead(head));
    client.on('response', (status: number) => this.#onResponse(status));
    client.on('done', () => this.#stopTimers());
  }

  /** Looks again whether there is anything left to send: the end has changed. */
  wake(): void {
    if (this.#retry === null) this.#next();
    else if (this.#dueMs(monotonicMs()) === null) this.#finish();
  }

  #dueMs(nowMs: number): number | null {
    return this.#schedule.due(this.#index, this.#n, nowMs);
  }

  #next(): void {
    if (this.#client.destroyed || this.#open !== null) return;
    this.#stopTimers();
    const nowMs = monotonicMs();
    const dueMs = this.#dueMs(nowMs);
    if (dueMs === null) this.#finish();
    else if (dueMs > nowMs) this.#timer = setTimeout(() => this.#start(dueMs, monotonicMs()), dueMs - nowMs);
    // It waited for the connection, and the wait belongs to its latency: the correction for coordinated omission.
    else this.#start(dueMs, dueMs);
  }

  /** Nothing is left to send. Not at once: autocannon hears of an end only after it has made the client. */
  #finish(): void {
    queueMicrotask(() => this.#client.destroy());
  }

  #start(dueMs: number, fromMs: number): void {
    this.#timer = null;
    if (this.#closing) {
      this.#client._connect();
      return;
    }
    const tally = this.#tallyAt(dueMs);
    tally.requests++;
    this.#n++;
    this.#upstream = null;
    this.#open = { fromMs, sentMs: monotonicMs(), tally };
    this.#send();
  }

  #onHead({ headers, versionMinor }: Head): void {
    let closing = versionMinor === 0;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]?.toLowerCase();
      if (name === 'connection') closing = headers[i + 1]?.toLowerCase() === 'close';
      else if (name === 'x-tealgate-upstream') this.#upstream = headers[i + 1] ?? null;
    }
    this.#closing = closing;
  }

  #onResponse(status: number): void {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    const nowMs = monotonicMs();
    open.tally.answer(status, nowMs - open.fromMs, this.#upstream);
    open.tally.lastAnswerMs = nowMs;
  }

  /** The connection is to be made, or was broken and is to be made again. */
  #reconnect(): void {
    if (this.#open !== null) this.#failOpen(this.#open);
    this.#stopTimers();
    this.#closing = false;
    const refused = this.#client.conn !== undefined && !this.#connected;
    if (this.#client.conn !== undefined) {
      // Two failures of one socket would connect twice, and half an answer would be read on with the next one.
      this.#client._destroyConnection();
      this.#client.parser.reinitialize('RESPONSE');
    }
    if (refused) this.#retry = setTimeout(() => this.#connectAgain(), RECONNECT_MS);
    else this.#connectNow();
  }

  #connectAgain(): void {
    this.#retry = null;
    if (this.#dueMs(monotonicMs()) === null) this.#finish();
    else this.#connectNow();
  }

  #connectNow(): void {
    this.#connected = false;
    this.#connect();
    this.#client.conn?.once('connect', () => {
      this.#connected = true;
    });
  }

  #failOpen(open: OpenRequest): void {
    this.#open = null;
    // The timer of autocannon may fire a little early by our clock.
    const late = monotonicMs() - open.sentMs > ANSWER_TIMEOUT_MS - 100;
    const kind: Failure = late ? 'timeouts' : this.#connected ? 'dropped' : 'refused';
    open.tally.fail(kind, this.#connected);
  }

  #stopTimers(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#timer = null;
    this.#retry = null;
  }
}
