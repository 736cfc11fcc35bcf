import { z } from 'zod';
import type { BusinessGuard } from '../../config/guards/guard.ts';
import type { BusinessEvidence, Verdict } from '../evidence.ts';
import type { Counts } from '../rollout.ts';
import type { Share } from '../statistics/block.ts';
import { judgeTwoRates } from '../statistics/two-rates.ts';
import { percent } from '../statistics.ts';
import { base, judgement, share, shares } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import { countingRule } from './rule.ts';
import { advanceVersus, beginVersus, shareText, turnVersus, type VersusState } from './versus.ts';

/** Holds the candidate's share of attempts that report an event against that of stable in the same time. */
export const business: GuardRule<BusinessGuard, VersusState, BusinessEvidence> = {
  reason: 'business',
  isUrgent: false,
  goesBy: 'requests',
  counts: (guard) => countingRule(guard, { event: guard.event }),
  begin: ({ minRatio, confidence }) => beginVersus({ ratio: minRatio, margin: 0, confidence }),
  advance: (state, _guard, { candidate, stable, closes }) =>
    advanceVersus(state, { candidate: eventsOf(candidate), stable: eventsOf(stable) }, closes),
  turn: turnVersus,
  judge(guard, { test }) {
    const { event, minRatio, confidence } = guard;
    const { candidate, stable } = test;
    // Here too few speak against the candidate, so the evidence is that of the other side.
    const { logE: logEEnough, logEBelow: logE, logThreshold } = judgeTwoRates(test);
    const verdict: Verdict = logE >= logThreshold ? 'fail' : logEEnough >= logThreshold ? 'pass' : 'inconclusive';
    const judged = { event, minRatio, candidate, stable, verdict };
    const numbers = { trials: candidate.trials, confidence, logE, logThreshold };
    return { ...evidenceOf(guard), ...judged, ...numbers, summary: summarise({ ...judged, confidence }) };
  },
};

export const businessEvidence = {
  ...base,
  kind: z.literal('business'),
  event: z.string(),
  minRatio: share.describe('So much of stable\u2019s share the candidate must have.'),
  candidate: shares,
  stable: shares,
  ...judgement,
} as const;

function eventsOf({ trials, events = 0 }: Counts): Share {
  return { trials, hits: events };
}

interface Judged {
  readonly event: string;
  readonly minRatio: number;
  readonly candidate: Share;
  readonly stable: Share;
  readonly confidence: number;
  readonly verdict: Verdict;
}

function summarise({ event, minRatio, candidate, stable, confidence, verdict }: Judged): string {
  if (candidate.trials === 0 || stable.trials === 0) return 'no attempts on both sides yet to compare';
  const seen = `${event} was reported by ${shareText(candidate)} on the candidate, ${shareText(stable)} on stable`;
  const wanted = `${percent(minRatio)} of stable\u2019s share`;
  switch (verdict) {
    case 'fail':
      return `${seen}: less than ${wanted} with ${percent(confidence)} confidence`;
    case 'pass':
      return `${seen}: more than ${wanted} with ${percent(confidence)} confidence`;
    case 'inconclusive':
      return `${seen}: too few to tell it from ${wanted}`;
  }
}
