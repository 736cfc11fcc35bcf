import type { RolloutPlan } from '../../src/config/config.ts';
import { createRollout } from '../../src/rollout/create.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import type { Counts, Rollout } from '../../src/rollout/rollout.ts';

/** When all of it happens, ms since the Unix epoch. */
export const AT = 1_700_000_000_000;
export const NONE: Counts = { trials: 0, errors: 0 };

export const start: RolloutEvent = { type: 'start' };
export const smokePassed: RolloutEvent = { type: 'smoke_passed', results: [] };

/** An operator's call. */
export function call(type: 'promote' | 'abort' | 'pause' | 'resume' | 'retry'): RolloutEvent {
  return { type, actor: 'ci' };
}

/** A look. What a latency guard goes by is counted in a slot of its own. */
export function tick(elapsedMs: number, candidate: Counts = NONE, stable: Counts = NONE): RolloutEvent {
  const slots = candidate.slow === undefined ? {} : { slots: [{ candidate, stable }] };
  return { type: 'tick', elapsedMs, candidate, stable, ...slots };
}

/** The shop from blue to green; nothing has happened yet. */
export function pending(plan: RolloutPlan): Rollout {
  return createRollout({ service: 'shop', from: 'blue', to: 'green', plan, actor: 'ci', at: AT, taken: [] });
}

/** What becomes of a rollout that is told these events. */
export function given(events: readonly RolloutEvent[], from: Rollout): Rollout {
  return events.reduce((state, event) => transition(state, event, AT).rollout, from);
}
