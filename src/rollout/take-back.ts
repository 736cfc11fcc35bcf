import type { RoutingChange } from './ports.ts';
import { candidateWeight, type Return, type Rollout } from './rollout.ts';
import { type Cause, move, type Reason, type Step, stableWeights, stageOf, stageWeights, within } from './step.ts';

/** A return is made in this many equal steps, the first of them at once. */
const STEPS = 10;

/**
 * progressing or paused → aborted or rolled_back, by way of `returning` where the plan has a ramp. The ramp is a slow
 * start for a stable side that has cooled down; the candidate never gets more than it had.
 */
export function takeBack(rollout: Rollout, end: Return['end'], cause: Cause): Step {
  const { rampMs } = rollout.plan;
  const fromWeight = candidateWeight(rollout);
  if (rampMs === undefined || fromWeight === 0) return takeBackAtOnce(rollout, end, cause);
  const weight = weightAfter(fromWeight, 0, rampMs);
  const { reason, actor, at } = cause;
  const position = { stage: stageOf(rollout), weight, fromWeight, returnedMs: 0, end, reason, actor, sinceAt: at };
  return move(rollout, { phase: 'returning', ...position }, cause, [
    { kind: 'enable', upstream: rollout.from },
    stageWeights(rollout, weight),
  ]);
}

/** Stable has everything, and the candidate gets no request, pinned or not. */
export function takeBackAtOnce(rollout: Rollout, end: Return['end'], cause: Cause): Step {
  const position = { phase: end, stage: stageOf(rollout), reason: cause.reason, endedAt: cause.at } as const;
  return move(rollout, position, cause, backOnStable(rollout));
}

/** returning: the next step of the ramp, or its end. */
export function goOnReturning(rollout: Rollout, elapsedMs: number, at: number): Step {
  const { position, plan } = rollout;
  if (position.phase !== 'returning') return within(rollout);
  const rampMs = plan.rampMs ?? 0;
  const returnedMs = position.returnedMs + elapsedMs;
  if (returnedMs >= rampMs) return finishReturn(rollout, at);
  if (elapsedMs === 0) return within(rollout);
  const weight = Math.min(position.weight, weightAfter(position.fromWeight, returnedMs, rampMs));
  const returned: Rollout = { ...rollout, position: { ...position, weight, returnedMs } };
  return weight === position.weight
    ? within(returned)
    : { ...within(returned), changes: [stageWeights(rollout, weight)] };
}

/** returning → aborted or rolled_back: what is left of the ramp is left out. */
export function finishReturn(rollout: Rollout, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'returning') return within(rollout);
  const { stage, end, reason, actor } = position;
  return move(
    rollout,
    { phase: end, stage, reason, endedAt: at },
    // Written by `takeBack`, from a cause.
    { reason: reason as Reason, actor, at },
    backOnStable(rollout),
  );
}

function weightAfter(fromWeight: number, returnedMs: number, rampMs: number): number {
  const step = Math.min(STEPS, Math.floor((returnedMs / rampMs) * STEPS) + 1);
  return Math.floor((fromWeight * (STEPS - step)) / STEPS);
}

function backOnStable(rollout: Rollout): readonly RoutingChange[] {
  return [stableWeights(rollout), { kind: 'enable', upstream: rollout.from }, { kind: 'drain', upstream: rollout.to }];
}
