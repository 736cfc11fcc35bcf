import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Baselines } from '../../src/app/baselines.ts';
import { Core, type CoreParts } from '../../src/app/core.ts';
import type { DesiredState } from '../../src/app/desired.ts';
import { createFuses } from '../../src/app/fuses.ts';
import { createHealthChecker } from '../../src/app/health/checker.ts';
import { openState } from '../../src/app/open-state.ts';
import { createOutliers } from '../../src/app/outliers.ts';
import { rolloutPorts } from '../../src/app/ports/rollout-ports.ts';
import { createPublisher } from '../../src/app/publisher.ts';
import { RecentLatency } from '../../src/app/recent-latency.ts';
import { createRegistry } from '../../src/app/registry.ts';
import type { WorkerPool } from '../../src/app/workers/worker-pool.ts';
import type { Config } from '../../src/config/config.ts';
import { createRunner, type Runner } from '../../src/rollout/runner.ts';
import type { Store } from '../../src/store/store.ts';
import type { RoutingSnapshot } from '../../src/traffic/snapshot.ts';
import type { ManualClock } from './app-fixtures.ts';

/** Thrown where the process dies, and at whatever the dead process does after. */
export class Killed extends Error {}

/** A directory whose loss of power nobody minds; in memory where there is such a one. */
const SCRATCH = process.platform === 'linux' ? '/dev/shm' : tmpdir();

/**
 * The control plane of a gate over a real store, without threads: its workers are a list of what they were told to serve.
 * It dies at the n-th place where a process may die: around each commit, around each publication, around smoke requests,
 * and between two looks.
 */
export class MortalGate {
  readonly core: Core;
  /** Shares of the candidate in every snapshot that was served, by service. */
  readonly served: Record<string, number>[] = [];
  readonly #newRunner: () => Runner;
  readonly #runner: Runner;
  readonly #store: Store<DesiredState>;
  readonly #health: CoreParts['health'];
  #lives = Number.POSITIVE_INFINITY;
  #isDead = false;

  constructor(config: Config, clock: ManualClock) {
    const state = openState(config, clock.wallMs());
    this.#store = state.store;
    const registry = createRegistry(1);
    const health = createHealthChecker({ clock, random: () => 0.5, onChange: () => undefined });
    this.#health = health;
    const outliers = createOutliers({ clock, healthy: () => true });
    const publisher = createPublisher({ registry, health, outliers, fuses: createFuses(() => []), clock });
    const store: Store<DesiredState> = {
      ...bound(state.store),
      commit: (...change) => {
        this.mayDie();
        const result = state.store.commit(...change);
        this.mayDie();
        return result;
      },
    };
    const publish = async (snapshot: RoutingSnapshot): Promise<void> => {
      this.mayDie();
      this.#serve(snapshot);
      this.mayDie();
    };
    // Nothing else of the workers is asked for here.
    const pool = { publish, status: () => [] } as unknown as WorkerPool;
    const log = pino({ level: 'silent' });
    const baselines = new Baselines(registry);
    const parts = {
      store,
      publisher,
      registry,
      health,
      outliers,
      baselines,
      latency: new RecentLatency(registry),
      pool,
      clock,
      log,
      onEvents: () => undefined,
    };
    this.core = new Core(parts, { config, desired: state.desired }, state.revision);
    const snapshot = publisher.build(config, state.desired);
    if (snapshot !== null) this.#serve(snapshot);
    publisher.served();
    this.#newRunner = () =>
      createRunner(rolloutPorts(this.core), {
        clock,
        log: { error: ({ err }) => this.#expectDeath(err) },
        smoke: async () => {
          this.mayDie();
          await Promise.resolve();
          this.mayDie();
          return [{ target: 't', method: 'GET', path: '/', ok: true, status: 200, durationMs: 1, detail: '' }];
        },
      });
    this.#runner = this.#newRunner();
  }

  /** What a runner does first of all; another one goes on, since this one has been stopped by then. */
  async takeUp(): Promise<void> {
    const stop = new AbortController();
    const stopped = this.#newRunner().start(stop.signal);
    stop.abort();
    await stopped;
  }

  /** From now on it dies at the n-th place. */
  dieAfter(places: number): void {
    this.#lives = places;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** One look at all that runs, as the runner has one every 50 ms. */
  async look(): Promise<void> {
    try {
      this.mayDie();
    } catch {
      return;
    }
    await this.#runner.tick();
  }

  /** What the process knew is gone; what it stored is not. */
  close(): void {
    this.#isDead = true;
    this.#health.close();
    this.#store.close();
  }

  mayDie(): void {
    if (!this.#isDead && --this.#lives <= 0) this.#isDead = true;
    if (this.#isDead) throw new Killed('the process has died');
  }

  #serve({ services }: RoutingSnapshot): void {
    this.served.push(
      Object.fromEntries(
        services.map(({ name, upstreams }) => [name, upstreams.find((one) => one.name === 'green')?.weight ?? 0]),
      ),
    );
  }

  #expectDeath(error: unknown): void {
    if (!this.#isDead) throw error;
  }
}

export function scratchPath(name: string): string {
  return join(SCRATCH, `tealgate-${process.pid}-${name}`);
}

/** A store's methods live on its prototype. */
function bound(store: Store<DesiredState>): Store<DesiredState> {
  return {
    load: () => store.load(),
    commit: (...change) => store.commit(...change),
    events: (...range) => store.events(...range),
    watch: (...options) => store.watch(...options),
    latestEvent: () => store.latestEvent(),
    outbox: store.outbox,
    close: () => store.close(),
    journal: (...range) => store.journal(...range),
  };
}
