import { printable } from '../../config/problem.ts';
import { describeWindow } from '../../platform/schedule-window.ts';
import { gateOf } from '../../rollout/gate.ts';
import {
  type GuardEvidence,
  type Position,
  type Rollout,
  stageRequests,
  type Transition,
} from '../../rollout/rollout.ts';
import type { Paint } from '../style.ts';
import { percent, shortDuration } from './numbers.ts';

/** `r1 blue → green progressing, stage 2 of 4 (25 %), held 3m10s of 10m`. */
export function rolloutLine(rollout: Rollout): string {
  return `${rollout.id} ${rollout.from} → ${rollout.to} ${positionText(rollout)}`;
}

/** What a script greps for: the same facts without prose. */
export function rolloutFields(rollout: Rollout): string {
  const { position } = rollout;
  const stage = 'stage' in position ? ` stage=${position.stage + 1}/${rollout.plan.stages.length}` : '';
  const reason = 'reason' in position ? ` reason=${JSON.stringify(position.reason)}` : '';
  return `rollout=${rollout.id} from=${rollout.from} to=${rollout.to} phase=${position.phase}${stage}${reason}`;
}

/** The whole rollout for a reader: plan with the current stage marked, guards, and what happened so far. */
export function rolloutLines(rollout: Rollout, paint: Paint): string[] {
  const { candidate } = rollout.counts;
  return [
    `${paint('bold', rollout.service)}  ${rolloutLine(rollout)}`,
    ...rollout.plan.stages.map((stage, i) => stageLine(rollout, stage, i, paint)),
    `  candidate  ${candidate.trials} requests, ${candidate.errors} failed`,
    ...rollout.guards.map((evidence) => guardLine(evidence, paint)),
    ...rollout.transitions.map((transition) => paint('dim', `  ${transitionLine(transition)}`)),
  ];
}

export function phaseFormat(phase: Position['phase']): Parameters<Paint>[0] {
  if (phase === 'promoted') return 'green';
  if (phase === 'rolled_back' || phase === 'failed') return 'red';
  if (phase === 'paused' || phase === 'aborted') return 'yellow';
  return 'cyan';
}

/** Why it ended or paused, for people: the evidence of a rollback, else the reason as recorded; null while it runs. */
export function reasonOf(rollout: Rollout): string | null {
  const { position } = rollout;
  if (!('reason' in position)) return null;
  const failed = rollout.transitions.at(-1)?.evidence.find(({ verdict }) => verdict === 'fail');
  const gate = position.phase === 'paused' ? gateReason(rollout) : null;
  return printable(failed?.summary ?? gate ?? REASONS[position.reason] ?? position.reason);
}

/** What the gate at which it waits opens for; null for one that only somebody opens. */
function gateReason(rollout: Rollout): string | null {
  const gate = gateOf(rollout);
  if (gate === null || gate === 'manual' || rollout.position.phase !== 'paused') return null;
  const meanwhile = '`tealgate resume` lets the stage begin all the same';
  if (gate.kind === 'schedule') return `the next stage waits for its window, ${describeWindow(gate)}; ${meanwhile}`;
  const { last = null } = rollout.position.gate ?? {};
  const said = last === null ? 'which has not answered yet' : `which ${last.summary}`;
  return `the next stage waits for ${gate.webhook}, ${said}; ${meanwhile}`;
}

const REASONS: Readonly<Record<string, string>> = {
  operator: 'by an operator',
  gate: 'the next stage has a gate; `tealgate resume` lets it begin, `tealgate abort` takes it back',
  drained: 'the old side is drained',
  shadowed: 'the copies are done; `tealgate promote` moves all traffic, `tealgate abort` ends it',
};

function positionText(rollout: Rollout): string {
  const { position, plan } = rollout;
  const phase = position.phase.replace('_', ' ');
  if (!('stage' in position)) return phase;
  const reason = reasonOf(rollout);
  if (reason !== null && position.phase !== 'paused') return `${phase}: ${reason}`;
  const stage = plan.stages[position.stage];
  const at = stage === undefined ? '' : `, stage ${position.stage + 1} of ${plan.stages.length} (${stage.weight} %)`;
  const held =
    'heldMs' in position && stage !== undefined
      ? `, held ${shortDuration(position.heldMs)} of ${shortDuration(stage.holdMs)}`
      : '';
  const requests = stageRequests(rollout);
  const seen = requests === null ? '' : `, ${requests.seen} of ${requests.needed} requests`;
  return `${phase}${at}${held}${seen}${reason === null ? '' : `: ${reason}`}`;
}

function stageLine(rollout: Rollout, stage: Rollout['plan']['stages'][number], index: number, paint: Paint): string {
  const needed = stage.minRequests === undefined ? '' : ` and ${stage.minRequests} requests`;
  const gate = stage.gate === undefined ? '' : ', after a gate';
  const guards = stage.guards === undefined ? '' : ', guards of its own';
  const mirror = stage.mirror === undefined ? '' : ` and copies of ${percent(stage.mirror)}`;
  const text = `stage ${index + 1}  ${String(stage.weight).padStart(3)} %${mirror}  hold ${shortDuration(stage.holdMs)}${needed}${gate}${guards}`;
  const { position } = rollout;
  const current = 'stage' in position ? position.stage : -1;
  if (index < current || position.phase === 'promoted') return paint('green', `  ✓ ${text}`);
  if (index === current) return paint(['bold', 'cyan'], `  ▶ ${text}`);
  return `    ${text}`;
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
