import { ENDED, type Rollout } from '../../rollout/rollout.ts';
import type { DesiredService, DesiredState } from '../desired.ts';

/** Older ones are forgotten; their events stay in the store. */
const KEPT = 20;

export function newestRollout(desired: DesiredService): Rollout | null {
  return desired.rollouts[0] ?? null;
}

/** The newest rollout when it has not ended. */
export function runningRollout(desired: DesiredService): Rollout | null {
  const newest = newestRollout(desired);
  return newest === null || ENDED.has(newest.position.phase) ? null : newest;
}

/** The rollout that is judged; once its candidate is promoted and the old side drains, nothing is. */
export function judgedRollout(desired: DesiredService): Rollout | null {
  const running = runningRollout(desired);
  return running?.position.phase === 'draining' ? null : running;
}

/** Replaces the rollout with the same id, or puts a new one in front. */
export function withRollout(desired: DesiredService, rollout: Rollout): DesiredService {
  const newest = newestRollout(desired);
  const older = newest?.id === rollout.id ? desired.rollouts.slice(1) : desired.rollouts;
  return { ...desired, rollouts: [rollout, ...older].slice(0, KEPT) };
}

/** Ids of all rollouts that are kept, of whatever service: the journal tells them apart by their ids. */
export function takenIds({ services }: DesiredState): readonly string[] {
  return Object.values(services).flatMap(({ rollouts }) => rollouts.map(({ id }) => id));
}
