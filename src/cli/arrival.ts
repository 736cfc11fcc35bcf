import type { Rollout } from '../rollout/rollout.ts';

/** Whether a rollout is at the goal, or has been since the first reading: some phases are over between two readings. */
export function arrival(goal: string): (rollout: Rollout) => boolean {
  let first: { readonly id: string; readonly transitions: number } | null = null;
  return ({ id, position, transitions }) => {
    first ??= { id, transitions: transitions.length };
    const since = id === first.id ? transitions.slice(first.transitions) : transitions;
    return position.phase === goal || since.some(({ to }) => to === goal);
  };
}
