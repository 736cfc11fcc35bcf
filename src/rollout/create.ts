import type { RolloutPlan } from '../config/config.ts';
import { TealgateError } from '../platform/errors.ts';
import { NO_COUNTS } from './counts.ts';
import type { RolloutUpdate } from './ports.ts';
import type { Rollout, RolloutGroup } from './rollout.ts';

export interface NewRollout {
  readonly service: string;
  /** The stable upstream. */
  readonly from: string;
  /** The candidate. */
  readonly to: string;
  readonly plan: RolloutPlan;
  readonly actor: string;
  /** ms since the Unix epoch. */
  readonly at: number;
  /** Ids of rollouts that the store knows; the new one differs from all of them. */
  readonly taken: readonly string[];
  readonly group?: RolloutGroup;
}

/**
 * A rollout that has not begun: `pending`, with nothing moved. Once it is stored, the runner takes it from there.
 * Throws `conflict` when the candidate is the stable upstream already.
 */
export function createRollout({ service, from, to, plan, actor, at, taken, group }: NewRollout): Rollout {
  if (from === to) {
    throw new TealgateError('conflict', `${to} is already the stable upstream of ${service}`, {
      details: { service, to },
    });
  }
  return {
    id: newId(at, taken),
    service,
    from,
    to,
    plan,
    actor,
    startedAt: at,
    position: { phase: 'pending' },
    counts: { candidate: NO_COUNTS, stable: NO_COUNTS },
    guards: [],
    guardStates: {},
    transitions: [],
    ...(group === undefined ? {} : { group }),
  };
}

/** The update that stores a new rollout in front of those before it, with its `rollout.created` event. */
export function created(rollout: Rollout): RolloutUpdate {
  const { id, from, to, actor, plan, group } = rollout;
  const data = {
    rollout: id,
    from,
    to,
    strategy: plan.strategy,
    ...(group === undefined ? {} : { group: group.name }),
  };
  return {
    rollout,
    changes: [],
    events: [{ type: 'rollout.created', actor, data }],
  };
}

/** The counter keeps ids apart within a millisecond, and when the clock was set back. */
function newId(at: number, taken: readonly string[]): string {
  for (let counter = 0; ; counter++) {
    const id = `r${Math.trunc(at).toString(36)}${counter === 0 ? '' : `-${counter.toString(36)}`}`;
    if (!taken.includes(id)) return id;
  }
}
