import { z } from 'zod';
import type { MetricGuard } from '../../config/guards/guard.ts';
import type { MetricEvidence } from '../evidence.ts';
import { base } from './evidence-shape.ts';
import { evidenceOf, type GuardRule } from './kind.ts';
import {
  judgePolled,
  type Measurement,
  measured,
  NOT_ASKED,
  type PolledState,
  polledJudgement,
  times,
} from './polled.ts';

const result = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('value'), value: z.number() }),
  z.object({ kind: z.literal('no_data'), detail: z.string() }),
  z.object({ kind: z.literal('error'), detail: z.string() }),
]);

/** What the guard is told: the answers to its query, and to that of the baseline where it has one. */
export const metricObservation = z.object({ at: z.number(), result, baseline: result.exactOptional(), times });
export type MetricObservation = z.output<typeof metricObservation>;

/** Holds the value of a Prometheus query against bounds. */
export const metric: GuardRule<MetricGuard, PolledState, MetricEvidence> = {
  reason: 'metric',
  isUrgent: false,
  begin: () => NOT_ASKED,
  advance(state, guard, { observation }) {
    if (observation === undefined) return state;
    const seen = metricObservation.parse(observation);
    return measured(state, measure(guard, seen), seen.times);
  },
  judge(guard, state) {
    const { value = null, baseline = null } = state.last ?? {};
    const { summary, ...judged } = judgePolled(state, guard.failures);
    return { ...evidenceOf(guard), value, baseline, ...judged, summary };
  },
};

export const metricEvidence = {
  ...base,
  kind: z.literal('metric'),
  value: z.number().nullable().describe('Of the query, when it was asked last; null when it had none.'),
  baseline: z.number().nullable(),
  ...polledJudgement,
} as const;

/** What the answers mean to the guard. */
export function measure(guard: MetricGuard, { at, result: candidate, baseline }: MetricObservation): Measurement {
  // An error counts before missing data: without an answer it is not known whether there are data.
  const results = [candidate, ...(baseline === undefined ? [] : [baseline])];
  const error = results.find(({ kind }) => kind === 'error');
  if (error !== undefined && 'detail' in error) {
    return { at, verdict: guard.onError, answered: false, summary: error.detail };
  }
  const missing = results.find(({ kind }) => kind === 'no_data');
  if (missing !== undefined && 'detail' in missing) {
    const of = missing === candidate ? '' : 'of the baseline, ';
    return { at, verdict: guard.onNoData, answered: true, summary: `no data: ${of}${missing.detail}` };
  }
  if (candidate.kind !== 'value') return { at, verdict: 'inconclusive', answered: false, summary: 'no answer' };
  const compared = baseline?.kind === 'value' ? { baseline: baseline.value } : {};
  return { at, answered: true, value: candidate.value, ...compared, ...compare(guard, candidate.value, baseline) };
}

function compare(
  guard: MetricGuard,
  value: number,
  baseline: MetricObservation['baseline'],
): Pick<Measurement, 'verdict' | 'summary'> {
  const { min, max } = guard;
  const fail = (summary: string) => ({ verdict: 'fail' as const, summary });
  const shown = digits(value);
  if (max !== undefined && value > max) return fail(`the value is ${shown}: more than the allowed ${digits(max)}`);
  if (min !== undefined && value < min) return fail(`the value is ${shown}: less than the required ${digits(min)}`);
  if (baseline?.kind !== 'value') return { verdict: 'pass', summary: `the value is ${shown}: within bounds` };
  const worse = worseThan(guard, value, baseline.value);
  const beside = `the value is ${shown} beside a baseline of ${digits(baseline.value)}`;
  return worse === null ? { verdict: 'pass', summary: `${beside}: within bounds` } : fail(`${beside}: ${worse}`);
}

/** What is wrong with a value beside the baseline; null where it is within bounds. */
function worseThan({ ratio = 1, margin = 0, worse }: MetricGuard, value: number, baseline: number): string | null {
  if (worse === 'lower') {
    const required = baseline * ratio - margin;
    return value < required ? `less than the required ${digits(required)}` : null;
  }
  const allowed = baseline * ratio + margin;
  return value > allowed ? `more than the allowed ${digits(allowed)}` : null;
}

/** Up to six significant digits; infinity as what it is kept as. */
function digits(value: number): string {
  if (Math.abs(value) === Number.MAX_VALUE) return value > 0 ? 'infinite' : 'minus infinity';
  return String(Number(value.toPrecision(6)));
}
