import { guardsOf, isPolled, type PolledGuard } from '../config/guards/guard.ts';
import { nextAskMs, polledStateOf } from './guards/polled.ts';
import { candidateWeight, type Rollout } from './rollout.ts';
import { stageOf } from './step.ts';

/** Something that is asked of somebody else, again and again, while a rollout is in a certain place. */
export interface Poll {
  /** Tells it from all others: a guard of the same name with other settings is another one. */
  readonly identity: string;
  readonly guard: PolledGuard;
  readonly intervalMs: number;
}

/** What is to be asked for a rollout where it is. Before the candidate has weight, and on its way back, nothing is. */
export function pollsOf(rollout: Rollout): readonly Poll[] {
  const { phase } = rollout.position;
  if ((phase !== 'progressing' && phase !== 'paused') || candidateWeight(rollout) === 0) return [];
  return guardsOf(rollout.plan, stageOf(rollout))
    .filter(isPolled)
    .map((guard) => ({
      identity: `${rollout.id}/guard/${JSON.stringify(guard)}`,
      guard,
      intervalMs: guard.intervalMs,
    }));
}

/**
 * How long until the next question, from the answers that the rollout carries. The first one, too, comes after an
 * interval: before that there is little of the candidate to be seen.
 *
 * @param nowAt ms since the Unix epoch
 */
export function waitOf({ guard, intervalMs }: Poll, rollout: Rollout, nowAt: number): number {
  const { last, unanswered } = polledStateOf(rollout.guardStates[guard.name]);
  const fullMs = nextAskMs(intervalMs, unanswered);
  // A clock that was set back must not make it wait for longer than that.
  return last === null ? fullMs : Math.min(fullMs, Math.max(0, last.at + fullMs - nowAt));
}
