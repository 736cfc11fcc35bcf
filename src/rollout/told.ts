import type { RolloutUpdate } from './ports.ts';
import { type RolloutEvent, transition } from './reducer.ts';
import type { Rollout } from './rollout.ts';

/** A transition as an update to be stored, with what the reducer was told, for the journal. */
export function told(rollout: Rollout, event: RolloutEvent, at: number): RolloutUpdate {
  const { rollout: next, changes, events } = transition(rollout, event, at);
  return { rollout: next, changes, events, input: { event, at } };
}
