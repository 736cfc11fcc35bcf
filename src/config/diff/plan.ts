import { isDeepStrictEqual } from 'node:util';
import type { Guard, RolloutPlan, RolloutPolicies, SmokeRequest, Stage } from '../config.ts';
import { gateText } from '../gate-schema.ts';
import { guardText } from '../guards/plan.ts';
import { formatDuration, formatPercent, formatSize } from '../units.ts';
import { changed } from './lines.ts';

/** What changes of a service's plan for rollouts. */
export function planLines(before: RolloutPlan, after: RolloutPlan): string[] {
  return [
    ...changed('strategy', before.strategy, after.strategy),
    ...changed('stages', stagesText(before), stagesText(after)),
    ...changed('guards', guardsText(before.guards), guardsText(after.guards)),
    ...changed('mirror', mirrorText(before.mirror), mirrorText(after.mirror)),
    ...policyLines(before, after),
    ...smokeLines(before.smoke, after.smoke),
  ];
}

function policyLines(before: RolloutPolicies, after: RolloutPolicies): string[] {
  const time = (ms: number | undefined): string => formatDuration(ms ?? 0);
  const deadline = (ms: number | undefined): string => (ms === undefined ? 'none' : formatDuration(ms));
  return [
    ...changed('on inconclusive', before.onInconclusive ?? 'advance', after.onInconclusive ?? 'advance'),
    ...changed('extend', time(before.extendMs), time(after.extendMs)),
    ...changed('on no traffic', before.onNoTraffic ?? 'advance', after.onNoTraffic ?? 'advance'),
    ...changed('deadline', deadline(before.deadlineMs), deadline(after.deadlineMs)),
    ...changed('on deadline', before.onDeadline ?? 'abort', after.onDeadline ?? 'abort'),
    ...changed('keep warm', time(before.keepWarmMs), time(after.keepWarmMs)),
    ...changed('ramp of a rollback', time(before.rampMs), time(after.rampMs)),
  ];
}

function smokeLines(before: readonly SmokeRequest[], after: readonly SmokeRequest[]): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const [was, is] = [before.map(smokeText).join(', ') || 'none', after.map(smokeText).join(', ') || 'none'];
  return was === is ? ['smoke requests changed'] : changed('smoke requests', was, is);
}

function stagesText({ stages }: RolloutPlan): string {
  return stages
    .map(({ weight, holdMs, mirror, minRequests, gate, extendMs, guards }) => {
      const copies = mirror === undefined ? '' : ` and copies of ${formatPercent(mirror)}`;
      const begun = `${gate === undefined ? '' : `${gateText(gate)}, `}${weight}${copies}`;
      const most = extendMs === undefined ? '' : ` and up to ${formatDuration(extendMs)}`;
      const held = holdMs === 0 && most === '' ? begun : `${begun} for ${formatDuration(holdMs)}${most}`;
      const needed = minRequests === undefined ? held : `${held} and ${minRequests} requests`;
      return guards === undefined ? needed : `${needed} (${ownGuardsText(guards)})`;
    })
    .join(', ');
}

function mirrorText(mirror: RolloutPlan['mirror']): string {
  if (mirror === undefined) return 'default';
  const { methods, requestBytes, compare } = mirror;
  const copied = `${methods.join(', ')} up to ${formatSize(requestBytes)}`;
  if (compare === null) return copied;
  const ignored = compare.ignore.length === 0 ? '' : ` without ${compare.ignore.join(', ')}`;
  const fields = compare.headers.length === 0 ? '' : ` and ${compare.headers.join(', ')}`;
  return `${copied}, bodies up to ${formatSize(compare.bodyBytes)}${fields} compared${ignored}`;
}

function guardsText(guards: readonly Guard[]): string {
  return guards.map(guardText).join(', ') || 'none';
}

/** What a stage says of guards, by name. */
function ownGuardsText(guards: NonNullable<Stage['guards']>): string {
  return guards.map((guard) => (guard.kind === 'none' ? `${guard.name} off` : guardText(guard))).join(', ');
}

function smokeText({ method, path, expect }: SmokeRequest): string {
  return `${method} ${path} (${expect.status})`;
}
