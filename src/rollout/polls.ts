import type { HttpGate } from '../config/gate-schema.ts';
import { guardsOf, isPolled, type PolledGuard } from '../config/guards/guard.ts';
import { gateOf, stageBehind } from './gate.ts';
import { NOT_ASKED, nextAskMs, type PolledState, polledStateOf } from './guards/polled.ts';
import { candidateWeight, mirrorShare, type Rollout } from './rollout.ts';
import { stageOf } from './step.ts';

/** Something that is asked of somebody else, again and again, while a rollout is in a certain place. */
export type Poll = GuardPoll | GatePoll;

interface PollBase {
  /** Tells it from all others: a guard of the same name with other settings is another one. */
  readonly identity: string;
  readonly intervalMs: number;
}

export interface GuardPoll extends PollBase {
  readonly kind: 'guard';
  readonly guard: PolledGuard;
}

export interface GatePoll extends PollBase {
  readonly kind: 'gate';
  readonly gate: HttpGate;
  /** The stage behind it. */
  readonly stage: number;
}

/** What is to be asked for a rollout where it is. */
export function pollsOf(rollout: Rollout): readonly Poll[] {
  return [...gatePolls(rollout), ...guardPolls(rollout)];
}

/** What the rollout has been told already. */
export function answersTo(poll: Poll, { position, guardStates }: Rollout): PolledState {
  if (poll.kind === 'guard') return polledStateOf(guardStates[poll.guard.name]);
  return (position.phase === 'paused' ? position.gate : undefined) ?? NOT_ASKED;
}

/**
 * How long until the next question, from the answers that the rollout carries. A guard asks for the first time, too, after
 * an interval: before that there is little of the candidate to be seen. A gate asks at once.
 *
 * @param nowAt ms since the Unix epoch
 */
export function waitOf(poll: Poll, rollout: Rollout, nowAt: number): number {
  const { last, unanswered } = answersTo(poll, rollout);
  const fullMs = nextAskMs(poll.intervalMs, unanswered);
  if (last === null) return poll.kind === 'gate' ? 0 : fullMs;
  // A clock that was set back must not make it wait for longer than that.
  return Math.min(fullMs, Math.max(0, last.at + fullMs - nowAt));
}

/** Until the answer is yes or no. */
function gatePolls(rollout: Rollout): readonly GatePoll[] {
  const gate = gateOf(rollout);
  if (gate === null || gate === 'manual' || gate.kind !== 'http') return [];
  const { position } = rollout;
  const verdict = position.phase === 'paused' ? position.gate?.last?.verdict : undefined;
  if (verdict === 'pass' || verdict === 'fail') return [];
  const stage = stageBehind(rollout);
  return [{ kind: 'gate', identity: `${rollout.id}/gate/${stage}`, gate, stage, intervalMs: gate.intervalMs }];
}

/** While the candidate has nothing to do, neither requests nor copies, and on its way back, nothing is asked. */
function guardPolls(rollout: Rollout): readonly GuardPoll[] {
  const { phase } = rollout.position;
  if (phase !== 'progressing' && phase !== 'paused') return [];
  if (candidateWeight(rollout) === 0 && mirrorShare(rollout) === null) return [];
  return guardsOf(rollout.plan, stageOf(rollout))
    .filter(isPolled)
    .map((guard) => ({
      kind: 'guard',
      identity: `${rollout.id}/guard/${JSON.stringify(guard)}`,
      guard,
      intervalMs: guard.intervalMs,
    }));
}
