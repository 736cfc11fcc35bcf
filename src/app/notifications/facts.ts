import type { StoredEvent } from '../../store/store.ts';

/** What an event of a rollout tells, as far as it does. */
export interface RolloutFacts {
  readonly service: string;
  /** Id of the rollout. */
  readonly rollout: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly phase: string | null;
  readonly reason: string | null;
  /** From 1. */
  readonly stage: number | null;
  readonly stages: number | null;
  /** The guard that an event is about, and its verdict. */
  readonly guard: string | null;
  readonly verdict: string | null;
  /** What a gate said. */
  readonly said: string | null;
  readonly weight: number | null;
  /** How many transitions the rollout had made by then: a moment that never comes again. */
  readonly transition: number | null;
  /** Sentences of the guards: those that failed; where none did, of all. */
  readonly evidence: readonly string[];
}

/** Reads an event back from the store, where its data is whatever the version that wrote it put there. */
export function factsOf({ service, data }: StoredEvent): RolloutFacts {
  const stage = numberOf(data.stage);
  return {
    service: service ?? '',
    rollout: textOf(data.rollout),
    from: textOf(data.from),
    to: textOf(data.to),
    phase: textOf(data.phase),
    reason: textOf(data.reason),
    stage: stage === null ? null : stage + 1,
    stages: numberOf(data.stages),
    guard: isObject(data.evidence) ? textOf(data.evidence.guard) : null,
    verdict: isObject(data.evidence) ? textOf(data.evidence.verdict) : null,
    said: textOf(data.said),
    weight: numberOf(data.weight),
    transition: numberOf(data.transition),
    evidence: sentences(data.evidence),
  };
}

function sentences(evidence: unknown): string[] {
  const all = (Array.isArray(evidence) ? evidence : [evidence]).filter(isObject);
  const failed = all.filter(({ verdict, dryRun }) => verdict === 'fail' && dryRun !== true);
  return (failed.length > 0 ? failed : all).flatMap(({ summary }) => textOf(summary) ?? []);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
