import { type Tick, tick } from './progress.ts';
import { beginPromotion } from './promotion.ts';
import { type Baseline, type Phase, type Rollout, type SmokeResult, stillHeldOf } from './rollout.ts';
import { ITSELF, move, type Step, unchanged } from './step.ts';
import { takeBack, takeBackAtOnce } from './take-back.ts';

/** What other rollouts did that this one goes together with. `seen`: what it saw itself meanwhile. */
export type Followed =
  /** One of them was taken back; `because` is where that led it. */
  | { readonly type: 'taken_back'; readonly because: Phase; readonly seen: Tick | null }
  /** One of them waits for somebody. `smoke`: answers of the smoke requests, which have passed; `baseline`: with them. */
  | {
      readonly type: 'paused_too';
      readonly reason: 'gate' | 'inconclusive';
      readonly seen: Tick | null;
      readonly smoke: readonly SmokeResult[] | null;
      readonly baseline?: Baseline;
    }
  /** All of them are ready to go on, and the deadline of one of them promotes. */
  | { readonly type: 'promoted_too'; readonly seen: Tick | null };

export function follow(rollout: Rollout, event: Followed, at: number): Step {
  const { seen } = event;
  const stayed = seen === null ? unchanged(rollout) : tick(rollout, { ...seen, stay: true }, at);
  const step = followed(stayed.rollout, event, at);
  return { ...step, events: [...stayed.events, ...step.events] };
}

function followed(rollout: Rollout, event: Followed, at: number): Step {
  switch (event.type) {
    case 'taken_back':
      return takenBack(rollout, event.because, at);
    case 'paused_too':
      return pausedToo(rollout, event, at);
    case 'promoted_too':
      return promotedToo(rollout, at);
  }
}

/** → aborted or rolled_back, like the other one: by a ramp where that one has time for its own. */
function takenBack(rollout: Rollout, because: Phase, at: number): Step {
  const cause = { reason: 'group', actor: ITSELF, at } as const;
  switch (rollout.position.phase) {
    case 'pending':
    case 'checking':
      return takeBackAtOnce(rollout, 'aborted', cause);
    case 'progressing':
    case 'paused': {
      const end = because === 'aborted' || because === 'failed' ? 'aborted' : 'rolled_back';
      return because === 'returning' ? takeBack(rollout, end, cause) : takeBackAtOnce(rollout, end, cause);
    }
    default:
      return unchanged(rollout);
  }
}

/** → paused where it is; before the first stage, if it has come no further. */
function pausedToo(
  rollout: Rollout,
  { reason, smoke, baseline }: Extract<Followed, { type: 'paused_too' }>,
  at: number,
): Step {
  const { position } = rollout;
  const cause = { reason, actor: ITSELF, at };
  const paused = { phase: 'paused', reason, sinceAt: at } as const;
  switch (position.phase) {
    case 'checking':
      return move(
        { ...rollout, ...(smoke === null ? {} : { smoke }), ...(baseline === undefined ? {} : { baseline }) },
        { ...paused, stage: 0, heldMs: 0, unbegun: true },
        cause,
        [],
      );
    case 'progressing':
    case 'paused':
      return move(rollout, { ...stillHeldOf(position), ...paused }, cause, []);
    default:
      return unchanged(rollout);
  }
}

/** → promoting, from where the others leave for it. */
function promotedToo(rollout: Rollout, at: number): Step {
  const { phase } = rollout.position;
  if (phase !== 'progressing' && phase !== 'paused') return unchanged(rollout);
  return beginPromotion(rollout, { reason: 'group', actor: ITSELF, at });
}
