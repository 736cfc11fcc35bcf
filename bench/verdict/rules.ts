import { failThreshold, lastTrials } from '../../src/rollout/statistics/boundary.ts';
import { logEValueOf } from '../../src/rollout/statistics/one-rate.ts';
import type { Timeline } from './timeline.ts';

/** How something decides to roll back. */
export interface Rule {
  readonly id: string;
  readonly title: string;
  /** At which request of the candidate, given at which its errors were (ascending, from 1); null for never. */
  tripsAt(errors: ArrayLike<number>, count: number, timeline: Timeline): number | null;
}

/** Errors after which a simulated rollout is not followed any further. */
const MOST_ERRORS = 8000;
/** As in the examples of Flagger's documentation: `threshold: 5`, `interval: 1m`. */
const FLAGGER_THRESHOLD = 5;
/** As in the examples of Argo Rollouts' documentation; the default is 0. */
const ARGO_FAILURE_LIMIT = 3;

export interface Bound {
  readonly max: number;
  readonly confidence: number;
}

/** Everything that is compared, ours first. */
export function rulesFor(bound: Bound): readonly Rule[] {
  const failedChecks = (id: string, title: string, most: number): Rule => ({
    id,
    title,
    tripsAt: (errors, count, timeline) => polls(errors, count, { timeline, max: bound.max, most }),
  });
  return [
    sequential(bound),
    failedChecks('threshold', 'bare threshold, 60 s window', 1),
    failedChecks('flagger', `Flagger's loop: 1 min, threshold ${FLAGGER_THRESHOLD}`, FLAGGER_THRESHOLD),
    failedChecks('argo', `Argo's loop: 1 min, failureLimit ${ARGO_FAILURE_LIMIT}`, ARGO_FAILURE_LIMIT + 1),
  ];
}

/** The guard as it decides: the same boundary, looked up instead of computed anew after every request. */
export function sequential({ max, confidence }: Bound): Rule {
  const last = lastTrials(logEValueOf(max), failThreshold(max, confidence), MOST_ERRORS);
  return {
    id: 'tealgate',
    title: 'Tealgate',
    tripsAt(errors, count) {
      for (let i = 0; i < count && i < MOST_ERRORS; i++)
        if ((errors[i] ?? 0) <= (last[i] ?? 0)) return errors[i] ?? null;
      return null;
    },
  };
}

interface Polling {
  readonly timeline: Timeline;
  readonly max: number;
  /** Failed checks, added up, that end the rollout. */
  readonly most: number;
}

/** A look at the share of errors at the end of each window; those that fail add up. */
function polls(errors: ArrayLike<number>, count: number, { timeline, max, most }: Polling): number | null {
  let seen = 0;
  let begin = 0;
  let failed = 0;
  for (const end of timeline.windowEnds) {
    const before = seen;
    while (seen < count && (errors[seen] ?? 0) <= end) seen++;
    if (end > begin && (seen - before) / (end - begin) > max && ++failed >= most) return end;
    begin = end;
  }
  return null;
}
