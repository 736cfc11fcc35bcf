import { smokeFailed, smokePassed, start } from './checking.ts';
import { type Followed, follow } from './follow.ts';
import { type Call, operator } from './operator.ts';
import { type Tick, tick } from './progress.ts';
import { drained, switched } from './promotion.ts';
import type { Baseline, Rollout, SmokeResult } from './rollout.ts';
import { ITSELF, type Step, unchanged } from './step.ts';

export type RolloutEvent =
  | { readonly type: 'start' }
  | {
      readonly type: 'smoke_passed' | 'smoke_failed';
      readonly results: readonly SmokeResult[];
      /** What stable did before; where a guard of the plan compares with it. */
      readonly baseline?: Baseline;
    }
  | ({ readonly type: 'tick' } & Tick)
  /** Every worker serves the promoted weights. */
  | { readonly type: 'switched' }
  | { readonly type: 'drained' }
  /** The proxy was down in between. Nothing moves; the audit trail says so. */
  | { readonly type: 'interrupted' }
  | Followed
  | Call;

/**
 * The rollout engine as a function: what a rollout becomes, what that changes in the routing, what it tells, and what is
 * owed next. Facts that come twice or too late change nothing; an operator's call that makes no sense throws `conflict`.
 *
 * @param at ms since the Unix epoch, for the record; the one decision that depends on it is whether a gate's window is open
 */
export function transition(rollout: Rollout, event: RolloutEvent, at: number): Step {
  switch (event.type) {
    case 'start':
      return start(rollout, at);
    case 'smoke_passed':
      return smokePassed(rollout, event, at);
    case 'smoke_failed':
      return smokeFailed(rollout, event.results, at);
    case 'tick':
      return tick(rollout, event, at);
    case 'switched':
      return switched(rollout, at);
    case 'drained':
      return drained(rollout, at);
    case 'interrupted':
      return interrupted(rollout);
    case 'taken_back':
    case 'paused_too':
    case 'promoted_too':
      return follow(rollout, event, at);
    case 'promote':
    case 'abort':
    case 'pause':
    case 'resume':
    case 'retry':
      return operator(rollout, event, at);
  }
}

function interrupted(rollout: Rollout): Step {
  const { id, position } = rollout;
  const data = { rollout: id, phase: position.phase, ...('stage' in position ? { stage: position.stage } : {}) };
  return { ...unchanged(rollout), events: [{ type: 'rollout.interrupted', actor: ITSELF, data }] };
}
