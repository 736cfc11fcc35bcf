import type { Core } from './core.ts';

const LOOK_MS = 250;

/** Forgets targets that left the configuration once nothing is in flight on them, and lets the workers forget them. */
export function sweepRemoved(core: Core, signal: AbortSignal): void {
  const timer = setInterval(() => {
    if (core.parts.registry.hasRemoved()) void core.observe([]);
  }, LOOK_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
