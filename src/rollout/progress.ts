import type { GuardEvidence } from './evidence.ts';
import { gateStanding, hearGate, isOpen, stageBehind } from './gate.ts';
import { countOnly, enterStage, judge } from './guards/judge.ts';
import { failing, isUrgent, reasonOf } from './guards/verdict.ts';
import { beginPromotion } from './promotion.ts';
import { type Held, heldOf, type Rollout, type Sides, stillHeldOf } from './rollout.ts';
import { extensionMs, isInconclusive, stageStanding } from './stage-end.ts';
import { type Cause, ITSELF, move, type Step, stageOf, stageWeights, within } from './step.ts';
import { goOnReturning, takeBack, takeBackAtOnce } from './take-back.ts';
import { atDeadline, deadlineLeftMs, waitOn } from './waiting.ts';

/** What was seen since the counts and the time that the rollout carries. */
export interface Tick extends Sides {
  /** Monotonic ms, so neither a clock that jumps nor time the proxy was down is taken for holding or waiting. */
  readonly elapsedMs: number;
  /** Those that count for single guards, by slot (see guards/counting.ts); absent: there are none. */
  readonly slots?: readonly Sides[];
  /**
   * A stretch of time ends with this tick: the runner ends one when it is due by the clock, so that its end says nothing
   * about what was counted in it. Absent: it goes on.
   */
  readonly closes?: true;
  /** What was asked elsewhere, by the name of the guard it is for; JSON that its kind reads. Absent: nothing new. */
  readonly observations?: Readonly<Record<string, unknown>>;
  /** What the gate that it waits at was told; JSON. Absent: nothing new. */
  readonly gate?: unknown;
  /** Judge and let time pass, but stay: others that go with this rollout are not ready. */
  readonly stay?: true;
}

/**
 * A look at a rollout under way. Guards come first, over all attempts since the rollout began, and hold while it is
 * paused too; then the stage. From `promoting` on a look judges nothing: there is no better side to return to.
 */
export function tick(rollout: Rollout, seen: Tick, at: number): Step {
  const elapsedMs = Math.max(0, seen.elapsedMs);
  switch (rollout.position.phase) {
    case 'progressing':
    case 'paused':
    case 'returning':
      return judgeAndGoOn(rollout, { ...seen, elapsedMs }, at);
    default:
      return waitOn(rollout, elapsedMs, at);
  }
}

/**
 * Enters a stage, or waits at its gate; past the last one the candidate has proved itself. In a shadow rollout it has not:
 * it has answered copies only, so somebody must say whether it takes over.
 */
export function goTo(rollout: Rollout, stage: number, cause: Cause): Step {
  if (rollout.plan.strategy === 'shadow' && stage >= rollout.plan.stages.length) return endShadow(rollout, cause.at);
  return isOpen(rollout.plan.stages[stage]?.gate, cause.at)
    ? advanceTo(rollout, stage, cause)
    : waitAtGate(rollout, cause.at);
}

/** progressing → progressing or promoting: enters a stage; past the last one the candidate has proved itself. */
export function advanceTo(rollout: Rollout, stage: number, cause: Cause): Step {
  const plan = rollout.plan.stages[stage];
  if (plan === undefined) return beginPromotion(rollout, cause);
  const asksForRequests = plan.minRequests !== undefined || rollout.plan.onNoTraffic !== undefined;
  const before = asksForRequests ? { trialsBefore: rollout.counts.candidate.trials } : {};
  const step = move(rollout, { phase: 'progressing', stage, heldMs: 0, ...before }, cause, [
    { kind: 'enable', upstream: rollout.to },
    stageWeights(rollout, plan.weight),
  ]);
  return { ...step, rollout: enterStage(step.rollout, stageOf(rollout)) };
}

function judgeAndGoOn(rollout: Rollout, seen: Tick, at: number): Step {
  const { rollout: counted, events: verdicts } = isBegun(rollout) ? judge(rollout, seen) : countOnly(rollout, seen);
  const { rollout: judged, events: answers } = hearGate(counted, seen.gate);
  const events = [...verdicts, ...answers];
  const against = failing(judged.guards).find((evidence) => speaksAgainst(evidence, rollout));
  const on = seen.stay === true ? letTimePass : goOn;
  const step = against === undefined ? on(judged, seen.elapsedMs, at) : rollBack(judged, against, at);
  return { ...step, events: [...events, ...step.events] };
}

/** At a gate before the first stage the candidate has done nothing yet that guards could hold against it. */
function isBegun({ position }: Rollout): boolean {
  return position.phase !== 'paused' || position.unbegun !== true;
}

function goOn(rollout: Rollout, elapsedMs: number, at: number): Step {
  switch (rollout.position.phase) {
    case 'progressing':
      return hold(rollout, elapsedMs, at);
    case 'paused':
      return stayPaused(rollout, elapsedMs, at);
    default:
      return goOnReturning(rollout, elapsedMs, at);
  }
}

function letTimePass(rollout: Rollout, elapsedMs: number): Step {
  const { position, plan } = rollout;
  if (elapsedMs === 0) return within(rollout);
  switch (position.phase) {
    case 'progressing':
      return within({ ...rollout, position: { ...position, heldMs: position.heldMs + elapsedMs } });
    case 'paused': {
      if (plan.deadlineMs === undefined) return within(rollout);
      return within({ ...rollout, position: { ...position, waitedMs: (position.waitedMs ?? 0) + elapsedMs } });
    }
    default:
      return within(rollout);
  }
}

/** The hold of the stage grows, until nothing keeps the stage any more. */
function hold(rollout: Rollout, elapsedMs: number, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'progressing') return within(rollout);
  const heldMs = position.heldMs + elapsedMs;
  const held: Rollout = elapsedMs === 0 ? rollout : { ...rollout, position: { ...position, heldMs } };
  switch (stageStanding(held, { ...position, heldMs })) {
    case 'holding':
      return within(held);
    case 'waiting':
      return deadlineLeftMs(held) === 0 ? atDeadline(held, at) : within(held);
    case 'no_traffic':
      return takeBack(held, 'rolled_back', { reason: 'no_traffic', actor: ITSELF, at });
    case 'inconclusive':
      return extend(rollout, { ...position, heldMs }, at);
    case 'over':
      return goTo(held, position.stage + 1, { reason: 'held', actor: ITSELF, at });
  }
}

/** The stage goes on for want of a verdict, up to its limit; then it is for the plan to say. */
function extend(rollout: Rollout, held: Held & { readonly phase: 'progressing' }, at: number): Step {
  const { extendedFromMs = held.heldMs } = held;
  const position = { ...held, extendedFromMs };
  const extended: Rollout = { ...rollout, position };
  if (held.heldMs - extendedFromMs < extensionMs(rollout, held.stage)) return within(extended);
  if (rollout.plan.onInconclusive !== 'pause') {
    return goTo(extended, held.stage + 1, { reason: 'held', actor: ITSELF, at });
  }
  const paused = { ...position, phase: 'paused', reason: 'inconclusive', sinceAt: at } as const;
  return move(extended, paused, { reason: 'inconclusive', actor: ITSELF, at }, []);
}

/** The hold stands still. A verdict that was waited for lets the rollout go on by itself. */
function stayPaused(rollout: Rollout, elapsedMs: number, at: number): Step {
  const { position } = rollout;
  if (position.phase === 'paused' && position.reason === 'inconclusive' && !isInconclusive(rollout)) {
    return goTo(rollout, position.stage + 1, { reason: 'conclusive', actor: ITSELF, at });
  }
  const gate = gateStanding(rollout, at);
  if (gate === 'open') return advanceTo(rollout, stageBehind(rollout), { reason: 'gate_open', actor: ITSELF, at });
  if (gate === 'refused') return takeBack(rollout, 'rolled_back', { reason: 'gate_refused', actor: ITSELF, at });
  return rollout.plan.deadlineMs === undefined ? within(rollout) : waitOn(rollout, elapsedMs, at);
}

/** progressing or paused → paused: copies end, and the candidate waits to be promoted or aborted. */
function endShadow(rollout: Rollout, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'progressing' && position.phase !== 'paused') return within(rollout);
  const paused = { ...heldOf(position), phase: 'paused', reason: 'shadowed', sinceAt: at } as const;
  return move(rollout, paused, { reason: 'shadowed', actor: ITSELF, at }, []);
}

/** → paused at the gate of the next stage, in the stage before it; before the first there is none. */
function waitAtGate(rollout: Rollout, at: number): Step {
  const { position } = rollout;
  const paused = { phase: 'paused', reason: 'gate', sinceAt: at } as const;
  const cause = { reason: 'gate', actor: ITSELF, at } as const;
  if (position.phase !== 'progressing' && position.phase !== 'paused') {
    return move(rollout, { ...paused, stage: 0, heldMs: 0, unbegun: true }, cause, []);
  }
  return move(rollout, { ...stillHeldOf(position), ...paused }, cause, []);
}

/** On the way back only what cannot wait for its end makes a difference. */
function speaksAgainst(evidence: GuardEvidence, { position }: Rollout): boolean {
  return position.phase !== 'returning' || isUrgent(evidence);
}

/**
 * → rolled_back on evidence. Errors leave no time for a ramp: the workers' fuses have stopped sending by themselves, and
 * a ramp would begin again what they ended.
 */
function rollBack(rollout: Rollout, evidence: GuardEvidence, at: number): Step {
  const cause = { reason: reasonOf(evidence), actor: ITSELF, at };
  return isUrgent(evidence) ? takeBackAtOnce(rollout, 'rolled_back', cause) : takeBack(rollout, 'rolled_back', cause);
}
