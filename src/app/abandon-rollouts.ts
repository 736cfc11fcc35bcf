import type { Config } from '../config/config.ts';
import type { RolloutChange } from '../rollout/journal.ts';
import { seeThrough, stopAtOnce } from '../rollout/operate.ts';
import type { RolloutUpdate } from '../rollout/ports.ts';
import type { Phase, Rollout } from '../rollout/rollout.ts';
import type { NewEvent } from '../store/store.ts';
import { desiredService, effectiveService, own, withService } from './desired/effective.ts';
import { newestRollout, runningRollout } from './desired/rollouts.ts';
import type { DesiredState } from './desired.ts';
import { proposeUpdate } from './rollout-proposal.ts';

/** From here on a rollout ends by itself, with or without its old side; but not without the new one. */
const DECIDED: ReadonlySet<Phase> = new Set(['promoting', 'draining']);

/** Both sides are there, and of those that it goes together with, too. */
function isWhole(rollout: Rollout, config: Config, desired: DesiredState): boolean {
  const { group } = rollout;
  if (group === undefined) return hasSides(rollout, config);
  return (
    own(config.groups, group.name) !== undefined &&
    group.services.every((service) => {
      const member = newestRollout(desiredService(desired, service));
      return member?.group?.id === group.id && hasSides(member, config);
    })
  );
}

function hasSides({ service, from, to }: Rollout, { services }: Config): boolean {
  const upstreams = own(services, service)?.upstreams ?? {};
  return [from, to].every((side) => own(upstreams, side) !== undefined);
}

/** What ends a rollout for want of a side, by steps; nothing for one that goes on. */
function endOf(rollout: Rollout, config: Config, desired: DesiredState, at: number): readonly RolloutUpdate[] {
  if (!DECIDED.has(rollout.position.phase)) {
    return isWhole(rollout, config, desired) ? [] : [stopAtOnce(rollout, 'config', at)];
  }
  const { upstreams } = own(config.services, rollout.service) ?? { upstreams: {} };
  return own(upstreams, rollout.to) === undefined ? seeThrough(rollout, at) : [];
}

/**
 * Ends rollouts one of whose sides left the file while the process was down: there is nothing to go on with, and the
 * gate must start all the same. (While it runs, such a file is refused.) To be reconciled with the file afterwards.
 *
 * @param services those that are looked at; default all of the file
 */
export function abandonRollouts(
  desired: DesiredState,
  config: Config,
  at: number,
  services: readonly string[] = Object.keys(config.services),
): {
  readonly desired: DesiredState;
  readonly events: readonly NewEvent[];
  readonly journal: readonly RolloutChange[];
} {
  let next = desired;
  const events: NewEvent[] = [];
  const journal: RolloutChange[] = [];
  for (const name of services) {
    const service = own(config.services, name);
    if (service === undefined) continue;
    const rollout = runningRollout(desiredService(next, name));
    for (const update of rollout === null ? [] : endOf(rollout, config, desired, at)) {
      const before = desiredService(next, name);
      const state = { name, config: service, desired: before, effective: effectiveService(service, before) };
      const ended = proposeUpdate(state, update, at);
      next = withService(next, name, ended.desired);
      events.push(...(ended.events ?? []).map((event) => ({ actor: 'config', ...event, service: name, at })));
      journal.push(...(ended.journal ?? []));
    }
  }
  return { desired: next, events, journal };
}
