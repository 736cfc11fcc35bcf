import type { GuardEvidence, Verdict } from './evidence.ts';
import { needed } from './needed.ts';
import type { Rollout, Transition } from './rollout.ts';
import { duration } from './words.ts';

/** Why a rollout went as it did, in plain language. */
export interface Explanation {
  readonly rollout: string;
  readonly service: string;
  /** The whole in one sentence. */
  readonly headline: string;
  /** What happened, oldest first. */
  readonly story: readonly Happening[];
  /** What each guard says in the end, and what would have been needed for it to say otherwise. */
  readonly guards: readonly GuardExplanation[];
}

export interface Happening {
  /** ms since the Unix epoch. */
  readonly at: number;
  readonly text: string;
  /** What the guards said then, where it is not what they had said before. */
  readonly evidence: readonly string[];
}

export interface GuardExplanation {
  readonly guard: string;
  readonly verdict: Verdict;
  /** It only observes. */
  readonly dryRun: boolean;
  readonly summary: string;
  readonly needed: readonly string[];
}

/** From what the rollout stores alone: it can be told again as long as the rollout is kept. */
export function explain(rollout: Rollout): Explanation {
  return {
    rollout: rollout.id,
    service: rollout.service,
    headline: headline(rollout),
    story: [begun(rollout), ...rollout.transitions.map((_, i) => happening(rollout, i))],
    guards: rollout.guards.map((evidence) => ({
      guard: evidence.guard,
      verdict: evidence.verdict,
      dryRun: evidence.dryRun === true,
      summary: evidence.summary,
      needed: needed(evidence),
    })),
  };
}

function headline(rollout: Rollout): string {
  const { position, service, to, startedAt } = rollout;
  const last = rollout.transitions.at(-1);
  const what = `the rollout of ${to} to ${service}`;
  if (last === undefined) return `${what} has not begun yet`;
  const place = 'stage' in position ? ` in ${stageName(rollout, position.stage)}` : '';
  const spent = 'endedAt' in position ? ` after ${duration(position.endedAt - startedAt)}` : '';
  const why = endReason(rollout, last);
  switch (position.phase) {
    case 'promoted':
      return `${what} was promoted${spent}: ${to} is the stable side`;
    case 'failed':
      return `${what} failed${spent}: ${why}`;
    case 'aborted':
    case 'rolled_back':
      return `${what} was ${position.phase.replace('_', ' ')}${spent}${place}: ${why}`;
    case 'paused':
      return `${what} is paused${place}: ${why}`;
    case 'pending':
    case 'checking':
      return `${what} is checking ${to} with smoke requests`;
    case 'progressing':
      return `${what} is under way${place}`;
    case 'returning':
      return `${what} returns its traffic to ${rollout.from}${place}: ${why}`;
    case 'promoting':
    case 'draining':
      return `${what} is decided: ${to} is the stable side, and ${rollout.from} is being emptied`;
  }
}

/** Of a return that has ended, why it began counts, and that is what the last transition carries on. */
function endReason(rollout: Rollout, last: Transition): string {
  return because(rollout, last) ?? `${last.reason.replaceAll('_', ' ')}, by ${last.actor}`;
}

function begun({ actor, from, to, plan, startedAt }: Rollout): Happening {
  const stages = plan.stages.map(({ weight, holdMs }) =>
    holdMs === 0 ? `${weight} %` : `${weight} % for ${duration(holdMs)}`,
  );
  const guards = plan.guards.map(({ name, dryRun }) => (dryRun === true ? `${name} (dry run)` : name));
  const guarded = guards.length === 0 ? 'without guards' : `guarded by ${guards.join(', ')}`;
  const text = `${actor} started it: ${from} → ${to}, ${plan.strategy}, ${stages.join(', ')}, ${guarded}`;
  return { at: startedAt, text, evidence: [] };
}

function happening(rollout: Rollout, index: number): Happening {
  const transition = rollout.transitions[index];
  if (transition === undefined) throw new Error('no such transition');
  const before = rollout.transitions[index - 1]?.evidence ?? [];
  const why = because(rollout, transition);
  const text = why === null ? became(rollout, transition) : `${why}: ${became(rollout, transition)}`;
  return { at: transition.at, text, evidence: news(transition.evidence, before) };
}

/** What follows from it. */
function became(rollout: Rollout, { from, to, stage, reason, actor }: Transition): string {
  const { from: stable, to: candidate } = rollout;
  switch (to) {
    case 'checking':
      return asksSmoke(rollout)
        ? `${candidate} is asked smoke requests, and has no traffic yet`
        : `${candidate} has no traffic yet`;
    case 'progressing': {
      const weight = rollout.plan.stages[stage]?.weight ?? 0;
      const verb = from === 'paused' && reason === 'operator' ? 'went on with' : 'entered';
      return `it ${verb} ${stageName(rollout, stage)}, ${weight} % of new traffic to ${candidate}`;
    }
    case 'paused':
      return `it paused ${from === 'checking' ? 'before' : 'in'} ${stageName(rollout, stage)}`;
    case 'promoting':
      return `${candidate} became the stable side with all new traffic`;
    case 'draining':
      return `no new request reaches ${stable}, which is emptied`;
    case 'promoted':
      return 'it ended as promoted';
    case 'aborted':
    case 'rolled_back':
    case 'failed':
      return `it ended as ${to.replace('_', ' ')}${to === 'failed' ? '' : `, with all traffic on ${stable}`}`;
    case 'returning':
      return `the traffic of ${candidate} returns to ${stable} step by step`;
    default:
      return `${from} → ${to}, by ${actor}`;
  }
}

function asksSmoke({ plan }: Rollout): boolean {
  return plan.smoke.length > 0;
}

/** In words; null for what says nothing beyond what follows from it. */
function because(rollout: Rollout, transition: Transition): string | null {
  const { reason, actor, evidence, stage } = transition;
  const failed = evidence.find(({ verdict, dryRun }) => verdict === 'fail' && dryRun !== true);
  switch (reason) {
    case 'operator':
      return `by ${actor}`;
    case 'smoke_passed':
      return asksSmoke(rollout) ? 'every target answered the smoke requests as it should' : null;
    case 'smoke':
      return smokeText(rollout);
    case 'held':
      return transition.to === 'progressing' && stage > 0
        ? `${stageName(rollout, stage - 1)} had been held`
        : 'the last hold was over';
    case 'gate':
      return 'the next stage has a gate';
    case 'gate_open':
      return 'the gate opened';
    case 'gate_refused':
      return 'the gate said no';
    case 'shadowed':
      return 'the copies had been compared for as long as the plan says';
    case 'inconclusive':
      return `no verdict came in time from ${undecided(evidence)}`;
    case 'conclusive':
      return 'the verdicts that were waited for came';
    case 'no_traffic':
      return 'the candidate got no request in the whole stage';
    case 'deadline':
      return 'it waited as long as the plan allows';
    case 'group':
      return 'its group decided';
    case 'switched':
      return 'every worker serves the new weights';
    case 'drained':
      return `${rollout.from} is empty`;
    case 'started':
      return null;
    default:
      return failed === undefined ? reason.replaceAll('_', ' ') : `the guard ${failed.guard} failed: ${failed.summary}`;
  }
}

function smokeText({ smoke = [] }: Rollout): string {
  const wrong = smoke.find(({ ok }) => !ok);
  return wrong === undefined
    ? 'a smoke request failed'
    : `${wrong.method} ${wrong.path} on ${wrong.target || 'no target'}: ${wrong.detail}`;
}

function undecided(evidence: readonly GuardEvidence[]): string {
  return (
    evidence
      .filter(({ verdict, dryRun }) => verdict === 'inconclusive' && dryRun !== true)
      .map(({ guard }) => guard)
      .join(', ') || 'its guards'
  );
}

function news(evidence: readonly GuardEvidence[], before: readonly GuardEvidence[]): string[] {
  const said = new Set(before.map(({ guard, summary }) => `${guard}: ${summary}`));
  return evidence
    .map(({ guard, verdict, summary, dryRun }) => ({ key: `${guard}: ${summary}`, verdict, dryRun }))
    .filter(({ key }) => !said.has(key))
    .map(({ key, verdict, dryRun }) => `${verdict}${dryRun === true ? ' (dry run)' : ''}, ${key}`);
}

function stageName({ plan }: Rollout, stage: number): string {
  return `stage ${stage + 1} of ${plan.stages.length}`;
}
