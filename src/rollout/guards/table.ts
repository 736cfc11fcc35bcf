import type { Guard, GuardKind } from '../../config/guards/guard.ts';
import type { GuardEvidence } from '../rollout.ts';
import { errorRate } from './error-rate.ts';
import type { GuardRule } from './kind.ts';
import { latency } from './latency.ts';

/** How each kind of guard judges. */
const RULES = { errorRate, latency } as const satisfies Readonly<Record<GuardKind, unknown>>;

/** Each rule takes the guards of its own kind and the states that it made: the caller looks it up by their kind. */
export function ruleOf(kind: GuardKind): GuardRule<Guard, unknown, GuardEvidence> {
  return RULES[kind] as GuardRule<never, never, GuardEvidence> as GuardRule<Guard, unknown, GuardEvidence>;
}
