import type { Counts, Sides } from './rollout.ts';

export const NO_COUNTS: Counts = { trials: 0, errors: 0 };
export const NO_SIDES: Sides = { candidate: NO_COUNTS, stable: NO_COUNTS };

type Buckets = NonNullable<Counts['buckets']>;

/** `more` on top of `before`; what is negative in it counts as nothing. */
export function addCounts(before: Counts, more: Counts): Counts {
  const trials = before.trials + Math.max(0, more.trials);
  // They are read one after the other from counters that others write: an error may be seen before its trial.
  const within = (a = 0, b = 0): number => Math.min(trials, a + Math.max(0, b));
  const { slow, events, buckets } = plus(before, more);
  return {
    trials,
    errors: within(before.errors, more.errors),
    ...(slow === undefined ? {} : { slow: within(before.slow, more.slow) }),
    ...(events === undefined ? {} : { events: within(before.events, more.events) }),
    ...(buckets === undefined ? {} : { buckets }),
  };
}

export function addSides(before: Sides, more: Sides): Sides {
  return { candidate: addCounts(before.candidate, more.candidate), stable: addCounts(before.stable, more.stable) };
}

/** The sum as it is, whatever the signs; what neither side has is left out. */
export function plus(a: Counts, b: Counts): Counts {
  return combine(a, b, 1);
}

export function minus(a: Counts, b: Counts): Counts {
  return combine(a, b, -1);
}

export function isNothing({ trials, errors, events = 0 }: Counts): boolean {
  return trials <= 0 && errors <= 0 && events <= 0;
}

function combine(a: Counts, b: Counts, sign: 1 | -1): Counts {
  const buckets = combineBuckets(a.buckets, b.buckets, sign);
  return {
    trials: a.trials + sign * b.trials,
    errors: a.errors + sign * b.errors,
    ...(a.slow === undefined && b.slow === undefined ? {} : { slow: (a.slow ?? 0) + sign * (b.slow ?? 0) }),
    ...(a.events === undefined && b.events === undefined ? {} : { events: (a.events ?? 0) + sign * (b.events ?? 0) }),
    ...(buckets === undefined ? {} : { buckets }),
  };
}

/** Buckets of nothing are left out. */
function combineBuckets(a: Buckets | undefined, b: Buckets | undefined, sign: 1 | -1): Buckets | undefined {
  if (a === undefined && b === undefined) return undefined;
  const sum: Record<string, number> = { ...a };
  for (const [bucket, count] of Object.entries(b ?? {})) {
    const total = (sum[bucket] ?? 0) + sign * count;
    if (total === 0) delete sum[bucket];
    else sum[bucket] = total;
  }
  return sum;
}
