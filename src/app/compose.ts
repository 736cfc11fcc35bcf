import { randomBytes, randomUUID } from 'node:crypto';
import type { Config } from '../config/config.ts';
import type { Clock } from '../platform/clock.ts';
import { createRunner, type Runner } from '../rollout/runner.ts';
import { fuseLimits } from '../rollout/statistics.ts';
import type { NewEvent, StoredEvent } from '../store/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { LineSink } from '../telemetry/stdout.ts';
import { createBlock, SERVICE } from '../traffic/ledger.ts';
import { Baselines } from './baselines.ts';
import { Core, type CoreParts } from './core.ts';
import { desiredService } from './desired/effective.ts';
import { runningRollout } from './desired/rollouts.ts';
import { createFuses } from './fuses.ts';
import { createHealthChecker, type HealthChange } from './health/checker.ts';
import { Notifier } from './notifications/notifier.ts';
import { clientsFor, mostOpenFiles } from './open-files.ts';
import type { OpenState } from './open-state.ts';
import { createOutliers } from './outliers.ts';
import { TransitionCounter } from './ports/metrics-source.ts';
import { rolloutPorts } from './ports/rollout-ports.ts';
import { createPublisher } from './publisher.ts';
import { RecentLatency } from './recent-latency.ts';
import { createRegistry } from './registry.ts';
import { RequestRates } from './request-rates.ts';
import { disturbBaselines } from './sample-baselines.ts';
import { settleStripe } from './settle-stripe.ts';
import { PowerTeller } from './tell-power.ts';
import { createWorkerPool } from './workers/worker-pool.ts';
import type { WorkerReport } from './workers/worker-thread.ts';

/** The parts of a gate, wired to each other. */
export interface Composition extends CoreParts {
  readonly core: Core;
  readonly runner: Runner;
  readonly notifier: Notifier;
  readonly transitions: TransitionCounter;
  readonly rates: RequestRates;
  /** Ledger block of what never reached a service. */
  readonly unrouted: SharedArrayBuffer;
}

export interface Surroundings {
  readonly config: Config;
  readonly state: OpenState;
  readonly clock: Clock;
  readonly log: Logger;
  readonly sink: LineSink;
}

/** Wires the control plane together. No worker runs yet, and no rollout moves. */
export function compose({ config, state, clock, log, sink }: Surroundings): Composition {
  const { workers, accessLog } = config;
  const registry = createRegistry(workers);
  const unrouted = createBlock(SERVICE.size, workers);
  const transitions = new TransitionCounter();
  const fuses = createFuses(fuseLimits);

  const health = createHealthChecker({ clock, random: Math.random, onChange: (change) => onHealth(change) });
  const outliers = createOutliers({ clock, healthy: (id) => health.health(id) !== 'unhealthy' });
  const publisher = createPublisher({ registry, health, outliers, fuses, clock });
  const pool = createWorkerPool({
    workers,
    accessLog,
    mostClients: clientsFor(mostOpenFiles(), workers),
    unrouted,
    instance: randomBytes(4).toString('hex'),
    ticketKeys: randomBytes(48),
    clock,
    log,
    onReport: (worker, report) => onReport(worker, report),
    onDeath: (worker) => settleStripe(registry, unrouted, worker),
  });
  const onEvents = (events: readonly StoredEvent[]): void => {
    transitions.count(events);
    for (const event of events) logEvent(log, event);
    power.hear(events);
    disturbBaselines(core, events);
    if (events.length > 0) notifier.notice();
  };
  const { store } = state;
  const baselines = new Baselines(registry);
  const latency = new RecentLatency(registry);
  const parts: CoreParts = {
    store,
    publisher,
    registry,
    health,
    outliers,
    baselines,
    latency,
    pool,
    clock,
    log,
    onEvents,
  };
  const core = new Core(parts, { config, desired: state.desired }, state.revision);
  const rates = new RequestRates(core);
  const power = new PowerTeller(core, rates, log);
  const notifier = new Notifier({
    store: state.store,
    config: () => core.committed().config,
    links: () => ({ externalUrl: core.committed().config.admin.externalUrl, keys: core.committed().desired.pinKeys }),
    clock,
    log,
    newId: () => `msg_${randomUUID()}`,
    random: Math.random,
  });
  // What the runner has to tell are events of the store, which are logged like all others.
  const runnerLog = { info: () => undefined, error: log.error.bind(log) };
  const runner = createRunner(rolloutPorts(core), {
    clock,
    log: runnerLog,
    onLooked: (service) => onLooked(service),
  });

  const onHealth = (change: HealthChange): void => {
    // An unknown target takes requests as a healthy one does: nothing to publish, and nothing worth telling.
    if (change.before !== 'unhealthy' && change.after !== 'unhealthy') return;
    void core.observe([healthEvent(change, clock)]);
  };

  const onReport = (worker: number, report: WorkerReport): void => {
    switch (report.type) {
      case 'access':
        sink.writeAccess(report.lines);
        return;
      case 'log':
        log[report.level]({ ...report.fields, event: report.event, worker }, report.message);
        return;
      case 'fuse':
        log.warn(
          { event: 'rollout.fuse', service: report.service },
          'a worker stopped sending requests to the candidate',
        );
        fuses.blew(report.service, report.fuseId);
        void runner.judge(report.service);
    }
  };

  /**
   * One worker's share of the attempts was enough for it to stop. If all of them together are not, it may go on; while
   * that cannot be found out, as with a store that fails, it stays stopped.
   */
  const onLooked = (service: string): void => {
    if (!fuses.looked(service)) return;
    if (runningRollout(desiredService(core.current().desired, service)) !== null) void core.observe([]);
  };

  return { ...parts, core, runner, notifier, transitions, rates, unrouted };
}

function logEvent(log: Logger, { type, service, actor, data }: StoredEvent): void {
  const fields = { ...data, event: type, service, actor };
  log.info(fields, service === null ? type : `${type} of ${service}`);
}

function healthEvent({ target, after, probe }: HealthChange, clock: Clock): NewEvent {
  const { url, upstream, service } = target;
  const { status, detail } = probe;
  const data = { upstream, target: url, status, detail };
  const type = after === 'unhealthy' ? 'target.unhealthy' : 'target.healthy';
  return { type, service, actor: 'tealgate', at: clock.wallMs(), data };
}
