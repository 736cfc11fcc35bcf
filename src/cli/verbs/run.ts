import { constants } from 'node:os';
import { abandonedByNpx, isUnderNpx } from '../abandoned.ts';
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
  const signals = new Signals(isUnderNpx(ctx.io.env) ? SAME_SIGNAL_MS : 0);
  const over = new AbortController();
  const abandoned = abandonedByNpx(ctx.io.env, over.signal);
  try {
    const { startGate } = await import('../../app/gate.ts');
    const gate = await startGate({ configPath, env: { ...ctx.io.env } });
    signals.onReload(() => {
      // A bad file does not reject: the gate reports it. What does, such as a full disk, must not stop the traffic.
      gate.control.reload({ actor: 'SIGHUP' }).catch((error: unknown) => ctx.out.note(`the reload failed: ${error}`));
    });
    await Promise.race([signals.stop, gate.closed, abandoned]);
    await gate.stop();
  } finally {
    over.abort();
    signals.close();
  }
  return EXIT.ok;
}

/** Listens from before the start, so that no signal during it is lost or ends the process. */
class Signals {
  /** Resolves at the first SIGTERM or SIGINT. */
  readonly stop: Promise<void>;
  /** `performance.now()` of the first signal to stop; -Infinity before it. */
  private stoppedAtMs = Number.NEGATIVE_INFINITY;
  private reload: (() => void) | null = null;
  private reloadWanted = false;
  private readonly resolveStop: () => void;
  private readonly handle = (signal: NodeJS.Signals) => this.receive(signal);

  /** A signal so soon after the first counts as the same. */
  private readonly sameSignalMs: number;

  constructor(sameSignalMs: number) {
    this.sameSignalMs = sameSignalMs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stop = promise;
    this.resolveStop = resolve;
    for (const signal of SIGNALS) process.on(signal, this.handle);
  }

  onReload(reload: () => void): void {
    this.reload = reload;
    if (this.reloadWanted) reload();
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.handle);
  }

  private receive(signal: NodeJS.Signals): void {
    if (signal === 'SIGHUP') {
      this.reloadWanted = true;
      this.reload?.();
      return;
    }
    const nowMs = performance.now();
    if (nowMs - this.stoppedAtMs < this.sameSignalMs) return;
    if (this.stoppedAtMs > 0) process.exit(128 + constants.signals[signal]);
    this.stoppedAtMs = nowMs;
    this.resolveStop();
  }
}

/**
 * A signal to the whole process group reaches a gate under `npx` twice: by itself and passed on by npm. So soon after the
 * first it is the same one, not an operator's second.
 */
const SAME_SIGNAL_MS = 100;

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
