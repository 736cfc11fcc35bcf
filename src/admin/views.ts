import type { Applied, GroupView, ServiceView } from '../app/control-plane.ts';
import { ENDED, type Rollout } from '../rollout/rollout.ts';
import { extensionLeftMs } from '../rollout/stage-end.ts';
import { leading } from '../rollout/together.ts';
import { deadlineLeftMs } from '../rollout/waiting.ts';

/** An applied command with what is asked for most at the top. */
export function appliedView({ version, service }: Applied) {
  return { version, weights: weightsOf(service), stable: service.stable, service };
}

/** A rollout with where it is at the top; see `rolloutAnswer`. */
export function rolloutView(rollout: Rollout) {
  const { position } = rollout;
  return {
    ...rollout,
    phase: position.phase,
    stage: 'stage' in position ? position.stage : null,
    reason: reasonOf(rollout),
    remainingHoldMs: remainingHoldMs(rollout),
    extensionLeftMs: extensionLeftMs(rollout),
    deadlineLeftMs: deadlineLeftMs(rollout),
  };
}

/** A group with its newest rollout; see `groupAnswer`. */
export function groupView(view: GroupView) {
  return { name: view.name, services: view.services, rollout: groupRolloutView(view) };
}

/** The newest rollout of a group with where it is as a whole; null before the first. */
export function groupRolloutView({ name, rollouts }: GroupView) {
  const lead = leading(rollouts);
  if (lead?.group === undefined) return null;
  return {
    id: lead.group.id,
    group: name,
    actor: lead.actor,
    startedAt: lead.startedAt,
    phase: lead.position.phase,
    stage: 'stage' in lead.position ? lead.position.stage : null,
    reason: reasonOf(lead),
    decidedBy: lead.service,
    rollouts: Object.fromEntries(rollouts.map((rollout) => [rollout.service, rolloutView(rollout)])),
  };
}

export function weightsOf(service: ServiceView): Record<string, number> {
  return Object.fromEntries(Object.values(service.upstreams).map(({ name, weight }) => [name, weight]));
}

/** Of the current stage; null where no stage is held. */
export function remainingHoldMs({ position, plan }: Rollout): number | null {
  if (position.phase !== 'progressing' && position.phase !== 'paused') return null;
  return Math.max(0, (plan.stages[position.stage]?.holdMs ?? 0) - position.heldMs);
}

/** Why the rollout is where it is: of a pause or an end its own, else that of the last transition. */
export function reasonOf({ position, transitions }: Rollout): string | null {
  return 'reason' in position ? position.reason : (transitions.at(-1)?.reason ?? null);
}

export function isRunning(rollout: Rollout | null): rollout is Rollout {
  return rollout !== null && !ENDED.has(rollout.position.phase);
}
