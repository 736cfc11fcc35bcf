import type { Guard, GuardKind } from '../../config/guards/guard.ts';
import type { GuardEvidence } from '../evidence.ts';
import { business } from './business.ts';
import { collateral } from './collateral.ts';
import { compare } from './compare.ts';
import { errorRate } from './error-rate.ts';
import { errorRateVersus } from './error-rate-versus.ts';
import type { GuardRule } from './kind.ts';
import { latency } from './latency.ts';
import { latencyVersus } from './latency-versus.ts';
import { metric } from './metric.ts';
import { webhook } from './webhook.ts';

/** How each kind of guard judges. */
const RULES = { errorRate, latency, collateral, business, compare, metric, webhook } as const satisfies Readonly<
  Record<GuardKind, unknown>
>;
/** How those judge that are held against stable. */
const VERSUS = { errorRate: errorRateVersus, latency: latencyVersus, compare } as const;

type AnyRule = GuardRule<Guard, unknown, GuardEvidence>;

/** Each rule takes guards as the one it is looked up for, and the states that it made. */
export function ruleOf(guard: Guard): AnyRule {
  const rule = 'versus' in guard ? VERSUS[guard.kind] : RULES[guard.kind];
  return rule as GuardRule<never, never, GuardEvidence> as AnyRule;
}

/** What all guards of a kind have in common. */
export function traitsOf(kind: GuardKind): Pick<AnyRule, 'reason' | 'isUrgent' | 'goesBy'> {
  return RULES[kind];
}
