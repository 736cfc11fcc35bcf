import type { AdminServer } from '../admin/server.ts';
import { formatAddress } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/load.ts';
import { systemClock } from '../platform/clock.ts';
import { TealgateError } from '../platform/errors.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { MetricsSource } from '../telemetry/metrics-source.ts';
import { createLineSink, type LineSink } from '../telemetry/stdout.ts';
import { type Composition, compose } from './compose.ts';
import { ConfigFile } from './config-file.ts';
import { createControl } from './control.ts';
import type { ControlPlane } from './control-plane.ts';
import { clientsFor, mostOpenFiles } from './open-files.ts';
import { openState } from './open-state.ts';
import { metricsSource } from './ports/metrics-source.ts';
import { retireWarm } from './retire-warm.ts';
import { type Gate, RunningGate } from './running-gate.ts';
import { sampleBaselines } from './sample-baselines.ts';
import { sweepOutliers } from './sweep-outliers.ts';
import { sweepRemoved } from './sweep-removed.ts';
import { watchFile } from './watch-file.ts';

export interface GateOptions {
  readonly configPath: string;
  /** For `${VAR}` in the file; default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Takes log and access lines; default standard output. */
  readonly stdout?: LineSink;
}

/**
 * Starts a gate and resolves when it serves. Throws TealgateError and leaves nothing behind: `invalid_config` with all
 * problems in `details.problems`, `address_in_use`, and what the store throws.
 */
export async function startGate(options: GateOptions): Promise<Gate> {
  const sink = options.stdout ?? createLineSink();
  const log = createLogger({ destination: sink });
  const owned = new AsyncDisposableStack();
  try {
    return await start(options, { sink, log, owned });
  } catch (error) {
    await owned.disposeAsync();
    throw error;
  }
}

interface Base {
  readonly sink: LineSink;
  readonly log: Logger;
  /** Everything that must be closed at the end, in the order of its making. */
  readonly owned: AsyncDisposableStack;
}

async function start(options: GateOptions, base: Base): Promise<Gate> {
  const { log, owned } = base;
  const startedAt = systemClock.wallMs();
  const file = new ConfigFile(options.configPath, options.env ?? process.env, systemClock);
  const running = new AbortController();
  owned.defer(() => running.abort());
  const onFileChange = watchFile(file, log, running.signal);
  const config = load(file, log);
  const parts = open(config, base, startedAt);
  await parts.pool.expectFree(config.listeners);
  tellOpenFiles(config, log);
  // The workers load in their threads while this one loads the admin API, whose HTTP framework takes longer than all else.
  const [{ startAdmin }] = await Promise.all([import('../admin/server.ts'), startWorkers(parts, config)]);
  startNotifications(parts, running.signal, owned);
  startRollouts(parts, running, owned);

  const readiness = { ready: true };
  const bound: { admin: AdminServer['address'] | null } = { admin: null };
  const control = createControl({
    ...parts,
    file,
    startedAt,
    // With no worker left, clients would be refused until one is restarted.
    ready: () => readiness.ready && parts.pool.status().some(({ state }) => state === 'serving'),
    adminAddress: () => (bound.admin !== null && 'port' in bound.admin ? bound.admin : null),
  });
  const metrics = metricsWhenScraped(metricsSource({ ...parts, control }));
  const server = await startAdmin({ control, metrics, config: config.admin, log });
  owned.defer(() => server.close());
  bound.admin = server.address;
  sweepRemoved(parts.core, running.signal);
  sweepOutliers(parts.core, running.signal);
  parts.rates.start(running.signal);
  parts.latency.start(running.signal);
  sampleBaselines(parts.core, running.signal);
  onFileChange(() => void reloadChanged(control, log));
  const startMs = systemClock.wallMs() - startedAt;
  const tls = config.listeners.map((listener) => listener.tls !== null);
  log.info({ event: 'listening', ...addressesOf(parts, server.address), tls, startMs }, 'listening');
  return new RunningGate({ ...base, parts, control, admin: server.address, readiness, running });
}

/** Throws `invalid_config`. */
function load(file: ConfigFile, log: Logger): Config {
  const loaded = file.load();
  if (!loaded.ok) {
    const problems = loaded.problems.map(formatProblem);
    throw new TealgateError('invalid_config', problems.join('\n'), { details: { problems } });
  }
  for (const warning of loaded.warnings) {
    log.warn({ event: 'config.warning', problem: formatProblem(warning) }, 'likely not what is meant');
  }
  return loaded.config;
}

/** Opens the store and wires everything together. */
function open(config: Config, { log, sink, owned }: Base, at: number): Composition {
  const state = openState(config, at);
  owned.defer(() => state.store.close());
  for (const { type, service, data } of state.events) {
    log.warn({ ...data, event: type, service }, 'the configuration was changed while the gate was down');
  }
  const parts = compose({ config, state, clock: systemClock, log, sink });
  owned.defer(() => parts.health.close());
  owned.defer(async () => {
    await parts.pool.stop({ cutAtMs: 0, spreadMs: 0 });
  });
  return parts;
}

async function startWorkers({ publisher, pool, core }: Composition, config: Config): Promise<void> {
  const snapshot = publisher.build(config, core.current().desired);
  if (snapshot === null) throw new TealgateError('internal', 'there was nothing to publish at the start');
  await pool.start(snapshot, config.listeners);
  publisher.served();
}

/** Whoever wonders later why clients are turned away finds it here. */
function tellOpenFiles({ listeners, workers }: Config, log: Logger): void {
  const openFiles = mostOpenFiles();
  const clients = clientsFor(openFiles, workers);
  if (listeners.every(({ limits }) => limits.connections <= clients)) return;
  const message = 'the limit of open files leaves room for fewer clients than the connection limits allow';
  log.info({ event: 'open_files', openFiles, clients }, message);
}

/** Loaded and made for the first scrape: a gate starts sooner without the library that renders them. */
function metricsWhenScraped(source: MetricsSource): Metrics {
  let made: Promise<Metrics> | null = null;
  const make = async () => (await import('../telemetry/metrics.ts')).createMetrics(source);
  return {
    async render() {
      made ??= make();
      return (await made).render();
    },
  };
}

/** Before the rollouts, so that it ends after them; what is not told by then is told after the next start. */
function startNotifications({ notifier }: Composition, running: AbortSignal, owned: AsyncDisposableStack): void {
  const ended = notifier.run(running);
  owned.defer(() => ended);
}

function startRollouts({ runner, core, health }: Composition, running: AbortController, owned: AsyncDisposableStack) {
  const ended = Promise.all([runner.start(running.signal), retireWarm(core, running.signal)]);
  owned.defer(async () => {
    running.abort();
    health.close();
    await ended;
    await core.idle();
  });
}

async function reloadChanged(control: ControlPlane, log: Logger): Promise<void> {
  try {
    await control.reload({ actor: 'config' });
  } catch (err) {
    log.error({ event: 'config.failed', err }, 'the changed configuration could not be taken over');
  }
}

function addressesOf({ pool }: Composition, admin: AdminServer['address']) {
  return {
    addresses: pool.addresses().map(formatAddress),
    admin: 'path' in admin ? `unix:${admin.path}` : formatAddress(admin),
  };
}
