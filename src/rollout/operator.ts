import { TealgateError } from '../platform/errors.ts';
import { created, createRollout } from './create.ts';
import { advanceTo, goTo } from './progress.ts';
import { beginPromotion } from './promotion.ts';
import { heldOf, type Phase, type Rollout, stillHeldOf } from './rollout.ts';
import { effectsOf, move, type Step, unchanged } from './step.ts';
import { finishReturn, takeBack, takeBackAtOnce } from './take-back.ts';

export const ROLLOUT_ACTIONS = ['promote', 'abort', 'pause', 'resume', 'retry'] as const;
export type RolloutAction = (typeof ROLLOUT_ACTIONS)[number];

/** An operator's call. */
export interface Call {
  readonly type: RolloutAction;
  readonly actor: string;
  /** `abort` without the ramp that the plan may have. */
  readonly instant?: true;
  /** For `retry`: ids that the new rollout must not have, besides that of this one. */
  readonly taken?: readonly string[];
}

/** What each phase allows. */
const POSSIBLE: Readonly<Record<Phase, readonly RolloutAction[]>> = {
  pending: ['abort'],
  checking: ['abort'],
  progressing: ['promote', 'pause', 'abort'],
  paused: ['promote', 'resume', 'pause', 'abort'],
  returning: [],
  promoting: [],
  draining: [],
  promoted: [],
  aborted: ['retry'],
  rolled_back: ['retry'],
  failed: ['retry'],
};

/** Whether a call would have an effect in a phase. */
export function isPossible(action: RolloutAction, phase: Phase): boolean {
  return POSSIBLE[phase].includes(action);
}

/** Phases in which a call has taken effect already (or its aim is met), so that repeating it changes nothing. */
const DONE: Readonly<Record<RolloutAction, readonly Phase[]>> = {
  promote: ['promoting', 'draining', 'promoted'],
  abort: ['returning', 'aborted', 'rolled_back', 'failed'],
  pause: ['paused'],
  resume: ['progressing'],
  retry: ['pending', 'checking', 'progressing', 'paused', 'returning', 'promoting', 'draining'],
};

/** Paused, and yet to go on by itself: when a gate opens, or a verdict comes. */
function mayGoOn({ position }: Rollout): boolean {
  return position.phase === 'paused' && (position.reason === 'gate' || position.reason === 'inconclusive');
}

/** Performs an operator's call, or throws `conflict` naming the phase and the calls that are possible in it. */
export function operator(rollout: Rollout, call: Call, at: number): Step {
  const { phase } = rollout.position;
  if (phase === 'returning' && call.instant === true) return finishReturn(rollout, at);
  if (DONE[call.type].includes(phase) && !(call.type === 'pause' && mayGoOn(rollout))) return unchanged(rollout);
  if (!POSSIBLE[phase].includes(call.type)) throw refusal(rollout, call.type);
  switch (call.type) {
    case 'promote':
      return promote(rollout, call.actor, at);
    case 'abort':
      return abort(rollout, call, at);
    case 'pause':
      return pause(rollout, call.actor, at);
    case 'resume':
      return resume(rollout, call.actor, at);
    case 'retry':
      return retry(rollout, call, at);
  }
}

/** progressing or paused → promoting: skips what is left of the plan. */
function promote(rollout: Rollout, actor: string, at: number): Step {
  return beginPromotion(rollout, { reason: 'operator', actor, at });
}

/** pending, checking, progressing or paused → aborted; where the candidate has weight, by the ramp of the plan. */
function abort(rollout: Rollout, { actor, instant }: Call, at: number): Step {
  const cause = { reason: 'operator', actor, at } as const;
  return instant === true ? takeBackAtOnce(rollout, 'aborted', cause) : takeBack(rollout, 'aborted', cause);
}

/**
 * progressing or paused → paused: weights stay, the hold stands still, guards go on judging. No gate that opens and no
 * verdict that comes lets it go on.
 */
function pause(rollout: Rollout, actor: string, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'progressing' && position.phase !== 'paused') return unchanged(rollout);
  const paused = { ...stillHeldOf(position), phase: 'paused' as const, reason: 'operator', sinceAt: at };
  return move(rollout, paused, { reason: 'operator', actor, at }, []);
}

/**
 * paused → progressing: the stage goes on with the hold it had, and so comes back to where it waited when it was paused. At
 * a gate the stage behind it begins, and a stage that waited for a verdict is left without it.
 */
function resume(rollout: Rollout, actor: string, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'paused') return unchanged(rollout);
  const cause = { reason: 'operator', actor, at } as const;
  if (position.reason === 'shadowed') throw shadowed(rollout);
  if (position.unbegun === true)
    return position.reason === 'gate' ? advanceTo(rollout, 0, cause) : goTo(rollout, 0, cause);
  if (position.reason === 'gate') return advanceTo(rollout, position.stage + 1, cause);
  if (position.reason === 'inconclusive') return goTo(rollout, position.stage + 1, cause);
  return move(rollout, { ...heldOf(position), phase: 'progressing' }, cause, []);
}

/** aborted, rolled_back or failed → a new rollout with the same plan, from its beginning and with counts of its own. */
function retry(rollout: Rollout, { actor, taken = [] }: Call, at: number): Step {
  const { service, from, to, plan, id } = rollout;
  const update = created(createRollout({ service, from, to, plan, actor, at, taken: [id, ...taken] }));
  return { ...update, effects: effectsOf(update.rollout) };
}

function shadowed({ service }: Rollout): TealgateError {
  const message = `the shadow rollout of ${service} is over; promote moves all traffic to the candidate, abort ends it`;
  return new TealgateError('conflict', message, {
    details: { service, phase: 'paused', action: 'resume', possible: ['promote', 'abort'] },
  });
}

function refusal({ service, position: { phase } }: Rollout, action: RolloutAction): TealgateError {
  const possible = POSSIBLE[phase];
  const instead = possible.length > 0 ? `possible now: ${possible.join(', ')}` : HINTS[phase];
  return new TealgateError(
    'conflict',
    `cannot ${action} the rollout of ${service} while it is ${phase.replace('_', ' ')}; ${instead}`,
    { details: { service, phase, action, possible } },
  );
}

const HINTS: Partial<Record<Phase, string>> = {
  returning: 'its traffic returns to stable; once it has ended, retry or start a new one',
  promoting: 'the candidate is taking over: undo once it is promoted',
  draining: 'the candidate has taken over: undo once it is promoted',
  promoted: 'use undo to go back, or start a new rollout',
};
