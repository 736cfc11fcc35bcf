import { z } from 'zod';
import type { AbsoluteErrorRateGuard } from '../../config/guards/guard.ts';
import { addCounts, NO_COUNTS } from '../counts.ts';
import type { ErrorRateEvidence } from '../evidence.ts';
import type { Counts } from '../rollout.ts';
import { errorRateVerdict } from '../statistics.ts';
import { base, count, judgement, share } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import { countingRule, countsAll } from './rule.ts';

/** Holds the candidate's share of failed attempts against a bound, over all that it saw while in force. */
export const errorRate: GuardRule<AbsoluteErrorRateGuard, Counts, ErrorRateEvidence> = {
  reason: 'error_rate',
  isUrgent: true,
  goesBy: 'requests',
  counts: (guard) => (countsAll(guard) ? null : countingRule(guard)),
  begin: () => NO_COUNTS,
  advance: (seen, _guard, { candidate }) => addCounts(seen, candidate),
  judge(guard, seen) {
    const { summary, ...judged } = errorRateVerdict(seen, guard);
    return { ...evidenceOf(guard), errors: seen.errors, max: guard.max, ...judged, summary };
  },
};

export const errorRateEvidence = {
  ...base,
  kind: z.literal('errorRate'),
  errors: count,
  max: share.describe('The allowed rate.'),
  ...judgement,
} as const;
