import type { Stage } from '../../config/config.ts';
import { describeWindow } from '../../platform/schedule-window.ts';
import type { GuardEvidence, Judgement } from '../../rollout/evidence.ts';
import { gateOf } from '../../rollout/gate.ts';
import { ENDED, type Phase, type Rollout, stageRequests, type Transition } from '../../rollout/rollout.ts';
import { extensionLeftMs } from '../../rollout/stage-end.ts';
import { deadlineLeftMs } from '../../rollout/waiting.ts';
import { reasonOf, remainingHoldMs } from '../views.ts';
import { formatCount, formatDuration, words } from './format.ts';
import { type Html, html } from './html.ts';
import { badge, callButton, type Tone, time } from './parts.ts';
import { rolloutButtons } from './rollout-buttons.ts';

const TONES: Readonly<Record<Phase, Tone>> = {
  pending: 'quiet',
  checking: 'quiet',
  progressing: 'good',
  paused: 'warn',
  returning: 'bad',
  promoting: 'good',
  draining: 'good',
  promoted: 'good',
  aborted: 'warn',
  rolled_back: 'bad',
  failed: 'bad',
};

const AT_GATE = 'The next stage has a gate: Resume lets it begin, Abort takes everything back.';

const REASONS: Readonly<Record<string, string>> = {
  inconclusive:
    'A guard has no verdict. One that comes decides; Resume goes on without it, Abort takes everything back.',
  shadowed: 'The copies are done: Promote moves all traffic to the candidate, Abort ends it.',
  no_traffic: 'The candidate got no request.',
  deadline: 'It waited longer than its deadline.',
  group: 'Because of another service of its group.',
};

/** What it waits for at its gate. */
function gateText(rollout: Rollout): string {
  const gate = gateOf(rollout);
  if (gate === null || gate === 'manual' || rollout.position.phase !== 'paused') return AT_GATE;
  if (gate.kind === 'schedule') return `${AT_GATE} It opens by itself: ${describeWindow(gate)}.`;
  const { last = null } = rollout.position.gate ?? {};
  return `${AT_GATE} ${gate.webhook} is asked, and ${last === null ? 'has not answered yet' : last.summary}.`;
}

/** The newest rollout of a service: where it is, what speaks for and against it, what happened. */
export function rolloutPanel(rollout: Rollout, operator: boolean): Html {
  const { id, from, to, plan, position, actor, service, group } = rollout;
  const reason = reasonOf(rollout);
  return html`<section class="rollout" aria-label="Rollout of ${service}">
    <h3>Rollout <code>${id}</code> <span class="route">${from} → ${to}</span> ${badge(words(position.phase), TONES[position.phase])}
      ${group !== undefined && badge(`group ${group.name}: ${group.services.join(', ')}`, 'quiet')}
      <span class="faint">${plan.strategy}, started ${time(rollout.startedAt)} by ${actor}</span></h3>
    ${reason !== null && html`<p class="reason">${reason === 'gate' ? gateText(rollout) : (REASONS[reason] ?? words(reason))}</p>`}
    ${timeLeft(rollout)}
    ${stageList(rollout)}
    ${rollout.guards.map(guard)}
    ${candidateCounts(rollout)}
    ${smokeList(rollout)}
    ${operator && html`<div class="actions">${rolloutButtons(rollout).map(callButton)}</div>`}
    ${transitionList(rollout)}</section>`;
}

/** How long it goes on as it is, where that has an end. */
function timeLeft(rollout: Rollout): Html | null {
  const { position } = rollout;
  const [extension, deadline] = [extensionLeftMs(rollout), deadlineLeftMs(rollout)];
  const parts = [
    ...(position.phase === 'returning' ? [`${position.weight} % of the traffic is still to return`] : []),
    ...(extension === null ? [] : [`${formatDuration(extension)} left for a verdict`]),
    ...(deadline === null ? [] : [`${formatDuration(deadline)} to the deadline${afterDeadline(rollout)}`]),
  ];
  return parts.length === 0 ? null : html`<p class="faint">${parts.join('; ')}</p>`;
}

/** Nothing is promoted before its smoke requests, and once it is promoted nothing is taken back. */
function afterDeadline({ position, plan: { onDeadline } }: Rollout): string {
  if (position.phase === 'draining') return ', then the old side is left to itself';
  if (onDeadline === undefined) return ', then abort';
  return position.phase === 'checking' ? ', then it has failed' : `, then ${onDeadline}`;
}

function stageList(rollout: Rollout): Html {
  const current = 'stage' in rollout.position ? rollout.position.stage : -1;
  const done = rollout.position.phase === 'promoted';
  const items = rollout.plan.stages.map((stage, i) => {
    const state = done || i < current ? 'done' : i === current ? stageState(rollout) : 'ahead';
    const text = i === current ? currentStageText(rollout, stage) : stageText(stage);
    return html`<li class="${state}" ${i === current && html`aria-current="step"`}><b>${stage.weight} %</b>
      <span>${text}</span></li>`;
  });
  return html`<ol class="stages">${items}</ol>`;
}

function stageText({ holdMs, mirror, minRequests, gate }: Stage): string {
  const parts = [holdMs === 0 ? 'no hold' : formatDuration(holdMs)];
  if (mirror !== undefined) parts.push(copiesText(mirror));
  if (minRequests !== undefined) parts.push(`${formatCount(minRequests)} requests`);
  if (gate !== undefined) parts.push('after a gate');
  return parts.join(', ');
}

function copiesText(share: number): string {
  return `copies of ${Number((share * 100).toPrecision(3))} %`;
}

/** What is left of it. */
function currentStageText(rollout: Rollout, stage: Stage): string {
  const remaining = remainingHoldMs(rollout);
  const requests = stageRequests(rollout);
  const { position } = rollout;
  if (remaining === null || (position.phase === 'paused' && position.unbegun === true)) return stageText(stage);
  const hold = formatDuration(stage.holdMs);
  const parts = [stage.holdMs === 0 ? 'no hold' : `${formatDuration(remaining)} left of ${hold}`];
  if (stage.mirror !== undefined) parts.push(copiesText(stage.mirror));
  if (requests !== null)
    parts.push(`${formatCount(requests.seen)} requests of at least ${formatCount(requests.needed)}`);
  return parts.join(', ');
}

function stageState({ position }: Rollout): string {
  if (position.phase === 'paused') return position.unbegun === true ? 'ahead' : 'current held';
  return ENDED.has(position.phase) ? 'stopped' : 'current';
}

function guard(evidence: GuardEvidence): Html {
  const { verdict, summary } = evidence;
  return html`<div class="guard"><span class="name">${guardName(evidence)}</span>
    ${badge(verdict, verdict === 'fail' ? 'bad' : verdict === 'pass' ? 'good' : 'quiet')}
    ${'logE' in evidence && evidenceBar(evidence)}<p>${summary}</p></div>`;
}

/** The evidence against the candidate, as far as it has come towards the threshold of a rollback. */
function evidenceBar({ verdict, logE, logThreshold, dryRun }: GuardEvidence & Judgement): Html {
  const share = Math.min(1, Math.max(0, logE / logThreshold)) * 100;
  const tone: Tone = verdict === 'fail' ? 'bad' : share > 50 ? 'warn' : 'good';
  const label = `Evidence ${logE.toFixed(2)} of ${logThreshold.toFixed(2)} at which it ${dryRun === true ? 'would be' : 'is'} rolled back`;
  return html`<svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${label}"><rect class="track" width="100" height="6"/><rect class="${tone}" width="${share}" height="6"/></svg>
    <span class="faint">${label}</span>`;
}

/** `error rate` for the guard of that kind, `checkout (error rate)` for one with a name of its own. */
function guardName({ guard: name, kind }: GuardEvidence): string {
  const kindWords = kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return name === kind ? kindWords : `${name} (${kindWords})`;
}

function candidateCounts({ counts: { candidate, stable }, from, to }: Rollout): Html {
  const text = ({ trials, errors }: typeof candidate) =>
    `${formatCount(errors)} errors in ${formatCount(trials)} requests`;
  return html`<p class="faint">${to}: ${text(candidate)}; ${from}: ${text(stable)}</p>`;
}

function smokeList({ smoke = [] }: Rollout): Html | null {
  if (smoke.length === 0) return null;
  return html`<ul class="plain" aria-label="Smoke requests">${smoke.map(
    ({ target, method, path, ok, status, detail }) =>
      html`<li>${badge(ok ? 'ok' : 'failed', ok ? 'good' : 'bad')} ${method} ${target}${path} ${status ?? 'no answer'} ${detail}</li>`,
  )}</ul>`;
}

function transitionList({ transitions }: Rollout): Html {
  return html`<ol class="plain transitions" aria-label="Transitions">${transitions.toReversed().map(transition)}</ol>`;
}

function transition({ at, from, to, stage, reason, actor }: Transition): Html {
  return html`<li>${time(at)} <span>${words(from)} → <b>${words(to)}</b>${to === 'progressing' && ` (stage ${stage + 1})`}</span>
    <span class="why">${words(reason)}</span> <span class="faint">${actor}</span></li>`;
}
