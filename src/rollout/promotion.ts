import type { RoutingChange } from './ports.ts';
import type { Rollout } from './rollout.ts';
import { type Cause, ITSELF, move, type Reason, type Step, stageOf, stageWeights, unchanged } from './step.ts';

/** → promoting: the candidate becomes stable and takes all new traffic. */
export function beginPromotion(rollout: Rollout, cause: Cause): Step {
  return move(rollout, { phase: 'promoting', stage: stageOf(rollout) }, cause, [
    { kind: 'enable', upstream: rollout.to },
    stageWeights(rollout, 100),
    { kind: 'stable', upstream: rollout.to },
  ]);
}

/**
 * promoting → draining: every worker serves the new weights, so the old side can be emptied. Where the plan keeps it
 * warm it stays as it is, with weight 0, and the rollout is over.
 */
export function switched(rollout: Rollout, at: number): Step {
  if (rollout.position.phase !== 'promoting') return unchanged(rollout);
  const { keepWarmMs } = rollout.plan;
  if (keepWarmMs !== undefined) {
    return promoted(rollout, 'switched', at, [{ kind: 'warm', upstream: rollout.from, keepMs: keepWarmMs }]);
  }
  const position = { phase: 'draining' as const, stage: stageOf(rollout), sinceAt: at };
  return move(rollout, position, { reason: 'switched', actor: ITSELF, at }, [
    { kind: 'drain', upstream: rollout.from },
  ]);
}

/** draining → promoted. The old side keeps draining, so that nothing reaches it until something is deployed to it. */
export function drained(rollout: Rollout, at: number): Step {
  return rollout.position.phase === 'draining' ? promoted(rollout, 'drained', at, []) : unchanged(rollout);
}

/** draining → promoted at the deadline: what is left on the old side goes on draining without the rollout. */
export function oldSideGivenUp(rollout: Rollout, at: number): Step {
  return rollout.position.phase === 'draining' ? promoted(rollout, 'deadline', at, []) : unchanged(rollout);
}

function promoted(rollout: Rollout, reason: Reason, at: number, changes: readonly RoutingChange[]): Step {
  const position = { phase: 'promoted' as const, stage: stageOf(rollout), reason, endedAt: at };
  return move(rollout, position, { reason, actor: ITSELF, at }, changes);
}
