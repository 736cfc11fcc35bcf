import { z } from 'zod';
import type { CompareGuard } from '../../config/guards/guard.ts';
import type { CompareEvidence } from '../evidence.ts';
import type { Counts } from '../rollout.ts';
import type { Share } from '../statistics/block.ts';
import { base, judgement } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import { countingRule } from './rule.ts';
import {
  advanceVersus,
  beginVersus,
  turnVersus,
  type VersusState,
  versusEvidence,
  versusShape,
  versusSummary,
} from './versus.ts';

/**
 * Holds the share of copies that the candidate answers otherwise than the client was answered against the share in which
 * stable, asked once more, differs from itself: times, random order and what else is noise speaks against nobody.
 */
export const compare: GuardRule<CompareGuard, VersusState, CompareEvidence> = {
  reason: 'compare',
  isUrgent: false,
  goesBy: 'copies',
  counts: () => ({ ...countingRule({}), copies: true }),
  begin: beginVersus,
  advance: (state, _guard, { candidate, stable, closes }) =>
    advanceVersus(state, { candidate: differencesOf(candidate), stable: differencesOf(stable) }, closes),
  turn: turnVersus,
  judge(guard, state) {
    const judged = versusEvidence(state, guard);
    return { ...evidenceOf(guard), ...judged, summary: versusSummary(judged, 'differed') };
  },
};

export const compareEvidence = { ...base, kind: z.literal('compare'), ...versusShape, ...judgement } as const;

function differencesOf({ trials, errors }: Counts): Share {
  return { trials, hits: errors };
}
