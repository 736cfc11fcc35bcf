import type { ServiceConfig } from '../config/config.ts';
import { countingRules, needsBaseline, slotOf } from '../rollout/guards/counting.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { CountingRule } from '../traffic/snapshot.ts';

/**
 * What is counted for a service now, by slot: for the rollout that is judged; without one, for the configured plan if that
 * has to know what happened before a rollout.
 */
export function rulesInForce({ rollout: plan }: ServiceConfig, judged: Rollout | null): readonly CountingRule[] {
  if (judged !== null) return countingRules(judged.plan);
  const guards = [...plan.guards, ...plan.stages.flatMap((stage) => stage.guards ?? [])];
  const isAsked = guards.some((guard) => guard.kind !== 'none' && needsBaseline(guard) && slotOf(plan, guard) !== null);
  return isAsked ? countingRules(plan) : [];
}
