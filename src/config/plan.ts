import { readBody, refuse } from './body.ts';
import type { Config, RolloutPlan } from './config.ts';
import { checkReferences } from './guards/references.ts';
import { checkPlan, mergePlan, planSchema } from './plan-schema.ts';

/**
 * The plan that a call asks for: the keys of `input`, in configuration form (`hold: "30m"`, `max: "1%"`), over `base`.
 * Nothing (`undefined` or null) is the base itself. Throws `bad_request` naming each mistake and its mend.
 * The last parameter: whom the plan may refer to; default nobody.
 */
export function parsePlan(
  input: unknown,
  base: RolloutPlan,
  { prometheus, webhooks }: Pick<Config, 'prometheus' | 'webhooks'> = { prometheus: {}, webhooks: {} },
): RolloutPlan {
  if (input === undefined || input === null) return base;
  const plan = readBody(planSchema, input, 'the plan');
  const findings = checkPlan(plan, base);
  if (findings.length > 0) refuse('the plan', findings);
  const merged = mergePlan(plan, base);
  const signed = Object.keys(webhooks).filter((name) => webhooks[name]?.secret !== null);
  const known = { prometheus: Object.keys(prometheus), webhooks: Object.keys(webhooks), signed };
  const unknown = checkReferences(merged, known);
  if (unknown.length > 0) refuse('the plan', unknown);
  return merged;
}
