import { TealgateError } from '../platform/errors.ts';
import { created, createRollout } from './create.ts';
import { advanceTo } from './progress.ts';
import { beginPromotion } from './promotion.ts';
import type { Phase, Rollout } from './rollout.ts';
import { effectsOf, move, type Step, takeBack, unchanged } from './step.ts';

export const ROLLOUT_ACTIONS = ['promote', 'abort', 'pause', 'resume', 'retry'] as const;
export type RolloutAction = (typeof ROLLOUT_ACTIONS)[number];

/** An operator's call. */
export interface Call {
  readonly type: RolloutAction;
  readonly actor: string;
}

/** What each phase allows. */
const POSSIBLE: Readonly<Record<Phase, readonly RolloutAction[]>> = {
  pending: ['abort'],
  checking: ['abort'],
  progressing: ['promote', 'pause', 'abort'],
  paused: ['promote', 'resume', 'abort'],
  promoting: [],
  draining: [],
  promoted: [],
  aborted: ['retry'],
  rolled_back: ['retry'],
  failed: ['retry'],
};

/** Phases in which a call has taken effect already (or its aim is met), so that repeating it changes nothing. */
const DONE: Readonly<Record<RolloutAction, readonly Phase[]>> = {
  promote: ['promoting', 'draining', 'promoted'],
  abort: ['aborted', 'rolled_back', 'failed'],
  pause: ['paused'],
  resume: ['progressing'],
  retry: ['pending', 'checking', 'progressing', 'paused', 'promoting', 'draining'],
};

/** Performs an operator's call, or throws `conflict` naming the phase and the calls that are possible in it. */
export function operator(rollout: Rollout, call: Call, at: number): Step {
  const { phase } = rollout.position;
  if (DONE[call.type].includes(phase)) return unchanged(rollout);
  if (!POSSIBLE[phase].includes(call.type)) throw refusal(rollout, call.type);
  switch (call.type) {
    case 'promote':
      return promote(rollout, call.actor, at);
    case 'abort':
      return abort(rollout, call.actor, at);
    case 'pause':
      return pause(rollout, call.actor, at);
    case 'resume':
      return resume(rollout, call.actor, at);
    case 'retry':
      return retry(rollout, call.actor, at);
  }
}

/** progressing or paused → promoting: skips what is left of the plan. */
function promote(rollout: Rollout, actor: string, at: number): Step {
  return beginPromotion(rollout, { reason: 'operator', actor, at });
}

/** pending, checking, progressing or paused → aborted. */
function abort(rollout: Rollout, actor: string, at: number): Step {
  const stage = 'stage' in rollout.position ? rollout.position.stage : 0;
  const position = { phase: 'aborted' as const, stage, reason: 'operator', endedAt: at };
  return move(rollout, position, { reason: 'operator', actor, at }, takeBack(rollout));
}

/** progressing → paused: weights stay, the hold stands still, guards go on judging. */
function pause(rollout: Rollout, actor: string, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'progressing') return unchanged(rollout);
  const paused = { ...position, phase: 'paused' as const, reason: 'operator', sinceAt: at };
  return move(rollout, paused, { reason: 'operator', actor, at }, []);
}

/** paused → progressing: the stage goes on with the hold it had; at a gate, the next one begins. */
function resume(rollout: Rollout, actor: string, at: number): Step {
  const { position } = rollout;
  if (position.phase !== 'paused') return unchanged(rollout);
  if (position.reason === 'gate') return advanceTo(rollout, position.stage + 1, { reason: 'operator', actor, at });
  const { reason: _reason, sinceAt: _sinceAt, ...held } = position;
  return move(rollout, { ...held, phase: 'progressing' }, { reason: 'operator', actor, at }, []);
}

/** aborted, rolled_back or failed → a new rollout with the same plan, from its beginning and with counts of its own. */
function retry(rollout: Rollout, actor: string, at: number): Step {
  const { service, from, to, plan, id } = rollout;
  const update = created(createRollout({ service, from, to, plan, actor, at, taken: [id] }));
  return { ...update, effects: effectsOf(update.rollout) };
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
  promoting: 'the candidate is taking over: undo once it is promoted',
  draining: 'the candidate has taken over: undo once it is promoted',
  promoted: 'use undo to go back, or start a new rollout',
};
