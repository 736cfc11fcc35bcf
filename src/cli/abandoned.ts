import { setTimeout as sleep } from 'node:timers/promises';
import type { Io } from './io.ts';

const LOOK_EVERY_MS = 200;

/** This process was started by `npx`. */
export function isUnderNpx(env: Io['env']): boolean {
  return env.npm_lifecycle_event === 'npx';
}

/**
 * Resolves when the shell that `npx` put between itself and this process has gone; never resolves where there is none.
 * `npx` passes SIGTERM to that shell, and where `sh` is dash the shell dies of it without passing it on: the gate would
 * serve for ever with nobody to stop it.
 */
export async function abandonedByNpx(env: Io['env'], signal: AbortSignal): Promise<void> {
  if (!isUnderNpx(env)) return new Promise(() => undefined);
  const parent = process.ppid;
  while (process.ppid === parent && !signal.aborted) {
    // Only the end of the command interrupts the pause, and then nobody listens any more.
    await sleep(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
