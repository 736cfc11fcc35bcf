import type { DesiredService } from '../desired.ts';
import { own } from './effective.ts';

/** An upstream stays as it is for a while, to be returned to at once, and drains then. `at`: ms since the Unix epoch. */
export function keepWarm(desired: DesiredService, upstream: string, keepMs: number, at: number): DesiredService {
  return { ...desired, warm: { ...desired.warm, [upstream]: { sinceAt: at, keepMs, keptMs: 0 } } };
}

/** It is decided otherwise: the upstream has traffic again, drains, or is gone. */
export function notWarm(desired: DesiredService, upstream: string): DesiredService {
  if (desired.warm === undefined || own(desired.warm, upstream) === undefined) return desired;
  const { [upstream]: _, ...others } = desired.warm;
  if (Object.keys(others).length > 0) return { ...desired, warm: others };
  const { warm: _none, ...rest } = desired;
  return rest;
}

/** Time that has been kept; and those whose time is over. */
export function keepOn(
  desired: DesiredService,
  elapsedMs: number,
): { readonly desired: DesiredService; readonly over: readonly string[] } {
  const kept = Object.entries(desired.warm ?? {}).map(([name, warm]) => {
    return [name, { ...warm, keptMs: Math.min(warm.keepMs, warm.keptMs + elapsedMs) }] as const;
  });
  if (kept.length === 0) return { desired, over: [] };
  const over = kept.flatMap(([name, { keepMs, keptMs }]) => (keptMs >= keepMs ? [name] : []));
  return { desired: { ...desired, warm: Object.fromEntries(kept) }, over };
}
