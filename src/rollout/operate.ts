import type { RolloutAction } from './operator.ts';
import type { RolloutUpdate } from './ports.ts';
import type { Rollout } from './rollout.ts';
import { told } from './told.ts';

/**
 * An operator's call on the newest rollout, for `RolloutPorts.update`. A call that has taken effect already returns the
 * very rollout it was given, with no changes and no events. `retry` returns a new rollout with an id of its own, to be
 * stored in front of the old one. Throws `conflict` naming the phase and the calls that are possible in it.
 *
 * @param taken ids that a new rollout must not have, besides that of this one: the journal tells all rollouts apart by theirs
 */
export function operate(
  rollout: Rollout,
  action: RolloutAction,
  actor: string,
  at: number,
  taken: readonly string[] = [],
): RolloutUpdate {
  return told(rollout, { type: action, actor, ...(action === 'retry' ? { taken } : {}) }, at);
}

/** Ends a rollout in one step, without the ramp that its plan may have, to make room or for want of a side. */
export function stopAtOnce(rollout: Rollout, actor: string, at: number): RolloutUpdate {
  return told(rollout, { type: 'abort', actor, instant: true }, at);
}

/** Sees a rollout through that is decided, as if every worker served its weights and its old side were empty; by steps. */
export function seeThrough(rollout: Rollout, at: number): readonly RolloutUpdate[] {
  const switched = told(rollout, { type: 'switched' }, at);
  const drained = told(switched.rollout, { type: 'drained' }, at);
  const before = [rollout, switched.rollout];
  return [switched, drained].filter((update, i) => update.rollout !== before[i]);
}

/**
 * Where `undo` goes: the upstream that was stable before the last promoted rollout; null when none was promoted.
 *
 * @param rollouts newest first
 */
export function undoTarget(rollouts: readonly Rollout[]): string | null {
  return rollouts.find((rollout) => rollout.position.phase === 'promoted')?.from ?? null;
}
