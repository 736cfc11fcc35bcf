import type { TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type Account, accountSince, type Gauges, readGauges, readTrials, type Trials } from './accounts.ts';
import { eventually } from './inbox.ts';
import type { RawClient } from './raw-client.ts';
import type { ServiceSpec } from './routes.ts';
import type { ScriptedTarget, TargetScript } from './scripted-target.ts';
import { Sockets } from './sockets.ts';
import { WorkerGate, type WorkerGateOptions } from './worker-gate.ts';

/**
 * The data plane on a bench: one gate per test file, a service, targets and clients of its own per test, and after each
 * test the books must balance, every gauge stand at rest and the log be silent.
 */
export class Bench {
  readonly #options: WorkerGateOptions;
  readonly #sockets = new Sockets();
  #gate: WorkerGate | null = null;
  #unroutedBefore: Account = { accepted: 0, outcomes: {}, ended: 0 };
  #service = '';
  #services = 0;

  constructor(options: WorkerGateOptions = {}) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#gate = await WorkerGate.start(this.#options);
  }

  async stop(): Promise<void> {
    await this.#gate?.stop();
  }

  get gate(): WorkerGate {
    if (this.#gate === null) throw new Error('the gate is not started');
    return this.#gate;
  }

  /** Name of the test's service. */
  get service(): string {
    return this.#service;
  }

  /** Routes everything to this service, one that did not exist before. */
  async serve(spec: ServiceSpec): Promise<void> {
    this.#service = `service-${++this.#services}`;
    this.#unroutedBefore = this.gate.account();
    await this.republish(spec);
  }

  /** Publishes a changed description of the test's service. */
  async republish(spec: ServiceSpec): Promise<void> {
    await this.gate.publish({ [this.#service]: spec });
  }

  async target(script?: TargetScript, port?: number): Promise<ScriptedTarget> {
    return this.#sockets.target(script, port);
  }

  async secureTarget(tls: TlsOptions, script?: TargetScript): Promise<ScriptedTarget> {
    return this.#sockets.target(script, 0, tls);
  }

  async client(): Promise<RawClient> {
    return this.#sockets.client(this.gate.port);
  }

  async send(...bytes: (string | Buffer)[]): Promise<RawClient> {
    const client = await this.client();
    client.write(...bytes);
    return client;
  }

  /** The service's account once nothing is in flight. */
  async account(): Promise<Account> {
    return this.gate.settled(this.#service);
  }

  /** What was refused before it reached a service, during this test. */
  unrouted(): Account {
    return accountSince(this.gate.account(), this.#unroutedBefore);
  }

  gauges(): Gauges {
    return readGauges(this.gate.service(this.#service));
  }

  trials(upstream = 'blue'): Trials {
    return readTrials(this.gate.upstream(this.#service, upstream));
  }

  /** The gauge of open connections agrees with what the targets see. */
  async connectionsAgree(...targets: ScriptedTarget[]): Promise<void> {
    const seen = (): number => targets.reduce((sum, target) => sum + target.openConnections, 0);
    await eventually('the connection gauge agrees with the targets', () => this.gauges().connections === seen());
  }

  async clean(): Promise<void> {
    this.#sockets.destroyClients();
    try {
      if (this.gate.alive) await this.#atRest();
    } finally {
      const violations = await this.#sockets.closeTargets();
      const said = this.gate.complaints.splice(0);
      if (!this.gate.alive) await this.#restart();
      expect([...said, ...violations]).toEqual([]);
    }
  }

  async #atRest(): Promise<void> {
    for (const { name } of this.gate.snapshot.services) {
      await this.gate.settled(name);
      await eventually(`the tunnels of ${name} are closed`, () => readGauges(this.gate.service(name)).upgrades === 0);
      expect(readGauges(this.gate.service(name)).inFlight).toBe(0);
    }
  }

  /** A worker that died must fail its own test only. */
  async #restart(): Promise<void> {
    await this.stop();
    await this.start();
    this.#service = '';
  }
}

/** A bench whose life is the test file's. */
export function useBench(options: WorkerGateOptions = {}): Bench {
  const bench = new Bench(options);
  beforeAll(() => bench.start());
  afterEach(() => bench.clean());
  afterAll(() => bench.stop());
  return bench;
}
