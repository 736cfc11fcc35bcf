import { z } from 'zod';
import { storedGate } from '../../config/gate-schema.ts';
import { guardSchema, stageGuardSchema } from '../../config/guards/stored.ts';
import { evidenceSchema as evidence } from '../../rollout/guards/evidence-schema.ts';
import { polledState } from '../../rollout/guards/polled.ts';
import { PHASES, type Rollout } from '../../rollout/rollout.ts';

const share = z.number().min(0).max(1);
const count = z.int().min(0);
const at = z.number().describe('Milliseconds since the Unix epoch.');

const smokeRequest = z.strictObject({
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  expect: z.strictObject({ status: z.int(), bodyIncludes: z.string().nullable() }),
  timeoutMs: z.number(),
});

const ms = z.number().min(0);

const mirror = z.strictObject({
  share: z.number().min(0).max(1).describe('Of a shadow rollout.'),
  methods: z.array(z.string()),
  requestBytes: count,
  compare: z
    .strictObject({ headers: z.array(z.string()), ignore: z.array(z.string()), bodyBytes: count })
    .nullable()
    .describe('null: responses are not compared.'),
});

const plan = z
  .strictObject({
    onInconclusive: z.literal('pause').exactOptional(),
    extendMs: ms.exactOptional(),
    onNoTraffic: z.enum(['hold', 'rollback']).exactOptional(),
    deadlineMs: ms.exactOptional(),
    onDeadline: z.enum(['rollback', 'promote']).exactOptional(),
    keepWarmMs: ms.exactOptional(),
    rampMs: ms.exactOptional(),
    strategy: z.enum(['canary', 'blue-green', 'shadow']),
    smoke: z.array(smokeRequest),
    stages: z.array(
      z.strictObject({
        weight: z.number(),
        holdMs: z.number(),
        mirror: z.number().min(0).max(1).exactOptional().describe('Share of stable’s requests that are copied.'),
        minRequests: count.exactOptional(),
        gate: storedGate.exactOptional(),
        extendMs: ms.exactOptional(),
        guards: z
          .array(stageGuardSchema)
          .exactOptional()
          .describe('What this stage adds, replaces by name or turns off.'),
      }),
    ),
    guards: z.array(guardSchema),
    mirror: mirror.exactOptional(),
  })
  .meta({ id: 'RolloutPlan' });

const stage = z.int().min(0).describe('From 0.');
const held = {
  stage,
  heldMs: z.number().min(0),
  trialsBefore: count
    .exactOptional()
    .describe('Trials of the candidate before this stage; where the plan asks for requests.'),
  extendedFromMs: ms.exactOptional().describe('heldMs when only a verdict was missing; where the stage is extended.'),
};
const waited = { waitedMs: ms.exactOptional().describe('How long it has waited here; where the plan has a deadline.') };

const position = z
  .discriminatedUnion('phase', [
    z.strictObject({ phase: z.literal('pending') }),
    z.strictObject({ phase: z.literal('checking'), ...waited }),
    z.strictObject({ phase: z.literal('progressing'), ...held }),
    z.strictObject({
      phase: z.literal('paused'),
      ...held,
      ...waited,
      reason: z.string(),
      sinceAt: at,
      unbegun: z.literal(true).exactOptional().describe('At a gate before the first stage: it has no weight yet.'),
      gate: polledState.exactOptional().describe('At a gate that asks a webhook: what it answered.'),
    }),
    z.strictObject({
      phase: z.literal('returning'),
      stage,
      weight: count.describe('Of the candidate, now.'),
      fromWeight: count,
      returnedMs: ms,
      end: z.enum(['aborted', 'rolled_back']),
      reason: z.string(),
      actor: z.string(),
      sinceAt: at,
    }),
    z.strictObject({ phase: z.literal('promoting'), stage }),
    z.strictObject({ phase: z.literal('draining'), stage, sinceAt: at, ...waited }),
    z.strictObject({
      phase: z.enum(['promoted', 'aborted', 'rolled_back', 'failed']),
      stage,
      reason: z.string(),
      endedAt: at,
    }),
  ])
  .meta({ id: 'RolloutPosition', description: 'Where the rollout is; what only some phases have is only there.' });

const counts = z
  .strictObject({
    trials: count,
    errors: count,
    slow: count.exactOptional(),
    events: count.exactOptional().describe('Attempts that reported the event of a business guard.'),
    buckets: z.record(z.string(), count).exactOptional().describe('By latency, 8 buckets per power of two of 1 µs.'),
  })
  .meta({ id: 'Counts' });
const sides = z.strictObject({ candidate: counts, stable: counts });

const transition = z
  .strictObject({
    at,
    from: z.enum(PHASES),
    to: z.enum(PHASES),
    stage: z.int(),
    reason: z.string(),
    actor: z.string(),
    evidence: z.array(evidence),
    counts: sides.exactOptional().describe('All attempts by then.'),
    rules: z.int().exactOptional().describe('Version of the rules that decided.'),
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

const rolloutObject = z.strictObject({
  id: z.string(),
  service: z.string(),
  from: z.string().describe('The stable upstream when it started.'),
  to: z.string().describe('The candidate.'),
  plan,
  actor: z.string(),
  startedAt: at,
  position,
  counts: sides,
  slots: z
    .array(sides)
    .exactOptional()
    .describe('The same for guards that count by rules of their own; guards that count alike share a slot.'),
  baseline: z
    .strictObject({ all: counts, slots: z.array(counts) })
    .exactOptional()
    .describe('What stable did before the rollout, where a guard compares with it.'),
  guards: z.array(evidence).describe('Of the guards in force, as last judged.'),
  guardStates: z.record(z.string(), z.unknown()).describe('What each guard keeps between looks, by name.'),
  transitions: z.array(transition),
  smoke: z.array(smokeResult).exactOptional(),
  group: z
    .strictObject({ name: z.string(), id: z.string(), services: z.array(z.string()) })
    .exactOptional()
    .describe('Present where several services are released as one.'),
});

export const rolloutSchema = rolloutObject.meta({ id: 'Rollout' }) satisfies z.ZodType<Rollout>;

/** A rollout with what is asked for most at the top. */
export const rolloutAnswer = rolloutObject
  .extend({
    phase: z.enum(PHASES),
    stage: z.int().min(0).nullable().describe('From 0; null before the first.'),
    reason: z.string().nullable().describe('Why it is where it is.'),
    deadlineLeftMs: ms
      .nullable()
      .describe('Until the deadline of what it waits for; null while it waits for nothing, or for ever.'),
    extensionLeftMs: ms.nullable().describe('Of a stage that goes on for want of a verdict; null where it does not.'),
    remainingHoldMs: z.number().min(0).nullable().describe('Of the current stage, while it progresses or is paused.'),
  })
  .meta({ id: 'RolloutAnswer' });

export const rolloutsAnswer = z
  .strictObject({ rollouts: z.array(rolloutAnswer).describe('Newest first.') })
  .meta({ id: 'Rollouts' });

const journalEntry = z
  .strictObject({
    id: z.int().min(1).describe('Ascending.'),
    rollout: z.string(),
    at,
    digest: z
      .string()
      .describe('Of the rollout after it: of its JSON with sorted keys, the first 16 hex digits of SHA-256.'),
    isState: z.boolean().describe('A whole state, from which a replay may begin.'),
    data: z.unknown().describe('What the rollout was told, or the whole rollout.'),
  })
  .meta({ id: 'JournalEntry' });

export const journalAnswer = z
  .strictObject({
    rollout: rolloutSchema.describe('As it is stored.'),
    entries: z.array(journalEntry).describe('Oldest first, at most 500; none after the last.'),
  })
  .meta({ id: 'RolloutJournal', description: 'What moved a rollout, so that it can be computed again.' });

export const groupRolloutAnswer = z
  .strictObject({
    id: z.string(),
    group: z.string(),
    actor: z.string(),
    startedAt: at,
    phase: z
      .enum(PHASES)
      .describe('Of the service that is furthest behind; once all have ended, of the one that decided.'),
    stage: z.int().min(0).nullable().describe('From 0; null before the first.'),
    reason: z.string().nullable(),
    decidedBy: z.string().describe('The service whose phase and reason these are.'),
    rollouts: z.record(z.string(), rolloutAnswer).describe('By service.'),
  })
  .meta({ id: 'GroupRollout' });

export const groupAnswer = z
  .strictObject({ name: z.string(), services: z.array(z.string()), rollout: groupRolloutAnswer.nullable() })
  .meta({ id: 'Group' });

export const groupsAnswer = z.strictObject({ groups: z.array(groupAnswer) }).meta({ id: 'Groups' });

const sight = z
  .strictObject({
    rate: share.describe('True rate of the candidate.'),
    requests: count.describe('Of the candidate.'),
    afterMs: z.number().min(0),
  })
  .nullable();

const powerPlan = z
  .strictObject({
    requestsPerSecond: z.number().min(0).nullable().describe('To the service; null when nothing is known.'),
    stableErrorRate: share.nullable().describe('Of late; null when nothing is known.'),
    stages: z.array(
      z.strictObject({
        stage,
        weight: z.number(),
        holdMs: z.number(),
        requests: count.nullable().describe('Expected on the candidate in the hold; null when nothing is known.'),
        guards: z.array(
          z.strictObject({
            guard: z.string(),
            allowed: share.nullable().describe('The allowed rate; null where none is known beforehand.'),
            sees: sight.describe('The least multiple of it seen within the hold four times in five; null for none.'),
            outright: sight.describe('The same for a candidate that fails all.'),
            summary: z.string(),
          }),
        ),
        summary: z.string(),
      }),
    ),
    warnings: z.array(z.string()).describe('What is likely not meant.'),
  })
  .meta({ id: 'PowerPlan', description: 'What the stages of a rollout can be expected to see.' });

export const startedAnswer = rolloutAnswer.extend({ power: powerPlan }).meta({ id: 'StartedRollout' });

export const previewAnswer = z
  .strictObject({
    service: z.string(),
    from: z.string().describe('Stable now.'),
    to: z.string(),
    plan,
    power: powerPlan,
    obstacles: z.array(z.string()).describe('Why it would be refused now; empty when it would start.'),
    stops: z.array(z.string()).describe('What could keep it from being promoted.'),
  })
  .meta({ id: 'RolloutPreview' });

export const explanationAnswer = z
  .strictObject({
    rollout: z.string(),
    service: z.string(),
    headline: z.string().describe('The whole in one sentence.'),
    story: z
      .array(
        z.strictObject({
          at,
          text: z.string(),
          evidence: z.array(z.string()).describe('What the guards said then, where it was new.'),
        }),
      )
      .describe('What happened, oldest first.'),
    guards: z.array(
      z.strictObject({
        guard: z.string(),
        verdict: z.enum(['pass', 'fail', 'inconclusive']),
        dryRun: z.boolean(),
        summary: z.string(),
        needed: z.array(z.string()).describe('What it would have taken to say something else.'),
      }),
    ),
  })
  .meta({ id: 'Explanation', description: 'Why a rollout went as it did, in plain language.' });
