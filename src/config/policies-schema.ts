import { z } from 'zod';
import type { RolloutPolicies } from './config.ts';
import type { Finding } from './problem.ts';
import { duration, object } from './values.ts';

/** Keys of a plan that say what happens when a rollout cannot simply go on. */
export const policyKeys = {
  onInconclusive: z
    .enum(['advance', 'pause'])
    .optional()
    .describe('When a guard is still inconclusive at the end of a stage: `advance` (default), or `pause`.'),
  extend: duration()
    .optional()
    .describe('How much longer than its hold a stage waits for guards that are inconclusive; default `0s`.'),
  onNoTraffic: z
    .enum(['advance', 'hold', 'rollback'])
    .optional()
    .describe(
      'When the candidate got no request during the hold of a stage: `advance` (default), `hold` until one comes, or `rollback`.',
    ),
  deadline: z
    .union([z.literal('none'), duration({ minMs: 1 })], { error: 'give none, or a duration such as 4h' })
    .optional()
    .describe('The longest that the rollout waits for something in one place; `none` (default) waits for ever.'),
  onDeadline: z.enum(['abort', 'rollback', 'promote']).optional().describe('What happens then; default `abort`.'),
  keepWarm: duration()
    .optional()
    .describe('How long the old side stays as it is after a promotion, before it drains; default `0s`.'),
  rollback: object({
    ramp: duration()
      .optional()
      .describe('The weight returns to stable in steps within this time; `0s` (default) at once.'),
  })
    .optional()
    .describe('How traffic is taken back. Errors of the candidate always take it back at once.'),
};

type PolicySettings = { readonly [Key in keyof typeof policyKeys]?: z.output<(typeof policyKeys)[Key]> };

/** `plan` over `base`; what neither says is absent, and what equals the default too. */
export function mergePolicies(plan: PolicySettings, base: RolloutPolicies): RolloutPolicies {
  const onInconclusive = plan.onInconclusive ?? base.onInconclusive;
  const onNoTraffic = plan.onNoTraffic ?? base.onNoTraffic;
  const onDeadline = plan.onDeadline ?? base.onDeadline;
  const deadlineMs = plan.deadline === 'none' ? undefined : (plan.deadline ?? base.deadlineMs);
  return {
    ...(onInconclusive === 'pause' ? { onInconclusive } : {}),
    ...atLeastOne('extendMs', plan.extend ?? base.extendMs),
    ...(onNoTraffic === undefined || onNoTraffic === 'advance' ? {} : { onNoTraffic }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(onDeadline === undefined || onDeadline === 'abort' ? {} : { onDeadline }),
    ...atLeastOne('keepWarmMs', plan.keepWarm ?? base.keepWarmMs),
    ...atLeastOne('rampMs', plan.rollback?.ramp ?? base.rampMs),
  };
}

/** What is wrong between these keys. */
export function checkPolicies(plan: PolicySettings, base: RolloutPolicies): Finding[] {
  const deadline = plan.deadline ?? base.deadlineMs ?? 'none';
  if (plan.onDeadline === undefined || deadline !== 'none') return [];
  return [{ path: ['onDeadline'], atKey: true, message: 'needs a `deadline`, such as `deadline: 4h`' }];
}

function atLeastOne<Key extends string>(key: Key, ms: number | undefined): { readonly [K in Key]?: number } {
  // The computed key is of type `string` to the compiler.
  return ms === undefined || ms === 0 ? {} : ({ [key]: ms } as { readonly [K in Key]?: number });
}
