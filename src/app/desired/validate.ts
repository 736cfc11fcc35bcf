import { z } from 'zod';
import { storedGate } from '../../config/gate-schema.ts';
import { storedGuardSchema, storedStageGuardSchema } from '../../config/guards/stored.ts';
import { TealgateError } from '../../platform/errors.ts';
import { storedEvidenceSchema } from '../../rollout/guards/evidence-schema.ts';
import { polledState } from '../../rollout/guards/polled.ts';
import { PHASES } from '../../rollout/rollout.ts';
import type { DesiredState } from '../desired.ts';
import { upgrade } from './upgrade.ts';

const count = z.int().min(0);
const ms = z.number().min(0);
const share = z.number().min(0).max(1);
const weights = z.record(z.string(), count);
const phase = z.enum(PHASES);
const counts = z.object({
  trials: count,
  errors: count,
  slow: count.exactOptional(),
  events: count.exactOptional(),
  buckets: z.record(z.string(), count).exactOptional(),
});

const override = <T extends z.ZodType>(value: T) => z.object({ value, base: value });

const smoke = z.object({
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  expect: z.object({ status: z.number(), bodyIncludes: z.string().nullable() }),
  timeoutMs: ms,
});

const policies = {
  onInconclusive: z.literal('pause').exactOptional(),
  extendMs: ms.exactOptional(),
  onNoTraffic: z.enum(['hold', 'rollback']).exactOptional(),
  deadlineMs: ms.exactOptional(),
  onDeadline: z.enum(['rollback', 'promote']).exactOptional(),
  keepWarmMs: ms.exactOptional(),
  rampMs: ms.exactOptional(),
};

const mirror = z.object({
  share,
  methods: z.array(z.string()),
  requestBytes: count,
  compare: z.object({ headers: z.array(z.string()), ignore: z.array(z.string()), bodyBytes: count }).nullable(),
});

const plan = z.object({
  ...policies,
  strategy: z.enum(['canary', 'blue-green', 'shadow']),
  smoke: z.array(smoke),
  stages: z.array(
    z.object({
      weight: count,
      holdMs: ms,
      mirror: share.exactOptional(),
      minRequests: count.exactOptional(),
      gate: storedGate.exactOptional(),
      extendMs: ms.exactOptional(),
      guards: z.array(storedStageGuardSchema).exactOptional(),
    }),
  ),
  guards: z.array(storedGuardSchema),
  mirror: mirror.exactOptional(),
});

const held = {
  stage: count,
  heldMs: ms,
  trialsBefore: count.exactOptional(),
  extendedFromMs: ms.exactOptional(),
};
const waited = { waitedMs: ms.exactOptional() };
const position = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('pending') }),
  z.object({ phase: z.literal('checking'), ...waited }),
  z.object({ phase: z.literal('progressing'), ...held }),
  z.object({
    phase: z.literal('paused'),
    ...held,
    ...waited,
    reason: z.string(),
    sinceAt: ms,
    unbegun: z.literal(true).exactOptional(),
    gate: polledState.exactOptional(),
  }),
  z.object({
    phase: z.literal('returning'),
    stage: count,
    weight: count,
    fromWeight: count,
    returnedMs: ms,
    end: z.enum(['aborted', 'rolled_back']),
    reason: z.string(),
    actor: z.string(),
    sinceAt: ms,
  }),
  z.object({ phase: z.literal('promoting'), stage: count }),
  z.object({ phase: z.literal('draining'), stage: count, sinceAt: ms, ...waited }),
  z.object({
    phase: z.enum(['promoted', 'aborted', 'rolled_back', 'failed']),
    stage: count,
    reason: z.string(),
    endedAt: ms,
  }),
]);

const rollout = z.object({
  id: z.string(),
  service: z.string(),
  from: z.string(),
  to: z.string(),
  plan,
  actor: z.string(),
  startedAt: ms,
  position,
  counts: z.object({ candidate: counts, stable: counts }),
  slots: z.array(z.object({ candidate: counts, stable: counts })).exactOptional(),
  baseline: z.object({ all: counts, slots: z.array(counts) }).exactOptional(),
  guards: z.array(storedEvidenceSchema),
  guardStates: z.record(z.string(), z.unknown()),
  transitions: z.array(
    z.object({
      at: ms,
      from: phase,
      to: phase,
      stage: z.int(),
      reason: z.string(),
      actor: z.string(),
      evidence: z.array(storedEvidenceSchema),
    }),
  ),
  group: z.object({ name: z.string(), id: z.string(), services: z.array(z.string()) }).exactOptional(),
});

const service = z.object({
  weights: override(weights).nullable(),
  stable: override(z.string()).nullable(),
  targets: z.record(z.string(), override(z.array(z.string()))),
  draining: z.record(z.string(), z.object({ sinceAt: ms })),
  warm: z.record(z.string(), z.object({ sinceAt: ms, keepMs: ms, keptMs: ms })).exactOptional(),
  pinEpochs: z.record(z.string(), count),
  rollouts: z.array(rollout),
});

const desiredState: z.ZodType<DesiredState> = z.object({
  format: z.literal(1),
  services: z.record(z.string(), service),
  pinKeys: z.array(z.object({ id: z.string().min(1), secret: z.base64url().min(1) })).min(1),
});

/**
 * Checks what the store held. Throws `invalid_config` for what a newer version wrote, which is not ours to touch, and a
 * plain error that names the first thing wrong for what is damaged.
 */
export function validateDesired(value: unknown): DesiredState {
  const format = z.object({ format: z.int() }).safeParse(value);
  if (format.success && format.data.format > 1) {
    throw new TealgateError(
      'invalid_config',
      `its state has format ${format.data.format}, which a newer Tealgate wrote; run that version, or choose another store.path`,
    );
  }
  const upgraded = upgrade(value);
  const result = desiredState.safeParse(upgraded);
  // The value itself and not the parsed copy, which would lose fields that a later version of this format added.
  if (result.success) return upgraded as DesiredState;
  const issue = result.error.issues[0];
  throw new Error(`${issue?.path.join('.')}: ${issue?.message}`);
}
