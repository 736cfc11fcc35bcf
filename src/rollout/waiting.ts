import { beginPromotion, oldSideGivenUp } from './promotion.ts';
import type { Rollout } from './rollout.ts';
import { stageStanding } from './stage-end.ts';
import { ITSELF, move, type Step, stageOf, unchanged, within } from './step.ts';
import { takeBack } from './take-back.ts';

/**
 * A phase that waits for something, with nothing to be judged meanwhile: `checking` and `draining`. Only a deadline makes
 * the time count.
 */
export function waitOn(rollout: Rollout, elapsedMs: number, at: number): Step {
  const { position, plan } = rollout;
  if (plan.deadlineMs === undefined) return unchanged(rollout);
  if (position.phase !== 'checking' && position.phase !== 'draining' && position.phase !== 'paused') {
    return unchanged(rollout);
  }
  if (elapsedMs <= 0 && position.waitedMs !== undefined) return within(rollout);
  const waitedMs = (position.waitedMs ?? 0) + elapsedMs;
  const waited: Rollout = { ...rollout, position: { ...position, waitedMs } };
  return waitedMs >= plan.deadlineMs ? atDeadline(waited, at) : within(waited);
}

/** What the plan wants when it has waited long enough, as far as the phase allows it. */
export function atDeadline(rollout: Rollout, at: number): Step {
  const cause = { reason: 'deadline', actor: ITSELF, at } as const;
  switch (rollout.position.phase) {
    case 'checking':
      return checkedTooLong(rollout, at);
    case 'draining':
      return oldSideGivenUp(rollout, at);
    default:
      if (rollout.plan.onDeadline === 'promote') return beginPromotion(rollout, cause);
      return takeBack(rollout, rollout.plan.onDeadline === 'rollback' ? 'rolled_back' : 'aborted', cause);
  }
}

/** How long until the deadline of what the rollout waits for now; null while it waits for nothing, or for ever. */
export function deadlineLeftMs(rollout: Rollout): number | null {
  const { position, plan } = rollout;
  if (plan.deadlineMs === undefined) return null;
  switch (position.phase) {
    case 'checking':
    case 'paused':
    case 'draining':
      return Math.max(0, plan.deadlineMs - (position.waitedMs ?? 0));
    case 'progressing': {
      // A hold has an end, and so has an extension.
      if (stageStanding(rollout, position) !== 'waiting') return null;
      const waitedMs = position.heldMs - (plan.stages[position.stage]?.holdMs ?? 0);
      return Math.max(0, plan.deadlineMs - waitedMs);
    }
    default:
      return null;
  }
}

/** checking → aborted or failed: whoever has not passed the smoke requests is not promoted, whatever the plan says. */
function checkedTooLong(rollout: Rollout, at: number): Step {
  const phase = (rollout.plan.onDeadline ?? 'abort') === 'abort' ? 'aborted' : 'failed';
  const position = { phase, stage: stageOf(rollout), reason: 'deadline', endedAt: at } as const;
  return move(rollout, position, { reason: 'deadline', actor: ITSELF, at }, []);
}
