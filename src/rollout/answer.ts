import { type MetricObservation, measure } from './guards/metric.ts';
import type { Measurement } from './guards/polled.ts';
import { type WebhookObservation, webhookMeasurement } from './guards/webhook.ts';
import { answersTo, type Poll } from './polls.ts';
import type { Rollout } from './rollout.ts';

/** What somebody said who was asked for a guard or a gate; the newest of `times` answers. */
export type Answer = MetricObservation | WebhookObservation;

/** The newer of two answers of which none was stored, for both questions. */
export function together(earlier: Answer | undefined, newer: Answer): Answer {
  return earlier === undefined ? newer : { ...newer, times: timesOf(earlier) + timesOf(newer) };
}

/** What is left of answers after the first of them were stored. */
export function without(answer: Answer, stored: Answer): Answer {
  return { ...answer, times: Math.max(1, timesOf(answer) - timesOf(stored)) };
}

/**
 * Whether an answer may change what the rollout does, or when it asks again. Any other, such as a "not yet" after a "not
 * yet", may wait until something is stored anyway: whoever is asked ten times a second must not fill the journal.
 */
export function isUrgent(poll: Poll, rollout: Rollout, answer: Answer): boolean {
  const { last, failures, unanswered } = answersTo(poll, rollout);
  const { verdict, answered } = measurementOf(poll, answer);
  if (last === null || !answered || unanswered > 0 || verdict !== last.verdict) return true;
  return verdict === 'fail' && (poll.kind === 'gate' || failures < poll.guard.failures);
}

function measurementOf(poll: Poll, answer: Answer): Measurement {
  if (!('result' in answer)) return webhookMeasurement(answer);
  if (poll.kind === 'guard' && poll.guard.kind === 'metric') return measure(poll.guard, answer);
  throw new Error('a number for somebody who asked for a verdict');
}

/** How many questions it answers. */
function timesOf({ times = 1 }: Answer): number {
  return times;
}
