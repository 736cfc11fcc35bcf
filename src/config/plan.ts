import { readBody, refuse } from './body.ts';
import type { RolloutPlan } from './config.ts';
import { checkPlan, mergePlan, planSchema } from './plan-schema.ts';

/**
 * The plan that a call asks for: the keys of `input`, in configuration form (`hold: "30m"`, `max: "1%"`), over `base`.
 * Nothing (`undefined` or null) is the base itself. Throws `bad_request` naming each mistake and its mend.
 */
export function parsePlan(input: unknown, base: RolloutPlan): RolloutPlan {
  if (input === undefined || input === null) return base;
  const plan = readBody(planSchema, input, 'the plan');
  const findings = checkPlan(plan, base);
  if (findings.length > 0) refuse('the plan', findings);
  return mergePlan(plan, base);
}
