import type { Rollout } from './rollout.ts';
import { type Cause, ITSELF, move, type Step, stageOf, stageWeights, unchanged } from './step.ts';

/** → promoting: the candidate becomes stable and takes all new traffic. */
export function beginPromotion(rollout: Rollout, cause: Cause): Step {
  return move(rollout, { phase: 'promoting', stage: stageOf(rollout) }, cause, [
    { kind: 'enable', upstream: rollout.to },
    stageWeights(rollout, 100),
    { kind: 'stable', upstream: rollout.to },
  ]);
}

/** promoting → draining: every worker serves the new weights, so the old side can be emptied. */
export function switched(rollout: Rollout, at: number): Step {
  if (rollout.position.phase !== 'promoting') return unchanged(rollout);
  const position = { phase: 'draining' as const, stage: stageOf(rollout), sinceAt: at };
  return move(rollout, position, { reason: 'switched', actor: ITSELF, at }, [
    { kind: 'drain', upstream: rollout.from },
  ]);
}

/** draining → promoted. The old side keeps draining, so that nothing reaches it until something is deployed to it. */
export function drained(rollout: Rollout, at: number): Step {
  if (rollout.position.phase !== 'draining') return unchanged(rollout);
  const position = { phase: 'promoted' as const, stage: stageOf(rollout), reason: 'drained', endedAt: at };
  return move(rollout, position, { reason: 'drained', actor: ITSELF, at }, []);
}
