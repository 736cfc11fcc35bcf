import type { RolloutPlan } from '../../config/config.ts';
import type { Guard } from '../../config/guards/guard.ts';
import type { CountingRule } from '../../traffic/snapshot.ts';
import { ruleOf } from './table.ts';

const known = new WeakMap<RolloutPlan, readonly CountingRule[]>();

/**
 * What the workers count for the guards of a plan besides all attempts: one rule for each slot, the same ones in every
 * stage, so that a slot keeps its meaning as long as the rollout runs. Guards that count alike share a slot.
 */
export function countingRules(plan: RolloutPlan): readonly CountingRule[] {
  const before = known.get(plan);
  if (before !== undefined) return before;
  const guards = [...plan.guards, ...plan.stages.flatMap((stage) => stage.guards ?? [])];
  const rules = guards.flatMap((guard) => (guard.kind === 'none' ? [] : (ruleFor(guard) ?? [])));
  const distinct = rules.filter((rule, i) => rules.findIndex((other) => isSame(rule, other)) === i);
  known.set(plan, distinct);
  return distinct;
}

/** The slot that counts for a guard; null: it goes by all attempts. */
export function slotOf(plan: RolloutPlan, guard: Guard): number | null {
  const rule = ruleFor(guard);
  if (rule === null) return null;
  const slot = countingRules(plan).findIndex((other) => isSame(rule, other));
  return slot < 0 ? null : slot;
}

/** It compares with what stable did before the rollout. */
export function needsBaseline(guard: Guard): boolean {
  return ruleOf(guard).needsBaseline === true;
}

function ruleFor(guard: Guard): CountingRule | null {
  return ruleOf(guard).counts?.(guard) ?? null;
}

/** Rules are made with their keys in the same order. */
function isSame(a: CountingRule, b: CountingRule): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
