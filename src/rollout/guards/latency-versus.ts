import { z } from 'zod';
import type { RelativeLatencyGuard } from '../../config/guards/guard.ts';
import { bucketUpperUs } from '../../traffic/latency.ts';
import { LATENCY_BUCKETS } from '../../traffic/ledger.ts';
import { addCounts, NO_COUNTS, NO_SIDES } from '../counts.ts';
import type { RelativeLatencyEvidence } from '../evidence.ts';
import type { Counts, Sides } from '../rollout.ts';
import type { Window } from '../statistics/block.ts';
import { quantileBucket, shareBeyond } from '../statistics/quantile.ts';
import { base, judgement, share } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import { latency } from './latency.ts';
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

interface LatencyState extends VersusState {
  /** Of the stretch of time that has not ended. */
  readonly latencies: Sides;
  /** Stable's in the stretches before, older ones forgotten by and by. */
  readonly before: Counts;
  /** Bucket of stable's quantile in `before`; null until that has seen enough. */
  readonly bound: number | null;
}

/** So many of stable's requests beyond the quantile make it worth comparing with. */
const ENOUGH_BEYOND = 3;
/** Stable's requests after which the older half is forgotten, as a multiple of what is enough. */
const FORGET_AFTER = 20;

/**
 * Holds the candidate's share of attempts slower than stable's quantile against stable's own. The bound that tells slow
 * from fast comes from the stretches before, so that it is chosen when the bet is made.
 */
export const latencyVersus: GuardRule<RelativeLatencyGuard, LatencyState, RelativeLatencyEvidence> = {
  reason: latency.reason,
  isUrgent: latency.isUrgent,
  counts: (guard) => countingRule(guard, { timed: true }),
  begin: (guard) => ({ ...beginVersus(guard), latencies: NO_SIDES, before: NO_COUNTS, bound: null }),
  advance(state, guard, { candidate, stable, closes }) {
    const latencies = {
      candidate: addCounts(state.latencies.candidate, candidate),
      stable: addCounts(state.latencies.stable, stable),
    };
    const seen = { ...state, latencies };
    return closes ? close(seen, guard) : seen;
  },
  turn: close,
  judge(guard, state) {
    const { quantile } = guard;
    const boundMs = state.bound === null ? null : bucketUpperUs(state.bound) / 1000;
    const judged = versusEvidence(state, guard);
    const what = boundMs === null ? 'were slower' : `took longer than about ${Number(boundMs.toPrecision(3))} ms`;
    return { ...evidenceOf(guard), quantile, boundMs, ...judged, summary: versusSummary(judged, what) };
  },
};

export const latencyVersusEvidence = {
  ...base,
  kind: z.literal('latency'),
  quantile: share.describe('Whose time of stable tells slow attempts from others.'),
  boundMs: z.number().nullable().describe('That time as last seen; null until stable has had enough requests.'),
  ...versusShape,
  ...judgement,
} as const;

/** A stretch ends: what was seen in it is compared by the bound from before it, and then makes the next one. */
function close(state: LatencyState, guard: RelativeLatencyGuard): LatencyState {
  const { latencies, bound } = state;
  const compared = bound === null ? turnVersus(state) : advanceVersus(state, sharesBeyond(latencies, bound), true);
  const before = remember(state.before, latencies.stable, guard.quantile);
  const isEnough = before.trials * (1 - guard.quantile) >= ENOUGH_BEYOND;
  return {
    ...compared,
    latencies: NO_SIDES,
    before,
    bound: isEnough ? quantileBucket(dense(before), guard.quantile) : bound,
  };
}

function sharesBeyond({ candidate, stable }: Sides, bound: number): Window {
  return { candidate: shareBeyond(dense(candidate), bound), stable: shareBeyond(dense(stable), bound) };
}

function remember(before: Counts, seen: Counts, quantile: number): Counts {
  const all = addCounts(before, seen);
  return all.trials * (1 - quantile) > ENOUGH_BEYOND * FORGET_AFTER ? halved(all) : all;
}

function halved({ buckets = {} }: Counts): Counts {
  const half = Object.entries(buckets).flatMap(([bucket, count]): [string, number][] =>
    count > 1 ? [[bucket, Math.floor(count / 2)]] : [],
  );
  const trials = half.reduce((sum, [, count]) => sum + count, 0);
  return { trials, errors: 0, buckets: Object.fromEntries(half) };
}

function dense({ buckets = {} }: Counts): Float64Array {
  const counts = new Float64Array(LATENCY_BUCKETS);
  for (const [bucket, count] of Object.entries(buckets)) counts[Number(bucket)] = count;
  return counts;
}
