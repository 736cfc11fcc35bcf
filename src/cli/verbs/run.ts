import { constants } from 'node:os';
import type { Gate } from '../../app/gate.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';

export interface RunOptions {
  readonly config?: string;
}

/** Starts a gate and serves until SIGTERM or SIGINT; the second of them ends the process at once with 128 + its number. */
export async function run(ctx: Context, options: RunOptions): Promise<ExitCode> {
  const configPath = options.config ?? ctx.io.env.TEALGATE_CONFIG;
  if (configPath === undefined) {
    throw new CliError(EXIT.usage, 'run needs a configuration', { hint: 'tealgate run --config tealgate.yaml' });
  }
  ctx.io.serving();
  const stop = new StopSignals();
  try {
    const { startGate } = await import('../../app/gate.ts');
    const gate = await startGate({ configPath, env: { ...ctx.io.env } });
    await serve(gate, stop);
  } finally {
    stop.close();
  }
  return EXIT.ok;
}

async function serve(gate: Gate, stop: StopSignals): Promise<void> {
  const reload = () => {
    // Never rejects: a bad file is reported by the gate and changes nothing.
    void gate.control.reload({ actor: 'SIGHUP' });
  };
  process.on('SIGHUP', reload);
  try {
    await Promise.race([stop.first, gate.closed]);
    await gate.stop();
  } finally {
    process.off('SIGHUP', reload);
  }
}

/** Listens from before the start, so that a signal during it is not lost. */
class StopSignals {
  /** Resolves at the first SIGTERM or SIGINT. */
  readonly first: Promise<void>;
  private readonly handle: (signal: NodeJS.Signals) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    let seen = false;
    this.first = promise;
    this.handle = (signal) => {
      if (seen) process.exit(128 + constants.signals[signal]);
      seen = true;
      resolve();
    };
    process.on('SIGTERM', this.handle).on('SIGINT', this.handle);
  }

  close(): void {
    process.off('SIGTERM', this.handle).off('SIGINT', this.handle);
  }
}
