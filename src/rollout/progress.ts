import { judge } from './guards.ts';
import { beginPromotion } from './promotion.ts';
import { type Counts, type GuardEvidence, type Held, type Rollout, stageRequests } from './rollout.ts';
import {
  type Cause,
  ITSELF,
  move,
  type Reason,
  type Step,
  stageOf,
  stageWeights,
  takeBack,
  unchanged,
  within,
} from './step.ts';

/** What was seen since the counts and the hold that the rollout carries. */
export interface Tick {
  /** Monotonic ms, so neither a clock that jumps nor time the proxy was down is taken for holding. */
  readonly elapsedMs: number;
  readonly candidate: Counts;
  readonly stable: Counts;
}

/**
 * A look at a rollout under way. Guards come first, over all attempts since the rollout began, and hold while it is
 * paused too; then the hold of the stage, which `inconclusive` does not prolong. Elsewhere a look changes nothing: after
 * promotion there is no better side to return to.
 */
export function tick(rollout: Rollout, seen: Tick, at: number): Step {
  const { phase } = rollout.position;
  if (phase !== 'progressing' && phase !== 'paused') return unchanged(rollout);
  const { rollout: judged, events } = judge(rollout, seen.candidate, seen.stable);
  const failed = judged.guards.find(({ verdict, dryRun }) => verdict === 'fail' && dryRun !== true);
  const step =
    failed !== undefined ? rollBack(judged, REASONS[failed.guard], at) : hold(judged, Math.max(0, seen.elapsedMs), at);
  return { ...step, events: [...events, ...step.events] };
}

/** progressing → progressing or promoting: enters a stage; past the last one the candidate has proved itself. */
export function advanceTo(rollout: Rollout, stage: number, cause: Cause): Step {
  const plan = rollout.plan.stages[stage];
  if (plan === undefined) return beginPromotion(rollout, cause);
  const before = plan.minRequests === undefined ? {} : { trialsBefore: rollout.counts.candidate.trials };
  return move(rollout, { phase: 'progressing', stage, heldMs: 0, ...before }, cause, [
    { kind: 'enable', upstream: rollout.to },
    stageWeights(rollout, plan.weight),
  ]);
}

/** The hold of the stage grows; it stands still while paused. A stage that needs requests goes on until it has them. */
function hold(rollout: Rollout, elapsedMs: number, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'progressing') return within(rollout);
  const heldMs = position.heldMs + elapsedMs;
  const required = rollout.plan.stages[position.stage]?.holdMs ?? 0;
  const requests = stageRequests(rollout);
  const isSeen = requests === null || requests.seen >= requests.needed;
  if (heldMs >= required && isSeen) return leaveStage(rollout, { ...position, heldMs }, at);
  return within(heldMs === position.heldMs ? rollout : { ...rollout, position: { ...position, heldMs } });
}

/** progressing → paused at the gate of the next stage, if it has one, else on to that stage. */
function leaveStage(rollout: Rollout, { stage, ...held }: Held, at: number): Step {
  if (rollout.plan.stages[stage + 1]?.gate === undefined) {
    return advanceTo(rollout, stage + 1, { reason: 'held', actor: ITSELF, at });
  }
  const paused = { ...held, phase: 'paused' as const, stage, reason: 'gate' as const, sinceAt: at };
  return move(rollout, paused, { reason: 'gate', actor: ITSELF, at }, []);
}

/** progressing or paused → rolled_back: on evidence, in one step. */
function rollBack(rollout: Rollout, reason: Reason, at: number): Step {
  const position = { phase: 'rolled_back' as const, stage: stageOf(rollout), reason, endedAt: at };
  return move(rollout, position, { reason, actor: ITSELF, at }, takeBack(rollout));
}

const REASONS: Readonly<Record<GuardEvidence['guard'], Reason>> = { errorRate: 'error_rate', latency: 'latency' };
