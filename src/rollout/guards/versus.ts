import { z } from 'zod';
import type { VersusStable } from '../../config/guards/guard.ts';
import type { Judgement, Verdict, VersusEvidence } from '../evidence.ts';
import type { Share, Window } from '../statistics/block.ts';
import { advance, beginTwoRates, judgeTwoRates, type TwoRatesState } from '../statistics/two-rates.ts';
import { percent } from '../statistics.ts';
import { share, shares } from './evidence-shape.ts';

/** A comparison of both sides as far as it has come. */
export interface VersusState {
  readonly test: TwoRatesState;
  /** Of the stretch of time that has not ended. */
  readonly open: Window;
}

const NOTHING: Share = { trials: 0, hits: 0 };
const EMPTY: Window = { candidate: NOTHING, stable: NOTHING };

export function beginVersus({
  ratio,
  margin,
  confidence,
}: Pick<VersusStable, 'ratio' | 'margin' | 'confidence'>): VersusState {
  return { test: beginTwoRates({ ratio, margin, confidence }), open: EMPTY };
}

/** Takes in what was seen; the test bets only where a stretch ends. */
export function advanceVersus({ test, open }: VersusState, seen: Window, closes: boolean): VersusState {
  const now = { candidate: add(open.candidate, seen.candidate), stable: add(open.stable, seen.stable) };
  return closes ? close({ test, open: now }) : { test, open: now };
}

/** The split changes: what was seen under the old one is bet on by itself. */
export function turnVersus(state: VersusState): VersusState {
  return close(state);
}

/** Hits that came before their trials, as those that are reported later than their requests do, wait for the next bet. */
function close({ test, open: { candidate, stable } }: VersusState): VersusState {
  const seen = { candidate: whole(candidate), stable: whole(stable) };
  return { test: advance(test, seen), open: { candidate: surplus(candidate), stable: surplus(stable) } };
}

/** What the evidence of a comparison has. */
export function versusEvidence(
  { test }: VersusState,
  { ratio, margin, confidence }: Pick<VersusStable, 'ratio' | 'margin' | 'confidence'>,
): VersusEvidence & Judgement & { readonly verdict: Verdict } {
  const { verdict, logE, logThreshold } = judgeTwoRates(test);
  const { candidate, stable } = test;
  const trials = candidate.trials;
  return { versus: 'stable', ratio, margin, candidate, stable, verdict, trials, confidence, logE, logThreshold };
}

/** `4 of 100 attempts failed on the candidate (4%), 1 of 900 on stable (0.111%): …` */
export function versusSummary(
  { candidate, stable, ratio, margin, confidence, verdict }: ReturnType<typeof versusEvidence>,
  what: string,
): string {
  if (candidate.trials === 0 || stable.trials === 0) return `no attempts on both sides yet to compare`;
  const observed = `${shareText(candidate)} ${what} on the candidate, ${shareText(stable)} on stable`;
  const allowed = `${ratio} times stable\u2019s share${margin === 0 ? '' : ` and ${percent(margin)}`}`;
  switch (verdict) {
    case 'fail':
      return `${observed}: more than ${allowed} with ${percent(confidence)} confidence`;
    case 'pass':
      return `${observed}: less than ${allowed} with ${percent(confidence)} confidence`;
    case 'inconclusive':
      return `${observed}: too few to tell it from ${allowed}`;
  }
}

export function shareText({ trials, hits }: Share): string {
  return `${hits} of ${trials} attempts (${percent(hits / trials)})`;
}

export const versusShape = {
  versus: z.literal('stable'),
  ratio: z.number().min(0).describe('So many times stable\u2019s share is allowed,'),
  margin: share.describe('and so much more.'),
  candidate: shares,
  stable: shares,
} as const;

function add(a: Share, b: Share): Share {
  return { trials: a.trials + Math.max(0, b.trials), hits: a.hits + Math.max(0, b.hits) };
}

function whole({ trials, hits }: Share): Share {
  return { trials, hits: Math.min(trials, hits) };
}

function surplus({ trials, hits }: Share): Share {
  return { trials: 0, hits: Math.max(0, hits - trials) };
}
