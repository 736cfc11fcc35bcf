import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FromWorker, ListenerOptions, ToWorker, WorkerStart } from '../../src/proxy/messages.ts';
import { createBlock, readCell, SERVICE, UPSTREAM } from '../../src/traffic/ledger.ts';
import type { RoutingSnapshot, ServiceRoute, TargetRoute, UpstreamRoute } from '../../src/traffic/snapshot.ts';
import { type Account, readAccount, readGauges } from './accounts.ts';
import { eventually } from './inbox.ts';
import { Routes, type ServiceSpec, TEST_LISTENER } from './routes.ts';

const WORKER = resolve(import.meta.dirname, '../../src/proxy/worker.ts');

export interface WorkerGateOptions {
  readonly listener?: Partial<ListenerOptions>;
  readonly workers?: number;
  readonly services?: Readonly<Record<string, ServiceSpec>>;
  readonly accessLog?: boolean;
  readonly ticketKeys?: Uint8Array;
}

/** The data plane alone: real worker threads, routed by snapshots that the test writes itself. */
export class WorkerGate {
  readonly routes: Routes;
  readonly unrouted: SharedArrayBuffer;
  /** Log events of level warn and error, as `level event message`. */
  readonly complaints: string[] = [];
  readonly accessLines: string[] = [];
  /** Services whose fuse blew, as often as a worker said so. */
  readonly fuses: string[] = [];
  snapshot: RoutingSnapshot;
  readonly #workers: WorkerThread[] = [];
  #port = 0;

  private constructor(options: WorkerGateOptions) {
    const workers = options.workers ?? 1;
    this.routes = new Routes(workers);
    this.unrouted = createBlock(SERVICE.size, workers);
    this.snapshot = this.routes.snapshot(options.services ?? {});
  }

  static async start(options: WorkerGateOptions = {}): Promise<WorkerGate> {
    const gate = new WorkerGate(options);
    const count = options.workers ?? 1;
    for (let index = 0; index < count; index++) {
      const listener = { ...TEST_LISTENER, ...options.listener, ...(gate.#port > 0 ? { port: gate.#port } : {}) };
      const start: WorkerStart = {
        index,
        listeners: [listener],
        snapshot: gate.snapshot,
        unrouted: gate.unrouted,
        accessLog: options.accessLog ?? false,
        reusePort: count > 1,
        ...(options.ticketKeys === undefined ? {} : { ticketKeys: options.ticketKeys }),
      };
      const thread = new WorkerThread(start, gate);
      gate.#workers.push(thread);
      gate.#port = await thread.listening;
    }
    return gate;
  }

  get port(): number {
    return this.#port;
  }

  /** No worker has died. */
  get alive(): boolean {
    return this.#workers.every((thread) => thread.alive);
  }

  /** Publishes these services and waits until every worker routes by them. */
  async publish(services: Readonly<Record<string, ServiceSpec>>, retired: readonly TargetRoute[] = []): Promise<void> {
    this.snapshot = this.routes.snapshot(services, retired);
    await Promise.all(this.#workers.map((thread) => thread.install(this.snapshot)));
  }

  service(name: string): ServiceRoute {
    const found = this.snapshot.services.find((service) => service.name === name);
    if (found === undefined) throw new Error(`no service ${name} in the snapshot`);
    return found;
  }

  upstream(service: string, name: string): UpstreamRoute {
    const found = this.service(service).upstreams.find((upstream) => upstream.name === name);
    if (found === undefined) throw new Error(`no upstream ${name} in ${service}`);
    return found;
  }

  /** The account of a service, or of what reached none. */
  account(service?: string): Account {
    return readAccount(service === undefined ? this.unrouted : this.service(service).ledger);
  }

  /** Waits until nothing of a service is in flight; its account then balances. */
  async settled(name: string): Promise<Account> {
    const service = this.service(name);
    const balanced = (): boolean => {
      if (!this.alive) throw new Error(`a worker died: ${this.complaints.join('; ')}`);
      const account = readAccount(service.ledger);
      return account.accepted === account.ended && readGauges(service).inFlight === 0;
    };
    await eventually(`the ledger of ${name} balances`, balanced).catch((error: unknown) => {
      const found = { account: readAccount(service.ledger), gauges: readGauges(service) };
      throw new Error(`${error instanceof Error ? error.message : String(error)}: ${JSON.stringify(found)}`);
    });
    await this.#barrier();
    return readAccount(service.ledger);
  }

  /** Every worker has finished what it was doing: cells that belong together are all written. */
  async #barrier(): Promise<void> {
    await Promise.all(this.#workers.map((thread) => thread.install(this.snapshot)));
  }

  /** Waits until `count` requests of a service are on their way to targets. */
  async inFlight(name: string, count: number): Promise<void> {
    const service = this.service(name);
    const atUpstreams = (): number =>
      service.upstreams.reduce((sum, { ledger }) => sum + readCell(ledger, UPSTREAM.size, UPSTREAM.inFlight), 0);
    await eventually(`${count} requests of ${name} are in flight`, () => atUpstreams() === count);
  }

  post(message: ToWorker): void {
    for (const thread of this.#workers) thread.post(message);
  }

  /** Resolves when every worker has taken over the listeners last posted; rejects when one could not. */
  async listened(): Promise<void> {
    await Promise.all(this.#workers.map((thread) => thread.listened()));
  }

  /** Resolves when every worker has reported that it drained. */
  async drained(): Promise<void> {
    await Promise.all(this.#workers.map((thread) => thread.drained.promise));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((thread) => thread.terminate()));
  }
}

/** One worker thread and what it has said. */
class WorkerThread {
  /** The first port, when it listens. */
  readonly listening: Promise<number>;
  readonly drained = Promise.withResolvers<void>();
  readonly #worker: Worker;
  readonly #installs = new Map<number, PromiseWithResolvers<void>>();
  #listened = Promise.withResolvers<number>();
  #stopping = false;
  alive = true;

  constructor(start: WorkerStart, gate: WorkerGate) {
    this.listening = this.#listened.promise;
    this.#worker = new Worker(WORKER, { workerData: start, execArgv: [] });
    this.#worker.on('error', (error) => {
      gate.complaints.push(`fatal worker ${error instanceof Error ? error.stack : String(error)}`);
      this.#listened.reject(error);
    });
    this.#worker.on('exit', (code) => {
      this.alive = false;
      if (!this.#stopping) gate.complaints.push(`fatal worker exited with ${code}`);
      for (const install of this.#installs.values()) install.reject(new Error('the worker died'));
    });
    this.#worker.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'listening':
          this.#listened.resolve(message.addresses[0]?.port ?? 0);
          break;
        case 'listen_failed':
          this.#listened.reject(new Error(`${message.code}: ${message.message}`));
          break;
        case 'installed':
          this.#installs.get(message.version)?.resolve();
          this.#installs.delete(message.version);
          break;
        case 'drained':
          this.drained.resolve();
          break;
        case 'access':
          gate.accessLines.push(
            ...Buffer.from(message.lines)
              .toString()
              .split('\n')
              .filter((line) => line !== ''),
          );
          break;
        case 'log':
          if (message.level !== 'info') gate.complaints.push(`${message.level} ${message.event} ${message.message}`);
          break;
        case 'fuse':
          gate.fuses.push(message.service);
          break;
      }
    });
  }

  listened(): Promise<number> {
    this.#listened = Promise.withResolvers();
    return this.#listened.promise;
  }

  install(snapshot: RoutingSnapshot): Promise<void> {
    if (!this.alive) return Promise.reject(new Error('the worker died'));
    const installed = Promise.withResolvers<void>();
    this.#installs.set(snapshot.version, installed);
    this.post({ type: 'snapshot', snapshot });
    return installed.promise;
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  async terminate(): Promise<void> {
    this.#stopping = true;
    await this.#worker.terminate();
  }
}
