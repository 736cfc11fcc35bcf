import type { RolloutUpdate } from '../rollout/ports.ts';
import type { ServiceProposal, ServiceState } from './core.ts';
import { withRollout } from './desired/rollouts.ts';
import { applyRoutingChanges } from './desired/routing-changes.ts';

/** A rollout's transition with what it does to traffic, as one change. `at`: ms since the Unix epoch. */
export function proposeUpdate({ config, desired }: ServiceState, update: RolloutUpdate, at: number): ServiceProposal {
  const routed = applyRoutingChanges(config, desired, update.changes, at);
  return { desired: withRollout(routed, update.rollout), events: update.events };
}
