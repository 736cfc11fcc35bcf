import { z } from 'zod';
import type { CollateralGuard } from '../../config/guards/guard.ts';
import { addCounts, NO_COUNTS } from '../counts.ts';
import type { CollateralEvidence, Verdict } from '../evidence.ts';
import type { Counts } from '../rollout.ts';
import type { Share } from '../statistics/block.ts';
import { logEValue, logEValueBelow, logThreshold } from '../statistics/one-rate.ts';
import { percent } from '../statistics.ts';
import { base, judgement, share, shares } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import { countingRule, countsAll } from './rule.ts';
import { shareText } from './versus.ts';

interface CollateralState {
  /** Stable before the rollout; null when nothing is known of it. */
  readonly before: Before | null;
  readonly now: Counts;
}

interface Before extends Share {
  /** The rates that this does not speak against: from `least` to `most`. */
  readonly least: number;
  readonly most: number;
}

/**
 * Holds stable's own error rate against what it was before the rollout. Half of the error budget goes into how far the
 * rate before may have been from what was counted of it, half into the test of the rate now against that.
 */
export const collateral: GuardRule<CollateralGuard, CollateralState, CollateralEvidence> = {
  reason: 'collateral',
  isUrgent: true,
  needsBaseline: true,
  counts: (guard) => (countsAll(guard) ? null : countingRule(guard)),
  begin: () => ({ before: null, now: NO_COUNTS }),
  advance: ({ before, now }, guard, { stable, baseline }) => ({
    before: before ?? (baseline === undefined || baseline.trials === 0 ? null : beforeOf(baseline, thresholdOf(guard))),
    now: addCounts(now, stable),
  }),
  judge(guard, { before, now }) {
    const { ratio, margin, confidence } = guard;
    const threshold = thresholdOf(guard);
    const stable = shareOf(now);
    const common = { ratio, margin, stable, trials: now.trials, confidence, logThreshold: threshold };
    if (before === null) {
      const summary = 'stable had no requests before the rollout to compare with';
      return { ...evidenceOf(guard), before: null, allowed: 1, ...common, logE: 0, verdict: 'inconclusive', summary };
    }
    const { trials, hits, least, most } = before;
    const allowed = Math.min(1, ratio * most + margin);
    const logE = logEValue(now.trials, now.errors, allowed);
    const isBelow = logEValueBelow(now.trials, now.errors, Math.min(1, ratio * least + margin)) >= threshold;
    const verdict: Verdict = logE >= threshold ? 'fail' : isBelow ? 'pass' : 'inconclusive';
    const judged = { before: { trials, hits }, allowed, ...common, logE, verdict };
    return { ...evidenceOf(guard), ...judged, summary: summarise(judged) };
  },
};

export const collateralEvidence = {
  ...base,
  kind: z.literal('collateral'),
  ratio: z.number().min(0).describe('So many times stable\u2019s error rate before is allowed,'),
  margin: share.describe('and so much more.'),
  before: shares.nullable().describe('Stable before the rollout; null when nothing is known.'),
  stable: shares.describe('Stable since.'),
  allowed: share.describe('The rate that it is held against: the highest that fits what was seen before.'),
  ...judgement,
} as const;

function shareOf({ trials, errors }: Counts): Share {
  return { trials, hits: errors };
}

/** Halvings until a rate has all its digits that matter. */
const HALVINGS = 40;

/** Each of the two tests may spend half of the error budget. */
function thresholdOf({ confidence }: CollateralGuard): number {
  return logThreshold(1 - (1 - confidence) / 2);
}

function beforeOf({ trials, errors }: Counts, threshold: number): Before {
  const isTooHigh = (rate: number): boolean => logEValueBelow(trials, errors, rate) >= threshold;
  const isTooLow = (rate: number): boolean => logEValue(trials, errors, rate) >= threshold;
  const observed = errors / trials;
  return {
    trials,
    hits: errors,
    least: edge(observed, 0, isTooLow),
    most: edge(observed, 1, isTooHigh),
  };
}

/** Where, on the way from a rate that is not refused to the end, the refusing begins. */
function edge(from: number, end: number, isRefused: (rate: number) => boolean): number {
  let [fits, refused] = [from, end];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (fits + refused) / 2;
    if (isRefused(middle)) refused = middle;
    else fits = middle;
  }
  return fits;
}

interface Judged {
  readonly before: Share;
  readonly stable: Share;
  readonly allowed: number;
  readonly confidence: number;
  readonly verdict: Verdict;
}

function summarise({ before, stable, allowed, confidence, verdict }: Judged): string {
  if (stable.trials === 0) return `no attempts on stable yet to hold against ${percent(allowed)}`;
  const seen = `stable failed ${shareText(stable)} during the rollout, ${shareText(before)} before`;
  switch (verdict) {
    case 'fail':
      return `${seen}: more than the allowed ${percent(allowed)} with ${percent(confidence)} confidence`;
    case 'pass':
      return `${seen}: no more than is allowed, with ${percent(confidence)} confidence`;
    case 'inconclusive':
      return `${seen}: too few to tell it from the allowed ${percent(allowed)}`;
  }
}
