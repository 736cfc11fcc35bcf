import { z } from 'zod';
import { PHASES, type Rollout } from '../../rollout/rollout.ts';

const count = z.int().min(0);
const at = z.number().describe('Milliseconds since the Unix epoch.');
const share = z.number().min(0).max(1);

const dryRun = z.literal(true).exactOptional().describe('Its verdict moves nothing.');

const judgement = {
  verdict: z.enum(['pass', 'fail', 'inconclusive']),
  trials: count,
  confidence: share,
  logE: z.number().describe('Natural logarithm of the e-value; the guard fails at logThreshold.'),
  logThreshold: z.number(),
  dryRun,
  summary: z.string(),
};

const evidence = z
  .discriminatedUnion('guard', [
    z.strictObject({
      guard: z.literal('errorRate'),
      errors: count,
      max: share.describe('The allowed rate.'),
      ...judgement,
    }),
    z.strictObject({
      guard: z.literal('latency'),
      slow: count.describe('Attempts that took longer than maxMs.'),
      quantile: share.describe('The share of attempts that must be within maxMs.'),
      maxMs: z.number().min(0),
      ...judgement,
    }),
  ])
  .meta({ id: 'GuardEvidence', description: 'What a guard saw and concluded.' });

const smokeRequest = z.strictObject({
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  expect: z.strictObject({ status: z.int(), bodyIncludes: z.string().nullable() }),
  timeoutMs: z.number(),
});

const plan = z
  .strictObject({
    strategy: z.enum(['canary', 'blue-green']),
    smoke: z.array(smokeRequest),
    stages: z.array(
      z.strictObject({
        weight: z.number(),
        holdMs: z.number(),
        minRequests: count.exactOptional(),
        gate: z.literal('manual').exactOptional(),
      }),
    ),
    guards: z.strictObject({
      errorRate: z.strictObject({ max: share, confidence: share, dryRun }).nullable(),
      latency: z.strictObject({ quantile: share, maxMs: z.number().min(0), confidence: share, dryRun }).exactOptional(),
    }),
  })
  .meta({ id: 'RolloutPlan' });

const stage = z.int().min(0).describe('From 0.');
const held = {
  stage,
  heldMs: z.number().min(0),
  trialsBefore: count.exactOptional().describe('Trials of the candidate before this stage; where it has minRequests.'),
};

const position = z
  .discriminatedUnion('phase', [
    z.strictObject({ phase: z.enum(['pending', 'checking']) }),
    z.strictObject({ phase: z.literal('progressing'), ...held }),
    z.strictObject({ phase: z.literal('paused'), ...held, reason: z.string(), sinceAt: at }),
    z.strictObject({ phase: z.literal('promoting'), stage }),
    z.strictObject({ phase: z.literal('draining'), stage, sinceAt: at }),
    z.strictObject({
      phase: z.enum(['promoted', 'aborted', 'rolled_back', 'failed']),
      stage,
      reason: z.string(),
      endedAt: at,
    }),
  ])
  .meta({ id: 'RolloutPosition', description: 'Where the rollout is; what only some phases have is only there.' });

const transition = z
  .strictObject({
    at,
    from: z.enum(PHASES),
    to: z.enum(PHASES),
    stage: z.int(),
    reason: z.string(),
    actor: z.string(),
    evidence: z.array(evidence),
  })
  .meta({ id: 'RolloutTransition' });

const smokeResult = z
  .strictObject({
    target: z.string(),
    method: z.string(),
    path: z.string(),
    ok: z.boolean(),
    status: z.int().nullable(),
    durationMs: z.number(),
    detail: z.string(),
  })
  .meta({ id: 'SmokeResult' });

const counts = z.strictObject({ trials: count, errors: count, slow: count.exactOptional() });

const rolloutObject = z.strictObject({
  id: z.string(),
  service: z.string(),
  from: z.string().describe('The stable upstream when it started.'),
  to: z.string().describe('The candidate.'),
  plan,
  actor: z.string(),
  startedAt: at,
  position,
  counts: z.strictObject({ candidate: counts, stable: counts }),
  guards: z.array(evidence),
  transitions: z.array(transition),
  smoke: z.array(smokeResult).exactOptional(),
});

export const rolloutSchema = rolloutObject.meta({ id: 'Rollout' }) satisfies z.ZodType<Rollout>;

/** A rollout with what is asked for most at the top. */
export const rolloutAnswer = rolloutObject
  .extend({
    phase: z.enum(PHASES),
    stage: z.int().min(0).nullable().describe('From 0; null before the first.'),
    reason: z.string().nullable().describe('Why it is where it is.'),
    remainingHoldMs: z.number().min(0).nullable().describe('Of the current stage, while it progresses or is paused.'),
  })
  .meta({ id: 'RolloutAnswer' });

export const rolloutsAnswer = z
  .strictObject({ rollouts: z.array(rolloutAnswer).describe('Newest first.') })
  .meta({ id: 'Rollouts' });
