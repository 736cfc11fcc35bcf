import type { Counts } from './rollout.ts';

export const NO_COUNTS: Counts = { trials: 0, errors: 0, slow: 0 };

/** `more` on top of `before`; what is negative in it counts as nothing. */
export function addCounts(before: Counts, more: Counts): Counts {
  const trials = before.trials + Math.max(0, more.trials);
  // They are read one after the other from counters that others write: an error may be seen before its trial.
  const within = (a = 0, b = 0): number => Math.min(trials, a + Math.max(0, b));
  return { trials, errors: within(before.errors, more.errors), slow: within(before.slow, more.slow) };
}

export function isNothing({ trials, errors }: Counts): boolean {
  return trials <= 0 && errors <= 0;
}
