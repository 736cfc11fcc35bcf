/**
 * Load at a fixed rate (open loop): requests fall due by a schedule, answered or not, and latency counts from the moment
 * a request was due. A server that stalls is charged for every request that waited meanwhile, which a closed loop such
 * as wrk forgives ("coordinated omission").
 *
 *     node bench/load/open-loop.ts '{"port": 8080, "rate": 5000, "seconds": 3, "connections": 64, "request": "GET …"}'
 *
 * Limits: one thread, which sends about 20,000 small requests a second on a modern core; what is due is sent every
 * quarter of a millisecond, so the schedule is in bursts of that width and latencies include being woken (`lateP99Ms`
 * tells how late). Responses need a Content-Length. A request due while every connection is busy waits for one.
 */
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { quantile } from '../statistics.ts';
import { AnswerReader } from './answer-reader.ts';

export interface OpenLoopOptions {
  readonly port: number;
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
  /** One whole request, as sent. */
  readonly request: string;
}

export interface OpenLoopResult {
  readonly due: number;
  readonly answered: number;
  readonly errors: number;
  /** Share of what was due that had been answered when the schedule ended. */
  readonly achieved: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** How late the generator itself sent. */
  readonly lateP99Ms: number;
}

const TICK_MS = 0.25;
/** The first part of the schedule warms connections up and is not counted. */
const WARM_UP_SHARE = 0.2;
/** What is still due when the schedule ends gets this long. */
const GRACE_MS = 2000;

/** Sends by the schedule; one instance per run. */
class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #request: Buffer;
  readonly #idle: Client[] = [];
  readonly #latencies: number[] = [];
  readonly #late: number[] = [];
  readonly #total: number;
  readonly #counted: number;
  #startMs = 0;
  #sent = 0;
  #answered = 0;
  errors = 0;
  readonly done = Promise.withResolvers<void>();

  constructor(options: OpenLoopOptions) {
    this.#options = options;
    this.#request = Buffer.from(options.request, 'latin1');
    this.#total = Math.round(options.rate * options.seconds);
    this.#counted = Math.round(this.#total * WARM_UP_SHARE);
  }

  async run(): Promise<OpenLoopResult> {
    const { connections, port, seconds } = this.#options;
    const clients = await Promise.all(Array.from({ length: connections }, () => Client.connect(port, this)));
    this.#idle.push(...clients);
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const pacer = new Worker(new URL('./pacer.ts', import.meta.url), { workerData: { tickMs: TICK_MS, stop } });
    this.#startMs = performance.now();
    pacer.on('message', () => this.#sendDue());
    let answeredInTime = 0;
    const scheduleEnd = setTimeout(() => {
      answeredInTime = this.#answered;
    }, seconds * 1000);
    const deadline = setTimeout(() => this.done.resolve(), seconds * 1000 + GRACE_MS);
    await this.done.promise;
    clearTimeout(scheduleEnd);
    clearTimeout(deadline);
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
    await pacer.terminate();
    for (const client of clients) client.end();
    return this.#result(answeredInTime === 0 ? this.#answered : answeredInTime);
  }

  #sendDue(): void {
    const due = Math.min(Math.floor(((performance.now() - this.#startMs) * this.#options.rate) / 1000), this.#total);
    while (this.#sent < due) {
      const client = this.#idle.pop();
      if (client === undefined) return;
      const dueAtMs = this.#dueAtMs(this.#sent);
      const late = performance.now() - dueAtMs;
      if (this.#sent >= this.#counted) this.#late.push(late);
      client.send(this.#request, this.#sent++);
    }
  }

  #dueAtMs(request: number): number {
    return this.#startMs + (request * 1000) / this.#options.rate;
  }

  onAnswer(client: Client, request: number): void {
    this.#answered++;
    if (request >= this.#counted) this.#latencies.push(performance.now() - this.#dueAtMs(request));
    this.#idle.push(client);
    this.#sendDue();
    if (this.#answered + this.errors >= this.#total) this.done.resolve();
  }

  onLost(request: number): void {
    if (request >= 0) this.errors++;
  }

  #result(answeredInTime: number): OpenLoopResult {
    const latencies = Float64Array.from(this.#latencies).sort();
    const late = Float64Array.from(this.#late).sort();
    return {
      due: this.#total,
      answered: this.#answered,
      errors: this.errors,
      achieved: answeredInTime / this.#total,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      p999Ms: quantile(latencies, 0.999),
      lateP99Ms: quantile(late, 0.99),
    };
  }
}

/** One connection, one request at a time. */
class Client {
  readonly #socket: Socket;
  readonly #loop: OpenLoop;
  readonly #reader = new AnswerReader();
  /** The request in hand; -1 for none. */
  #request = -1;

  private constructor(socket: Socket, loop: OpenLoop) {
    this.#socket = socket;
    this.#loop = loop;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#onClose());
  }

  static connect(port: number, loop: OpenLoop): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Client(socket, loop));
      });
    });
  }

  send(bytes: Buffer, request: number): void {
    this.#request = request;
    this.#socket.write(bytes);
  }

  end(): void {
    this.#request = -1;
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    if (this.#reader.feed(chunk) === 0) return;
    const request = this.#request;
    this.#request = -1;
    this.#loop.errors += this.#reader.errors;
    this.#reader.errors = 0;
    this.#loop.onAnswer(this, request);
  }

  #onClose(): void {
    this.#loop.onLost(this.#request);
  }
}

console.log(JSON.stringify(await new OpenLoop(JSON.parse(process.argv[2] ?? '{}') as OpenLoopOptions).run()));
