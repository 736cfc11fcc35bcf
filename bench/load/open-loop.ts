/**
 * Requests at a fixed rate, whatever becomes of those before them, at random times (a Poisson process). A latency counts from
 * when the request fell due, also when it had to wait here for a connection or for this process: nothing is omitted
 * because the proxy or the machine was busy. Prints an {@link OpenLoopResult}.
 *
 *     node bench/load/open-loop.ts '{"port": 8080, "request": "GET / HTTP/1.1\r\nHost: svc0.test\r\n\r\n", "rate": 20000,
 *       "seconds": 5, "warmUpSeconds": 2, "connections": 512}'
 */
import { connect, type Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import { AnswerReader } from './answer-reader.ts';
import { Latencies, type LatencySummary } from './latencies.ts';

export interface OpenLoopOptions {
  readonly port: number;
  /** One whole request, as sent. Its answers must all have the same length. */
  readonly request: string;
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
  /** At the same rate before it, for compilers and caches, also those of this process: not in the latencies. */
  readonly warmUpSeconds: number;
  /** They take turns; when none is free, requests wait. */
  readonly connections: number;
}

export interface OpenLoopResult extends LatencySummary {
  /** All that were answered, warm-up and first requests of connections included. */
  readonly requests: number;
  /** Of those measured, a second. */
  readonly perSecond: number;
  /** Other answers than 200, and requests that had none at all. */
  readonly errors: number;
}

/** Connections that are opened at once: how fast a proxy accepts is another scenario's matter. */
const BATCH = 8;
/** To connect and to be answered once. */
const OPEN_WITHIN_MS = 10_000;
/** For what is under way at the end. */
const GRACE_MS = 2000;
/** Room for more arrivals than the mean. */
const MOST_ARRIVALS = 1.2;

const input = Buffer.allocUnsafeSlow(64 * 1024);

type OnAnswer = (client: Client, dueMs: number, isGood: boolean) => void;

/** A connection that carries one request at a time. */
class Client {
  #dueMs = 0;
  #received = 0;
  /** Of an answer; 0 until there was one. */
  #answerBytes = 0;
  readonly #first = new AnswerReader();
  readonly #socket: Socket;
  readonly #onAnswer: OnAnswer;

  constructor(port: number, onConnected: (client: Client) => void, onAnswer: OnAnswer) {
    this.#onAnswer = onAnswer;
    const callback = (length: number): boolean => {
      this.#receive(length);
      return true;
    };
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread: { buffer: input, callback } });
    this.#socket.once('connect', () => onConnected(this));
    this.#socket.on('error', () => {}); // what is not answered is an error in the end
  }

  send(request: Buffer, dueMs: number): void {
    this.#dueMs = dueMs;
    this.#received = 0;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(length: number): void {
    this.#received += length;
    if (this.#answerBytes === 0) this.#readFirst(length);
    else if (this.#received >= this.#answerBytes) this.#end(this.#received === this.#answerBytes && isOk(length));
  }

  #readFirst(length: number): void {
    if (this.#first.feed(Buffer.from(input.subarray(0, length))) === 0) return;
    this.#answerBytes = this.#received;
    this.#end(this.#first.errors === 0);
  }

  #end(isGood: boolean): void {
    this.#onAnswer(this, this.#dueMs, isGood);
  }
}

/** Where an answer came in parts, its status stood in a part that is gone. */
function isOk(length: number): boolean {
  return length < 12 || input[0] !== 0x48 || (input[9] === 0x32 && input[10] === 0x30 && input[11] === 0x30); // HTTP/1.1 200
}

/** First in, first out: all connections are used, as those of many clients would be. */
class Fifo<T> {
  #items: T[] = [];
  #at = 0;

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#at === this.#items.length) return undefined;
    const item = this.#items[this.#at++];
    if (this.#at === 4096) this.#items = this.#items.slice(this.#at);
    this.#at %= 4096;
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#at = 0;
  }
}

async function run(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { port, rate, seconds, warmUpSeconds, connections } = options;
  const request = Buffer.from(options.request, 'latin1');
  const latencies = new Latencies(Math.ceil(rate * seconds * MOST_ARRIVALS) + connections);
  const free = new Fifo<Client>();
  const waiting = new Fifo<number>();
  const clients: Client[] = [];
  let requests = 0;
  let errors = 0;
  let underWay = 0;
  let fromMs = Number.POSITIVE_INFINITY;

  const send = (client: Client, dueMs: number): void => {
    underWay++;
    client.send(request, dueMs);
  };
  const onAnswer = (client: Client, dueMs: number, isGood: boolean): void => {
    underWay--;
    requests++;
    if (!isGood) errors++;
    if (dueMs >= fromMs) latencies.note(dueMs, performance.now() - dueMs);
    const next = waiting.shift();
    if (next === undefined) free.push(client);
    else send(client, next);
  };

  while (clients.length < connections) {
    const batch = Math.min(BATCH, connections - clients.length);
    for (let i = 0; i < batch; i++) clients.push(new Client(port, (client) => send(client, 0), onAnswer));
    const deadlineMs = performance.now() + OPEN_WITHIN_MS;
    await until((nowMs) => requests === clients.length || nowMs > deadlineMs);
    if (requests < clients.length) throw new Error(`connections without an answer: ${clients.length - requests}`);
  }

  let nextMs = performance.now();
  fromMs = nextMs + warmUpSeconds * 1000;
  const endMs = fromMs + seconds * 1000;
  await until((nowMs) => {
    for (; nextMs <= nowMs && nextMs < endMs; nextMs += intervalMs(rate)) {
      const client = free.shift();
      if (client === undefined) waiting.push(nextMs);
      else send(client, nextMs);
    }
    return nextMs >= endMs;
  });
  waiting.clear(); // it would be sent after the end
  await until((nowMs) => underWay === 0 || nowMs > endMs + GRACE_MS);
  for (const client of clients) client.close();
  return { ...latencies.summary(), requests, perSecond: latencies.count / seconds, errors: errors + underWay };
}

/** Between two arrivals of a Poisson process. */
function intervalMs(rate: number): number {
  return (-1000 / rate) * Math.log(1 - Math.random());
}

/** Looks in each turn of the event loop, without sleeping: a timer would be up to a millisecond late. */
function until(isOver: (nowMs: number) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (isOver(performance.now())) resolve();
      else setImmediate(look);
    };
    look();
  });
}

setPriority(constants.priority.PRIORITY_LOW); // it never sleeps: targets on the same core come first
console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as OpenLoopOptions)));
process.exit(0);
