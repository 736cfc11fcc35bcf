import type { AdminServer } from '../admin/server.ts';
import { formatAddress } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/load.ts';
import { systemClock } from '../platform/clock.ts';
import { TealgateError } from '../platform/errors.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';
import { createLineSink, type LineSink } from '../telemetry/stdout.ts';
import { type Composition, compose } from './compose.ts';
import { ConfigFile } from './config-file.ts';
import { createControl } from './control.ts';
import type { ControlPlane } from './control-plane.ts';
import { openState } from './open-state.ts';
import { metricsSource } from './ports/metrics-source.ts';
import { type Stopped, stopGate } from './stop-gate.ts';
import { sweepRemoved } from './sweep-removed.ts';
import { watchFile } from './watch-file.ts';
import type { BoundAddress } from './workers/worker-thread.ts';

export interface GateOptions {
  readonly configPath: string;
  /** For `${VAR}` in the file; default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Takes log and access lines; default standard output. */
  readonly stdout?: LineSink;
}

/** A running gate. */
export interface Gate {
  readonly control: ControlPlane;
  /** Where clients connect now; a reload may change it. */
  readonly addresses: readonly BoundAddress[];
  readonly admin: AdminServer['address'];
  /**
   * Readiness fails, then listeners close, requests finish, and the rest ends. `cut`: something was still in flight after
   * `shutdown.drainTimeout`. Calling it again returns the same promise.
   */
  stop(): Promise<Stopped>;
  /** Resolves when the gate has stopped. */
  readonly closed: Promise<void>;
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
  /** Everything that must be closed, in the order of its making. */
  readonly owned: AsyncDisposableStack;
}

async function start(options: GateOptions, { sink, log, owned }: Base): Promise<Gate> {
  const clock = systemClock;
  const startedAt = clock.wallMs();
  const file = new ConfigFile(options.configPath, options.env ?? process.env, clock);
  const running = new AbortController();
  owned.defer(() => running.abort());
  const onFileChange = watchFile(file, log, running.signal);
  const config = load(file, log);
  const state = openState(config, startedAt);
  owned.defer(() => state.store.close());
  const parts = compose({ config, state, clock, log, sink });
  owned.defer(() => parts.health.close());
  owned.defer(async () => {
    await parts.pool.stop(0);
  });

  // The workers load in their threads while this one loads the admin API.
  const [{ startAdmin, createMetrics }] = await Promise.all([loadAdmin(), startWorkers(parts, config)]);

  const rollouts = parts.runner.start(running.signal);
  owned.defer(async () => {
    running.abort();
    await rollouts;
    await parts.core.idle();
  });
  let ready = true;
  let admin: AdminServer | null = null;
  const control = createControl({
    ...parts,
    file,
    startedAt,
    ready: () => ready,
    adminAddress: () => (admin !== null && 'port' in admin.address ? admin.address : null),
  });
  const metrics = createMetrics(metricsSource({ ...parts, control }));
  admin = await startAdmin({ control, metrics, config: config.admin, log });
  const { address, close } = admin;
  owned.defer(close);
  sweepRemoved(parts.core, running.signal);
  onFileChange(
    () =>
      void control
        .reload({ actor: 'config' })
        .catch((err: unknown) => log.error({ event: 'config.failed', err }, 'the reload failed')),
  );
  log.info({ event: 'listening', ...addressesOf(parts, address), startMs: clock.wallMs() - startedAt }, 'listening');

  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let stopping: Promise<Stopped> | null = null;
  const stop = async (): Promise<Stopped> => {
    ready = false;
    const stopped = await stopGate({ parts, running, owned, log });
    await sink.flush();
    resolve();
    return stopped;
  };
  return {
    control,
    get addresses() {
      return parts.pool.addresses();
    },
    admin: address,
    stop: () => (stopping ??= stop()),
    closed,
  };
}

/** Throws `invalid_config`. */
function load(file: ConfigFile, log: Logger): Config {
  const loaded = file.load();
  if (!loaded.ok) {
    const problems = loaded.problems.map(formatProblem);
    throw new TealgateError('invalid_config', problems.join('\n'), { details: { problems } });
  }
  for (const warning of loaded.warnings) {
    log.warn(
      { event: 'config.warning', problem: formatProblem(warning) },
      'the configuration is likely not what is meant',
    );
  }
  return loaded.config;
}

async function startWorkers({ publisher, pool, core }: Composition, config: Config): Promise<void> {
  const snapshot = publisher.build(config, core.current().desired);
  if (snapshot === null) throw new TealgateError('internal', 'there was nothing to publish at the start');
  await pool.start(snapshot, config.listeners);
  publisher.served();
}

/** Loaded late: the admin API brings an HTTP framework, which takes longer than all the rest. */
async function loadAdmin() {
  const [{ startAdmin }, { createMetrics }] = await Promise.all([
    import('../admin/server.ts'),
    import('../telemetry/metrics.ts'),
  ]);
  return { startAdmin, createMetrics };
}

function addressesOf({ pool }: Composition, admin: AdminServer['address']) {
  return {
    addresses: pool.addresses().map(formatAddress),
    admin: 'path' in admin ? `unix:${admin.path}` : formatAddress(admin),
  };
}
