import { z } from 'zod';
import type { AbsoluteLatencyGuard } from '../../config/guards/guard.ts';
import { addCounts, NO_COUNTS } from '../counts.ts';
import type { LatencyEvidence } from '../evidence.ts';
import type { Counts } from '../rollout.ts';
import { latencyVerdict } from '../statistics.ts';
import { base, count, judgement, share } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import { countingRule } from './rule.ts';

/** Holds the candidate's share of slow attempts against what the quantile leaves, over all that it saw while in force. */
export const latency: GuardRule<AbsoluteLatencyGuard, Counts, LatencyEvidence> = {
  reason: 'latency',
  isUrgent: false,
  goesBy: 'requests',
  counts: (guard) => countingRule(guard, { slowMs: guard.maxMs }),
  begin: () => NO_COUNTS,
  advance: (seen, _guard, { candidate }) => addCounts(seen, candidate),
  judge(guard, seen) {
    const { quantile, maxMs } = guard;
    const { summary, ...judged } = latencyVerdict(seen, guard);
    return { ...evidenceOf(guard), slow: seen.slow ?? 0, quantile, maxMs, ...judged, summary };
  },
};

export const latencyEvidence = {
  ...base,
  kind: z.literal('latency'),
  slow: count.describe('Attempts that took longer than maxMs.'),
  quantile: share.describe('The share of attempts that must be within maxMs.'),
  maxMs: z.number().min(0),
  ...judgement,
} as const;
