import type { RolloutAction } from './operator.ts';
import type { RolloutUpdate } from './ports.ts';
import { type RolloutEvent, transition } from './reducer.ts';
import type { Phase, Rollout } from './rollout.ts';
import { told } from './told.ts';

/** One of the rollouts of a group, and what happened to it; null for nothing. */
export interface Member {
  readonly rollout: Rollout;
  readonly event: RolloutEvent | null;
}

/**
 * What the rollouts of a group become, in their order; all of it is one commit. Up to the promotion they leave a place
 * together, when each of them is ready to, and what ends one of them badly ends them all. After it nothing can fail, and
 * each old side drains at its own pace.
 *
 * Each of them is told one event, its own or one that says what the others did; so each can be replayed by itself.
 */
export function transitionTogether(members: readonly Member[], at: number): readonly RolloutUpdate[] {
  const alone = members.map((member): Outcome => ({ ...member, next: nextOf(member, at) }));
  const isBad = ({ next }: Outcome): boolean => TAKEN_BACK.has(next.position.phase);
  const bad = alone.filter(isBad);
  const worst = bad.find(({ next }) => next.position.phase !== 'returning') ?? bad[0];
  if (worst !== undefined) {
    const { phase } = worst.next.position;
    return alone.map((member) => update(isBad(member) ? member : followed(member, phase), at));
  }
  if (!alone.every((member) => leaves(member) || !isBound(member.rollout))) {
    return alone.map((member) => update(leaves(member) ? stayed(member) : member, at));
  }
  return goingTogether(alone).map((member) => update(member, at));
}

/**
 * An operator's call on all of them, or on none: throws `conflict` as soon as one refuses it. Where it leads one of them to
 * a gate, the others wait there with it.
 */
export function operateTogether(
  rollouts: readonly Rollout[],
  action: Exclude<RolloutAction, 'retry'>,
  actor: string,
  at: number,
): readonly RolloutUpdate[] {
  const event: RolloutEvent = { type: action, actor };
  const alone = rollouts.map((rollout): Outcome => ({ rollout, event, next: nextOf({ rollout, event }, at) }));
  return goingTogether(alone).map((member) => update(member, at));
}

/** Where a group is as a whole: as far as the member that is furthest behind, and once all have ended as the one that decided. */
export function leading(rollouts: readonly Rollout[]): Rollout | null {
  const running = rollouts.filter(({ position }) => ORDER.includes(position.phase));
  const behind = running.toSorted((a, b) => ORDER.indexOf(a.position.phase) - ORDER.indexOf(b.position.phase))[0];
  const decided = rollouts.find(({ position }) => !('reason' in position) || position.reason !== 'group');
  return behind ?? decided ?? rollouts[0] ?? null;
}

/** What would become of a member if it were alone. */
interface Outcome extends Member {
  readonly next: Rollout;
}

const ORDER: readonly Phase[] = ['pending', 'checking', 'progressing', 'paused', 'returning', 'promoting', 'draining'];
const TAKEN_BACK: ReadonlySet<Phase> = new Set(['returning', 'aborted', 'rolled_back', 'failed']);
/** Places that they leave together, and from which they can still be taken back. */
const BOUND: ReadonlySet<Phase> = new Set(['pending', 'checking', 'progressing', 'paused']);

function nextOf({ rollout, event }: Member, at: number): Rollout {
  return event === null ? rollout : transition(rollout, event, at).rollout;
}

function update({ rollout, event }: Member, at: number): RolloutUpdate {
  return event === null ? { rollout, changes: [], events: [] } : told(rollout, event, at);
}

function isBound({ position }: Rollout): boolean {
  return BOUND.has(position.phase);
}

function leaves({ rollout, next }: Outcome): boolean {
  return isBound(rollout) && next.transitions.length > rollout.transitions.length;
}

/** It counts what was seen, and does not move. */
function stayed({ rollout, event }: Member): Member {
  return { rollout, event: event?.type === 'tick' ? { ...event, stay: true } : null };
}

/** Another one was taken back, and so is this one, if it still can be. */
function followed(member: Outcome, because: Phase): Member {
  const { rollout, event } = member;
  if (!isBound(rollout)) return member;
  return { rollout, event: { type: 'taken_back', because, seen: event?.type === 'tick' ? event : null } };
}

/** Where one of those that leave waits for somebody, all of them do; else where one is promoted by its deadline. */
function goingTogether(members: readonly Outcome[]): readonly Member[] {
  const leaving = members.filter(leaves);
  const waiting = leaving.find(({ next }) => next.position.phase === 'paused')?.next;
  if (waiting !== undefined) return members.map((member) => (leaves(member) ? pausedToo(member, waiting) : member));
  if (!leaving.some(({ next }) => next.position.phase === 'promoting')) return members;
  return members.map((member) => (leaves(member) ? promotedToo(member) : member));
}

function promotedToo({ rollout, event, next }: Outcome): Member {
  if (next.position.phase === 'promoting') return { rollout, event };
  return { rollout, event: { type: 'promoted_too', seen: event?.type === 'tick' ? event : null } };
}

/** Another one waits for somebody, and so does this one. */
function pausedToo(member: Outcome, { position }: Rollout): Member {
  const { rollout, event, next } = member;
  if (next.position.phase === 'paused' || position.phase !== 'paused') return member;
  const reason = position.reason === 'gate' ? 'gate' : 'inconclusive';
  const seen = event?.type === 'tick' ? event : null;
  const { smoke = null, baseline } = next;
  return {
    rollout,
    event: { type: 'paused_too', reason, seen, smoke, ...(baseline === undefined ? {} : { baseline }) },
  };
}
