import { z } from 'zod';
import type { RelativeErrorRateGuard } from '../../config/guards/guard.ts';
import type { RelativeErrorRateEvidence } from '../evidence.ts';
import type { Counts } from '../rollout.ts';
import type { Share } from '../statistics/block.ts';
import { errorRate } from './error-rate.ts';
import { base, judgement } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import { countingRule, countsAll } from './rule.ts';
import {
  advanceVersus,
  beginVersus,
  turnVersus,
  type VersusState,
  versusEvidence,
  versusShape,
  versusSummary,
} from './versus.ts';

/** Holds the candidate's share of failed attempts against that of stable in the same time. */
export const errorRateVersus: GuardRule<RelativeErrorRateGuard, VersusState, RelativeErrorRateEvidence> = {
  reason: errorRate.reason,
  isUrgent: errorRate.isUrgent,
  counts: (guard) => (countsAll(guard) ? null : countingRule(guard)),
  begin: beginVersus,
  advance: (state, _guard, { candidate, stable, closes }) =>
    advanceVersus(state, { candidate: errorsOf(candidate), stable: errorsOf(stable) }, closes),
  turn: turnVersus,
  judge(guard, state) {
    const judged = versusEvidence(state, guard);
    return { ...evidenceOf(guard), ...judged, summary: versusSummary(judged, 'failed') };
  },
};

export const errorRateVersusEvidence = {
  ...base,
  kind: z.literal('errorRate'),
  ...versusShape,
  ...judgement,
} as const;

function errorsOf({ trials, errors }: Counts): Share {
  return { trials, hits: errors };
}
