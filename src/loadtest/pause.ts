import { setTimeout as sleep } from 'node:timers/promises';

/** Waits; returns early, without an error, when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Only the signal can end it, and the caller looks at that itself.
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined);
}
