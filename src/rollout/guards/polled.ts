import { z } from 'zod';
import type { EvidenceBase, PolledJudgement, Verdict } from '../evidence.ts';

/** What one question to somebody else came to. */
export interface Measurement {
  /** ms since the Unix epoch. */
  readonly at: number;
  readonly verdict: Verdict;
  /** False when nothing came back that says anything: the next question may wait longer. */
  readonly answered: boolean;
  /** One sentence for people. */
  readonly summary: string;
  /** Of a metric, and what it was compared with. */
  readonly value?: number;
  readonly baseline?: number;
}

/** What guards keep that ask somebody else. Written to the rollout, so that a restart knows the last answer. */
export interface PolledState {
  /** Questions so far. */
  readonly asked: number;
  /** Answers `fail` in a row. */
  readonly failures: number;
  /** Questions in a row that were not answered. */
  readonly unanswered: number;
  readonly last: Measurement | null;
}

export const NOT_ASKED: PolledState = { asked: 0, failures: 0, unanswered: 0, last: null };

/** Of an observation: how many questions it answers, the last of them being the one that it tells of. */
export const times = z.int().min(1).exactOptional();

/**
 * A question that came to nothing says nothing: it neither adds to a row of failures nor ends it.
 *
 * @param times questions since the state, the earlier ones answered as the one before them
 */
export function measured(state: PolledState, last: Measurement, times = 1): PolledState {
  const { verdict, answered } = last;
  const more = state.last?.verdict === 'fail' ? times : 1;
  const failures = verdict === 'fail' ? state.failures + more : verdict === 'pass' ? 0 : state.failures;
  return { asked: state.asked + times, failures, unanswered: answered ? 0 : state.unanswered + 1, last };
}

/** @param needed failures in a row that are a `fail` */
export function judgePolled(
  { asked, failures, last }: PolledState,
  needed: number,
): PolledJudgement & Pick<EvidenceBase, 'verdict' | 'summary'> {
  const counted = { asked, failures, needed, askedAt: last?.at ?? null };
  if (last === null) return { verdict: 'inconclusive', ...counted, summary: 'not asked yet' };
  if (last.verdict !== 'fail' || needed === 1) return { verdict: last.verdict, ...counted, summary: last.summary };
  const verdict = failures >= needed ? 'fail' : 'inconclusive';
  return { verdict, ...counted, summary: `${last.summary} (${failures} in a row of ${needed} that it takes)` };
}

const count = z.int().min(0);

/** The same as a schema, for evidence. */
export const polledJudgement = {
  asked: count.describe('Questions so far.'),
  failures: count.describe('In a row.'),
  needed: count.describe('Failures in a row that it takes.'),
  askedAt: z.number().nullable().describe('When it was asked last, ms since the Unix epoch; null before the first.'),
} as const;

/** The longest between two questions while there is no answer, unless the guard's own interval is longer. */
const LONGEST_MS = 300_000;

/** How long after its last question a guard asks again: its interval, doubled with each that was not answered. */
export function nextAskMs(intervalMs: number, unanswered: number): number {
  return Math.max(intervalMs, Math.min(LONGEST_MS, intervalMs * 2 ** Math.min(30, unanswered)));
}

/** The state of a guard that a rollout carries, or that of one that has not asked. */
export function polledStateOf(state: unknown): PolledState {
  const parsed = polledState.safeParse(state);
  return parsed.success ? parsed.data : NOT_ASKED;
}

/** As it is stored, and as the admin API shows it. */
export const polledState = z.object({
  asked: count,
  failures: count,
  unanswered: count,
  last: z
    .object({
      at: z.number(),
      verdict: z.enum(['pass', 'fail', 'inconclusive']),
      answered: z.boolean(),
      summary: z.string(),
      value: z.number().exactOptional(),
      baseline: z.number().exactOptional(),
    })
    .nullable(),
});
