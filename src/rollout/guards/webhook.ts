import { z } from 'zod';
import type { WebhookGuard } from '../../config/guards/guard.ts';
import type { WebhookEvidence } from '../evidence.ts';
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

/** What the guard is told: what the webhook said. */
export const webhookObservation = z.object({
  at: z.number(),
  verdict: z.enum(['pass', 'fail', 'inconclusive']),
  /** False: nothing that says anything. */
  answered: z.boolean(),
  reason: z.string(),
  times,
});
export type WebhookObservation = z.output<typeof webhookObservation>;

/** Leaves the judgement to somebody else. */
export const webhook: GuardRule<WebhookGuard, PolledState, WebhookEvidence> = {
  reason: 'webhook',
  isUrgent: false,
  begin: () => NOT_ASKED,
  advance(state, _guard, { observation }) {
    if (observation === undefined) return state;
    const said = webhookObservation.parse(observation);
    return measured(state, webhookMeasurement(said), said.times);
  },
  judge(guard, state) {
    const { summary, ...judged } = judgePolled(state, guard.failures);
    return { ...evidenceOf(guard), webhook: guard.webhook, ...judged, summary };
  },
};

export function webhookMeasurement({ at, verdict, answered, reason: summary }: WebhookObservation): Measurement {
  return { at, verdict, answered, summary };
}

export const webhookEvidence = {
  ...base,
  kind: z.literal('webhook'),
  webhook: z.string().describe('Who was asked.'),
  ...polledJudgement,
} as const;
