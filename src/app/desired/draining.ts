import type { DesiredService } from '../desired.ts';
import { own } from './effective.ts';

/** No request at all, pinned or not. Its pins are broken, so that clients do not come back to it afterwards. */
export function drain(desired: DesiredService, upstream: string, at: number): DesiredService {
  if (own(desired.draining, upstream) !== undefined) return desired;
  return evict({ ...desired, draining: { ...desired.draining, [upstream]: { sinceAt: at } } }, upstream);
}

/** Takes an upstream back in with the weight it has; also cancels a drain that is under way. */
export function enable(desired: DesiredService, upstream: string): DesiredService {
  if (own(desired.draining, upstream) === undefined) return desired;
  const { [upstream]: _, ...draining } = desired.draining;
  return { ...desired, draining };
}

/** Breaks every pin to an upstream; its weight stays. */
export function evict(desired: DesiredService, upstream: string): DesiredService {
  const epoch = (own(desired.pinEpochs, upstream) ?? 0) + 1;
  return { ...desired, pinEpochs: { ...desired.pinEpochs, [upstream]: epoch } };
}
