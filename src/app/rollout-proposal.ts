import type { RolloutUpdate } from '../rollout/ports.ts';
import type { ServiceProposal, ServiceState } from './core.ts';
import { holdForRollout, releaseFromRollout } from './desired/hold.ts';
import { newestRollout, runningRollout, withRollout } from './desired/rollouts.ts';
import { applyRoutingChanges } from './desired/routing-changes.ts';

/** A rollout's transition with what it does to traffic, as one change. `at`: ms since the Unix epoch. */
export function proposeUpdate({ config, desired }: ServiceState, update: RolloutUpdate, at: number): ServiceProposal {
  const moved = withRollout(applyRoutingChanges(config, desired, update.changes, at), update.rollout);
  const settled = runningRollout(moved) === null ? releaseFromRollout(moved) : holdForRollout(config, moved);
  const before = newestRollout(desired);
  const journal = [{ before, after: update.rollout, input: update.input ?? null }];
  return { desired: settled, events: update.events, journal };
}
