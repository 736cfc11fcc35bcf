import { z } from 'zod';
import type { Guard, MirrorPlan, RolloutPlan, SmokeRequest, Stage } from './config.ts';
import { gateSchema, toGate } from './gate-schema.ts';
import { checkGuards, mergeGuards, stageGuards } from './guards/plan.ts';
import { guardsSchema } from './guards/schema.ts';
import { checkCounters } from './guards/selection.ts';
import { DEFAULT_MIRROR, mergeMirror, mirrorSchema, mirrorShare } from './mirror-schema.ts';
import { mistake, value } from './parsed.ts';
import { checkPolicies, mergePolicies, policyKeys } from './policies-schema.ts';
import type { Finding, Path } from './problem.ts';
import { count, duration, headerKey, object, requestPath, text } from './values.ts';

const DEFAULT_STAGES: readonly Stage[] = [
  { weight: 5, holdMs: 30 * 60_000 },
  { weight: 25, holdMs: 10 * 60_000 },
  { weight: 50, holdMs: 10 * 60_000 },
  { weight: 100, holdMs: 0 },
];

/** The plan where neither the file nor the call says otherwise: four stages, rolled back above 1 % errors. */
export const DEFAULT_PLAN: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: DEFAULT_STAGES,
  guards: [{ name: 'errorRate', kind: 'errorRate', max: 0.01, confidence: 0.99 }],
};

const headerValue = text((raw) =>
  /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(raw)
    ? value(raw)
    : mistake('has a line break or a control character; a header value is one line'),
);
const smokeSchema = object({
  path: requestPath.describe('What to ask the candidate for.'),
  method: z
    .enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    .prefault('GET')
    .describe('Sent without a body.'),
  headers: z.record(headerKey, headerValue).prefault({}).describe('Further request fields.'),
  expect: object({
    status: count(100, 599).prefault(200).describe('The status it must answer.'),
    body: z.string().min(1).optional().describe('Text that its body must contain.'),
  })
    .prefault({})
    .describe('What makes it pass.'),
  timeout: duration({ minMs: 1 }).prefault('5s').describe('For the whole answer.'),
});

const stageSchema = object({
  weight: count(0, 100).describe(
    'The candidate\u2019s share of new traffic, 1 to 100, rising from stage to stage; 0 in stages that only mirror.',
  ),
  mirror: mirrorShare
    .optional()
    .describe('Share of the requests to stable that the candidate gets a copy of; default none. See `mirror`.'),
  hold: duration().prefault('0s').describe('How long before the next stage.'),
  minRequests: count(1, 1_000_000_000)
    .optional()
    .describe(
      'Requests the candidate must have had in this stage before the next, however long that takes; default none.',
    ),
  gate: gateSchema
    .optional()
    .describe(
      'What must be so before this stage: `manual`, somebody resumes it; or `http`, or `schedule`. Default none.',
    ),
  extend: duration().optional().describe('Of this stage, instead of the `extend` of the plan.'),
  guards: guardsSchema
    .optional()
    .describe('Guards of this stage only: added to the plan\u2019s, in their place by name, or `none`; default none.'),
});

/** Every key is optional here: what is left out comes from the plan beneath (`mergePlan`). */
export const planSchema = object({
  strategy: z
    .enum(['canary', 'blue-green', 'shadow'])
    .optional()
    .describe('`canary` (default) goes stage by stage; `blue-green` switches at once; `shadow` sends copies only.'),
  smoke: z
    .array(smokeSchema)
    .max(100)
    .optional()
    .describe('Requests the candidate must answer before it gets traffic; default none.'),
  stages: z
    .array(stageSchema)
    .min(1)
    .max(100)
    .optional()
    .describe('Of a canary; default 5 for 30m, 25 for 10m, 50 for 10m, then 100.'),
  watch: duration().optional().describe('Of a blue-green or shadow rollout: how long the guards watch; default `0s`.'),
  mirror: mirrorSchema
    .optional()
    .describe('How requests are copied in stages that say `mirror`, and in a shadow rollout.'),
  gate: gateSchema.optional().describe('Of a blue-green rollout: what must be so before the switch. Default none.'),
  ...policyKeys,
  guards: guardsSchema.optional().describe('What must hold during the rollout, by name; `none` turns all off.'),
});

export type PlanSettings = z.output<typeof planSchema>;
type StageSettings = NonNullable<PlanSettings['stages']>[number];

/** What is wrong between the keys of a plan. */
export function checkPlan(plan: PlanSettings, base: RolloutPlan): Finding[] {
  const findings: Finding[] = [];
  const strategy = plan.strategy ?? base.strategy;
  findings.push(...checkStrategy(plan, strategy));
  findings.push(...checkPolicies(plan, base));
  findings.push(...under(['guards'], checkGuards(plan.guards, base.guards)));
  const guards = findings.length > 0 ? base.guards : mergeGuards(plan.guards, base.guards);
  plan.stages?.forEach((stage, i) => {
    findings.push(...under(['stages', i, 'guards'], checkGuards(stage.guards, guards)));
  });
  if (findings.length === 0) {
    const own = plan.stages?.flatMap((stage) => (stage.guards === undefined ? [] : stageGuards(stage.guards, guards)));
    findings.push(...checkCounters([...guards, ...(own ?? [])]));
  }
  plan.stages?.forEach((stage, i, stages) => {
    findings.push(...under(['stages', i], checkStage(stage, stages[i - 1]?.weight ?? 0)));
  });
  return findings;
}

/** Keys that belong to another strategy, and what to write instead. */
const BELONGS: Readonly<Record<RolloutPlan['strategy'], Partial<Record<'stages' | 'watch' | 'gate', string>>>> = {
  canary: {
    watch: 'belongs to `strategy: blue-green` or `shadow`; with canary give `hold` in each stage',
    gate: 'belongs to `strategy: blue-green`; with canary give `gate` in a stage',
  },
  'blue-green': { stages: 'belongs to `strategy: canary`; with blue-green give `watch`' },
  shadow: {
    stages: 'belongs to `strategy: canary`; with shadow give `watch`',
    gate: 'belongs to `strategy: blue-green`; a shadow rollout moves no traffic before somebody promotes it',
  },
};

function checkStrategy(plan: PlanSettings, strategy: RolloutPlan['strategy']): Finding[] {
  const findings = (['stages', 'watch', 'gate'] as const).flatMap((key): Finding[] => {
    const message = BELONGS[strategy][key];
    return message === undefined || plan[key] === undefined ? [] : [{ path: [key], atKey: true, message }];
  });
  if (strategy !== 'shadow' && plan.mirror?.share !== undefined) {
    const message = 'belongs to `strategy: shadow`; with another give `mirror: 10%` in a stage';
    findings.push({ path: ['mirror', 'share'], atKey: true, message });
  }
  return findings;
}

function checkStage({ weight, mirror, minRequests }: StageSettings, before: number): Finding[] {
  if (weight > before) return [];
  if (weight > 0 || before > 0) {
    return [{ path: ['weight'], message: `${weight} is not above the stage before; give more than ${before}` }];
  }
  if (mirror === undefined) {
    return [{ path: ['weight'], message: '0 sends the candidate nothing; give more, or copies such as `mirror: 10%`' }];
  }
  if (minRequests === undefined) return [];
  return [{ path: ['minRequests'], message: 'cannot be met at weight 0: copies are no requests of the candidate' }];
}

function under(path: Path, findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => ({ ...finding, path: [...path, ...finding.path] }));
}

/** What is likely not meant, but harmless. */
export function planWarnings(plan: PlanSettings): Finding[] {
  return [...comparisonWarnings(plan), ...lastStageWarnings(plan), ...shadowWarnings(plan)];
}

function shadowWarnings({ strategy, watch = 0 }: PlanSettings): Finding[] {
  if (strategy !== 'shadow' || watch > 0) return [];
  const message = 'is over at once without `watch`, and nothing is copied; give it some time, such as `watch: 10m`';
  return [{ path: ['strategy'], message }];
}

/** Responses that are compared and judged by nobody, or the other way round. */
function comparisonWarnings(plan: PlanSettings): Finding[] {
  const { mirror, guards, stages } = mergePlan(plan, DEFAULT_PLAN);
  const isCompared =
    mirror !== undefined && mirror.compare !== null && stages.some((stage) => stage.mirror !== undefined);
  const isJudged = [...guards, ...stages.flatMap((stage) => stage.guards ?? [])].some(({ kind }) => kind === 'compare');
  if (isCompared && !isJudged) {
    const message = 'is done and no guard judges by it; add `compare: {}` to the guards';
    return [{ path: ['mirror', 'compare'], atKey: true, message }];
  }
  if (!isJudged || isCompared) return [];
  const message =
    'have `compare`, and no responses are compared; add `mirror: {compare: {}}`, and `mirror: 10%` to a stage';
  return [{ path: ['guards'], atKey: true, message }];
}

function lastStageWarnings(plan: PlanSettings): Finding[] {
  const last = plan.stages?.at(-1);
  if (last === undefined || last.weight === 100) return [];
  const message = `the last stage is ${last.weight}, and promotion to 100 follows it at once; add {weight: 100} to say so`;
  return [{ path: ['stages', (plan.stages?.length ?? 1) - 1, 'weight'], message }];
}

/** `plan` over `base`: keys it gives replace those of the base; guards and their values merge one by one. */
export function mergePlan(plan: PlanSettings, base: RolloutPlan): RolloutPlan {
  const strategy = plan.strategy ?? base.strategy;
  const guards = mergeGuards(plan.guards, base.guards);
  const mirror = mergeMirror(plan.mirror, base.mirror);
  return {
    strategy,
    smoke: plan.smoke?.map(toSmoke) ?? base.smoke,
    stages: stagesOf(plan, base, { strategy, guards, mirror }),
    guards,
    ...(mirror === undefined ? {} : { mirror }),
    ...mergePolicies(plan, base),
  };
}

function stagesOf(
  plan: PlanSettings,
  base: RolloutPlan,
  merged: Pick<RolloutPlan, 'strategy' | 'guards'> & { readonly mirror: MirrorPlan | undefined },
): readonly Stage[] {
  switch (merged.strategy) {
    case 'canary':
      return canaryStages(plan, base, merged.guards);
    case 'blue-green':
      return blueGreenStages(plan, base);
    case 'shadow': {
      const under = base.strategy === 'shadow' ? (base.stages[0]?.holdMs ?? 0) : 0;
      return [{ weight: 0, holdMs: plan.watch ?? under, mirror: (merged.mirror ?? DEFAULT_MIRROR).share }];
    }
  }
}

function canaryStages(plan: PlanSettings, base: RolloutPlan, guards: readonly Guard[]): readonly Stage[] {
  if (plan.stages !== undefined) return plan.stages.map((stage) => toStage(stage, guards));
  return base.strategy === 'canary' ? base.stages : DEFAULT_STAGES;
}

function blueGreenStages(plan: PlanSettings, base: RolloutPlan): readonly Stage[] {
  const under: Stage = { weight: 100, holdMs: 0, ...(base.strategy === 'blue-green' ? base.stages[0] : {}) };
  const { watch = under.holdMs } = plan;
  const gate = plan.gate === undefined ? under.gate : toGate(plan.gate);
  return [{ weight: 100, holdMs: watch, ...(gate === undefined ? {} : { gate }) }];
}

function toStage(stage: StageSettings, planned: readonly Guard[]): Stage {
  const { weight, hold, mirror, minRequests, gate, extend, guards } = stage;
  return {
    weight,
    holdMs: hold,
    ...(mirror === undefined ? {} : { mirror }),
    ...(minRequests === undefined ? {} : { minRequests }),
    ...(gate === undefined ? {} : { gate: toGate(gate) }),
    ...(extend === undefined ? {} : { extendMs: extend }),
    ...(guards === undefined ? {} : { guards: stageGuards(guards, planned) }),
  };
}

function toSmoke(smoke: NonNullable<PlanSettings['smoke']>[number]): SmokeRequest {
  return {
    method: smoke.method,
    path: smoke.path,
    headers: smoke.headers,
    expect: { status: smoke.expect.status, bodyIncludes: smoke.expect.body ?? null },
    timeoutMs: smoke.timeout,
  };
}
