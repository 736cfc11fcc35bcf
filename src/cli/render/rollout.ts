import { printable } from '../../config/problem.ts';
import { describeWindow } from '../../platform/schedule-window.ts';
import type { GuardEvidence } from '../../rollout/evidence.ts';
import { gateOf } from '../../rollout/gate.ts';
import { failing } from '../../rollout/guards/verdict.ts';
import { type Position, type Rollout, stageRequests, type Transition } from '../../rollout/rollout.ts';
import { extensionLeftMs } from '../../rollout/stage-end.ts';
import { deadlineLeftMs } from '../../rollout/waiting.ts';
import { bar, type Paint } from '../style.ts';
import { holdText, percent, shortDuration } from './numbers.ts';

const EVIDENCE_CELLS = 20;

/** `r1 blue → green progressing, stage 2 of 4 (25 %), held 3m10s of 10m`. */
export function rolloutLine(rollout: Rollout): string {
  return `${rollout.id} ${rollout.from} → ${rollout.to} ${positionText(rollout)}`;
}

/** What a script greps for: the same facts without prose. */
export function rolloutFields(rollout: Rollout): string {
  const { position } = rollout;
  const stage = 'stage' in position ? ` stage=${position.stage + 1}/${rollout.plan.stages.length}` : '';
  const reason = 'reason' in position ? ` reason=${JSON.stringify(position.reason)}` : '';
  const group = rollout.group === undefined ? '' : ` group=${rollout.group.name}`;
  return `rollout=${rollout.id} from=${rollout.from} to=${rollout.to} phase=${position.phase}${stage}${reason}${group}`;
}

/** The whole rollout for a reader: plan with the current stage marked, guards, and what happened so far. */
export function rolloutLines(rollout: Rollout, paint: Paint): string[] {
  const { candidate } = rollout.counts;
  return [
    `${paint('bold', rollout.service)}  ${rolloutLine(rollout)}`,
    ...(rollout.group === undefined
      ? []
      : [`  group ${rollout.group.name}  together with ${others(rollout, rollout.group.services)}`]),
    ...rollout.plan.stages.map((stage, i) => stageLine(rollout, stage, i, paint)),
    `  candidate  ${candidate.trials} requests, ${candidate.errors} failed`,
    ...rollout.guards.map((evidence) => guardLine(evidence, paint)),
    ...rollout.transitions.map((transition) => paint('dim', `  ${transitionLine(transition)}`)),
  ];
}

function others({ service }: Rollout, services: readonly string[]): string {
  return services.filter((other) => other !== service).join(', ');
}

export function phaseFormat(phase: Position['phase']): Parameters<Paint>[0] {
  if (phase === 'promoted') return 'green';
  if (phase === 'rolled_back' || phase === 'returning' || phase === 'failed') return 'red';
  if (phase === 'paused' || phase === 'aborted') return 'yellow';
  return 'cyan';
}

/** Why it ended or paused, for people: the evidence of a rollback, else the reason as recorded; null while it runs. */
export function reasonOf(rollout: Rollout): string | null {
  const { position } = rollout;
  if (!('reason' in position)) return null;
  const [failed] = failing(rollout.transitions.at(-1)?.evidence ?? []);
  const gate = position.phase === 'paused' ? gateReason(rollout) : null;
  return printable(failed?.summary ?? gate ?? REASONS[position.reason] ?? position.reason);
}

/** What the gate at which it waits opens for; null for one that only somebody opens. */
function gateReason(rollout: Rollout): string | null {
  const gate = gateOf(rollout);
  if (gate === null || gate === 'manual' || rollout.position.phase !== 'paused') return null;
  const meanwhile = '`tealgate rollout resume` lets the stage begin all the same';
  if (gate.kind === 'schedule') return `the next stage waits for its window, ${describeWindow(gate)}; ${meanwhile}`;
  const { last = null } = rollout.position.gate ?? {};
  const said = last === null ? 'which has not answered yet' : `which ${last.summary}`;
  return `the next stage waits for ${gate.webhook}, ${said}; ${meanwhile}`;
}

const REASONS: Readonly<Record<string, string>> = {
  operator: 'by an operator',
  gate: 'at a gate; `tealgate rollout resume` goes on, `abort` takes it back',
  inconclusive: 'a guard has no verdict; one that comes decides, `tealgate rollout resume` goes on without',
  no_traffic: 'the candidate got no request',
  deadline: 'it waited longer than its deadline',
  group: 'because of another service of its group',
  switched: 'the old side is kept',
  drained: 'the old side is drained',
  shadowed: 'the copies are done; `tealgate rollout promote` moves all traffic, `tealgate rollout abort` ends it',
};

function positionText(rollout: Rollout): string {
  const { position, plan } = rollout;
  const phase = position.phase.replace('_', ' ');
  if (!('stage' in position)) return `${phase}${waitText(rollout)}`;
  const reason = reasonOf(rollout);
  if (position.phase === 'returning') return `${phase}, ${position.weight} % left: ${reason}`;
  if (reason !== null && position.phase !== 'paused') return `${phase}: ${reason}`;
  const stage = plan.stages[position.stage];
  const before = position.phase === 'paused' && position.unbegun === true ? 'before ' : '';
  const at =
    stage === undefined ? '' : `, ${before}stage ${position.stage + 1} of ${plan.stages.length} (${stage.weight} %)`;
  const held =
    'heldMs' in position && stage !== undefined && stage.holdMs > 0 && before === ''
      ? `, held ${shortDuration(position.heldMs)} of ${shortDuration(stage.holdMs)}`
      : '';
  const requests = before === '' ? stageRequests(rollout) : null;
  const seen = requests === null ? '' : `, ${requests.seen} of ${requests.needed} requests`;
  return `${phase}${at}${held}${seen}${waitText(rollout)}${reason === null ? '' : `: ${reason}`}`;
}

/** How long it goes on as it is, where that has an end. */
function waitText(rollout: Rollout): string {
  const extension = extensionLeftMs(rollout);
  const deadline = deadlineLeftMs(rollout);
  return [
    extension === null ? '' : `, ${shortDuration(extension)} left for a verdict`,
    deadline === null ? '' : `, ${shortDuration(deadline)} to the deadline`,
  ].join('');
}

function stageLine(rollout: Rollout, stage: Rollout['plan']['stages'][number], index: number, paint: Paint): string {
  const needed = stage.minRequests === undefined ? '' : ` and ${stage.minRequests} requests`;
  const gate = stage.gate === undefined ? '' : ', after a gate';
  const guards = stage.guards === undefined ? '' : ', guards of its own';
  const mirror = stage.mirror === undefined ? '' : ` and copies of ${percent(stage.mirror)}`;
  const text = `stage ${index + 1}  ${String(stage.weight).padStart(3)} %${mirror}  ${holdText(stage.holdMs)}${needed}${gate}${guards}`;
  const { position } = rollout;
  const current = 'stage' in position ? position.stage : -1;
  const isAhead = position.phase === 'paused' && position.unbegun === true;
  if (index < current || position.phase === 'promoted') return paint('green', `  ✓ ${text}`);
  if (index === current && !isAhead) return paint(['bold', 'cyan'], `  ▶ ${text}`);
  return `    ${text}`;
}

/** How far the evidence against the candidate has come, one line for each guard that weighs any. */
export function evidenceLines({ guards }: Rollout, paint: Paint): string[] {
  const names = guards.map(({ guard }) => guard.length);
  const width = Math.max(0, ...names);
  return guards.map((evidence) => {
    const { guard, verdict, dryRun } = evidence;
    const text = `    ${guard.padEnd(width)}  ${paint(verdictFormat(verdict), verdict.padEnd(12))}`;
    const observing = dryRun === true ? ', observes only' : '';
    if (!('logE' in evidence)) return `${text}  ${printable(evidence.summary)}${observing}`;
    const share = Math.min(1, Math.max(0, evidence.logE / evidence.logThreshold));
    const format = verdict === 'fail' ? 'red' : share > 0.5 ? 'yellow' : 'green';
    const bound = `evidence ${evidence.logE.toFixed(2)} of ${evidence.logThreshold.toFixed(2)}`;
    return `${text}  ${paint(format, bar(share, EVIDENCE_CELLS))}  ${bound}${observing}`;
  });
}

/** Of the stage of a rollout that runs: how much of its hold is over. */
export function holdLine({ position, plan }: Rollout): string | null {
  if (position.phase !== 'progressing' && position.phase !== 'paused') return null;
  const { holdMs = 0 } = plan.stages[position.stage] ?? {};
  if (holdMs === 0 || (position.phase === 'paused' && position.unbegun === true)) return null;
  const leftMs = Math.max(0, holdMs - position.heldMs);
  const left = leftMs === 0 ? 'the hold is over' : `${shortDuration(leftMs)} left in the stage`;
  return `    ${bar(Math.min(1, position.heldMs / holdMs), EVIDENCE_CELLS)}  ${left}`;
}

function guardLine({ guard, kind, dryRun, verdict, summary }: GuardEvidence, paint: Paint): string {
  const name = guard === kind ? guard : `${guard} (${kind})`;
  return `  ${name}${dryRun === true ? ' (dry run)' : ''}  ${paint(verdictFormat(verdict), verdict)}  ${printable(summary)}`;
}

function transitionLine(transition: Transition): string {
  const { at, from, to, reason, actor } = transition;
  return `${new Date(at).toISOString()}  ${from} → ${to}  ${printable(reason)} (${actor})`;
}

function verdictFormat(verdict: Rollout['guards'][number]['verdict']): Parameters<Paint>[0] {
  if (verdict === 'pass') return 'green';
  return verdict === 'fail' ? 'red' : 'yellow';
}
