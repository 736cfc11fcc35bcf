import type { Core } from './core.ts';

const SWEEP_MS = 100;

/** Ejects targets that fail and takes them back in time, by what the ledger says. */
export function sweepOutliers(core: Core, signal: AbortSignal): void {
  const timer = setInterval(() => {
    const events = core.parts.outliers.sweep();
    if (events !== null) void core.observe(events);
  }, SWEEP_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
