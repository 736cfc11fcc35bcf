import type { DesiredService } from '../desired.ts';
import { own } from './effective.ts';
import { notWarm } from './warm.ts';

/** No request at all, pinned or not. Its pins are broken, so that clients do not come back to it afterwards. */
export function drain(desired: DesiredService, upstream: string, at: number): DesiredService {
  if (own(desired.draining, upstream) !== undefined) return desired;
  const cold = notWarm(desired, upstream);
  return evict({ ...cold, draining: { ...cold.draining, [upstream]: { sinceAt: at } } }, upstream);
}

/** Takes an upstream back in with the weight it has; also cancels a drain that is under way, or that was to come. */
export function enable(desired: DesiredService, upstream: string): DesiredService {
  const taken = notWarm(desired, upstream);
  if (own(taken.draining, upstream) === undefined) return taken;
  const { [upstream]: _, ...draining } = taken.draining;
  return { ...taken, draining };
}

/** Breaks every pin to an upstream; its weight stays. */
export function evict(desired: DesiredService, upstream: string): DesiredService {
  const epoch = (own(desired.pinEpochs, upstream) ?? 0) + 1;
  return { ...desired, pinEpochs: { ...desired.pinEpochs, [upstream]: epoch } };
}
