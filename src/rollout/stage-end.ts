import { aggregate, speaking } from './guards/verdict.ts';
import { type Held, type Rollout, stageRequests } from './rollout.ts';

/** What still keeps a stage: its hold, requests that have not come, a verdict that is not there; `over` when nothing does. */
export type StageStanding = 'holding' | 'waiting' | 'no_traffic' | 'inconclusive' | 'over';

export function stageStanding(rollout: Rollout, { stage, heldMs, trialsBefore = 0 }: Held): StageStanding {
  const { plan, counts } = rollout;
  const holdMs = plan.stages[stage]?.holdMs ?? 0;
  if (heldMs < holdMs) return 'holding';
  const requests = stageRequests(rollout);
  if (requests !== null && requests.seen < requests.needed) return 'waiting';
  // A stage without a hold leaves no time for a request, and one that only mirrors gets none.
  const mayHave = holdMs > 0 && plan.stages[stage]?.weight !== 0;
  if (plan.onNoTraffic !== undefined && mayHave && counts.candidate.trials <= trialsBefore) {
    return plan.onNoTraffic === 'hold' ? 'waiting' : 'no_traffic';
  }
  return waitsForVerdicts(rollout, stage) && isInconclusive(rollout) ? 'inconclusive' : 'over';
}

/** Whether a guard that counts, and can say something about this stage, has not come to a verdict. */
export function isInconclusive({ guards, plan, position }: Rollout): boolean {
  const stage = 'stage' in position ? plan.stages[position.stage] : undefined;
  return aggregate(speaking(guards, stage ?? { weight: 0 })) === 'inconclusive';
}

/** How much longer than its hold the stage may wait for a verdict, in ms. */
export function extensionMs({ plan }: Rollout, stage: number): number {
  return plan.stages[stage]?.extendMs ?? plan.extendMs ?? 0;
}

/** How much is left of the extension of the current stage; null unless it is extended. */
export function extensionLeftMs(rollout: Rollout): number | null {
  const { position } = rollout;
  if (position.phase !== 'progressing' || position.extendedFromMs === undefined) return null;
  return Math.max(0, position.extendedFromMs + extensionMs(rollout, position.stage) - position.heldMs);
}

function waitsForVerdicts(rollout: Rollout, stage: number): boolean {
  return rollout.plan.onInconclusive === 'pause' || extensionMs(rollout, stage) > 0;
}
