import type { RolloutPlan } from '../config.ts';

/** What a guard can judge by; the word in `kind`, and the default name of a guard of that kind. */
export const GUARD_KINDS = ['errorRate', 'latency'] as const;
export type GuardKind = (typeof GUARD_KINDS)[number];

/** A rule that must hold during a rollout, complete: as the plan of a rollout stores it. */
export type Guard = ErrorRateGuard | LatencyGuard;
export type GuardOf<Kind extends GuardKind> = Extract<Guard, { readonly kind: Kind }>;

/** In the guards of a stage: the plan's guard of this name rests while the stage runs. */
export interface NoGuard {
  readonly name: string;
  readonly kind: 'none';
}

/** What guards of every kind have. */
export interface GuardBase {
  /** Unique among the guards of a plan; a stage's guard of the same name stands in for the plan's. */
  readonly name: string;
  /** Observes only: its verdict is told and moves nothing. */
  readonly dryRun?: true;
}

/** Trips when the evidence that the candidate's true error rate exceeds `max` reaches `confidence`. Both 0 to 1. */
export interface ErrorRateGuard extends GuardBase {
  readonly kind: 'errorRate';
  readonly max: number;
  readonly confidence: number;
}

/**
 * Trips when the evidence that more than 1 - `quantile` of the candidate's attempts take longer than `maxMs`, up to the
 * response head, reaches `confidence`. `quantile` and `confidence` 0 to 1.
 */
export interface LatencyGuard extends GuardBase {
  readonly kind: 'latency';
  readonly quantile: number;
  readonly maxMs: number;
  readonly confidence: number;
}

/** The guards that are in force in a stage (from 0): the plan's, with what the stage adds, replaces or turns off. */
export function guardsOf({ guards, stages }: Pick<RolloutPlan, 'guards' | 'stages'>, stage: number): readonly Guard[] {
  const own = stages[stage]?.guards;
  if (own === undefined) return guards;
  const names = new Set(own.map(({ name }) => name));
  const added = own.filter((guard): guard is Guard => guard.kind !== 'none');
  const inPlace = guards.flatMap((guard) =>
    names.has(guard.name) ? added.filter(({ name }) => name === guard.name) : [guard],
  );
  return [...inPlace, ...added.filter(({ name }) => !guards.some((guard) => guard.name === name))];
}
