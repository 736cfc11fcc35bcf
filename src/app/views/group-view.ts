import type { Rollout } from '../../rollout/rollout.ts';
import type { GroupView } from '../control-plane.ts';
import type { Core } from '../core.ts';
import type { DesiredService } from '../desired.ts';

/** The rollouts of one release of a group, in the order of their services. */
export interface GroupRollouts {
  readonly services: readonly string[];
  readonly rollouts: readonly Rollout[];
}

/** The newest release of a group among what its services keep; null when there was none, or it is forgotten in part. */
export function groupRollouts(group: string, desired: readonly DesiredService[]): GroupRollouts | null {
  const all = desired.flatMap(({ rollouts }) => rollouts).filter((rollout) => rollout.group?.name === group);
  const newest = all.reduce<Rollout | null>(
    (best, rollout) => (best === null || rollout.startedAt > best.startedAt ? rollout : best),
    null,
  );
  if (newest?.group === undefined) return null;
  const { id, services } = newest.group;
  const rollouts = services.flatMap((service) => all.find((r) => r.group?.id === id && r.service === service) ?? []);
  return rollouts.length === services.length ? { services, rollouts } : null;
}

export function groupView(core: Core, name: string, services: readonly string[]): GroupView {
  const states = services.map((service) => core.service(service));
  const found = groupRollouts(
    name,
    states.map(({ desired }) => desired),
  );
  return { name, services, rollouts: found?.rollouts ?? [] };
}
