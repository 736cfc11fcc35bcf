import { ENDED, type Rollout, type RolloutGroup } from '../../rollout/rollout.ts';
import type { GroupView } from '../control-plane.ts';
import type { Core } from '../core.ts';
import { desiredService } from '../desired/effective.ts';
import type { DesiredService } from '../desired.ts';

/** The rollouts of one release of a group, in the order of their services. */
export interface GroupRollouts {
  readonly services: readonly string[];
  readonly rollouts: readonly Rollout[];
}

/**
 * The newest release of a group among what services keep; null when there was none, or it is forgotten in part. It has the
 * services that the group had when it began.
 */
export function groupRollouts(group: string, desired: readonly DesiredService[]): GroupRollouts | null {
  const newest = desired.flatMap(({ rollouts }): Member[] => {
    const rollout = rollouts.find((one) => one.group?.name === group);
    return rollout?.group === undefined ? [] : [{ rollout, of: rollout.group }];
  });
  const membersOf = ({ id, services }: RolloutGroup): readonly Member[] =>
    newest.filter(({ rollout, of }) => services.includes(rollout.service) && of.id === id);
  // By what came after it in any of its services, and not by the time alone: clocks are set back.
  const latest = newest
    .filter(({ of }) => newest.every((other) => other.of.id === of.id || !of.services.includes(other.rollout.service)))
    .toSorted((a, b) => Number(isRunning(b)) - Number(isRunning(a)) || b.rollout.startedAt - a.rollout.startedAt)[0];
  if (latest === undefined) return null;
  const { services } = latest.of;
  const members = membersOf(latest.of);
  const rollouts = services.flatMap(
    (service) => members.find(({ rollout }) => rollout.service === service)?.rollout ?? [],
  );
  return rollouts.length === services.length ? { services, rollouts } : null;
}

interface Member {
  readonly rollout: Rollout;
  readonly of: RolloutGroup;
}

function isRunning({ rollout }: Member): boolean {
  return !ENDED.has(rollout.position.phase);
}

/** The newest release of a group among those of all services. */
export function newestGroupRollouts(core: Core, group: string): GroupRollouts | null {
  const { config, desired } = core.current();
  return groupRollouts(
    group,
    Object.keys(config.services).map((name) => desiredService(desired, name)),
  );
}

export function groupView(core: Core, name: string, services: readonly string[]): GroupView {
  return { name, services, rollouts: newestGroupRollouts(core, name)?.rollouts ?? [] };
}
