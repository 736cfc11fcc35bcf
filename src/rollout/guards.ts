import type { RolloutUpdate } from './ports.ts';
import type { Counts, GuardEvidence, Rollout } from './rollout.ts';
import { errorRateVerdict } from './statistics.ts';
import { ITSELF } from './step.ts';

/** Adds what was counted since, judges the whole, and tells of verdicts that changed. */
export function judge(
  rollout: Rollout,
  candidate: Counts,
  stable: Counts,
): { readonly rollout: Rollout; readonly events: RolloutUpdate['events'] } {
  const { errorRate } = rollout.plan.guards;
  const judgedBefore = errorRate === null || rollout.guards.length > 0;
  if (judgedBefore && isNothing(candidate) && isNothing(stable)) return { rollout, events: [] };
  const counts = { candidate: add(rollout.counts.candidate, candidate), stable: add(rollout.counts.stable, stable) };
  const guards = errorRate === null ? [] : [errorRateVerdict(counts.candidate, errorRate)];
  return { rollout: { ...rollout, counts, guards }, events: verdictEvents(rollout, guards) };
}

function isNothing({ trials, errors }: Counts): boolean {
  return trials <= 0 && errors <= 0;
}

function add(a: Counts, b: Counts): Counts {
  const trials = a.trials + Math.max(0, b.trials);
  // The two are read one after the other from counters that others write: an error may be seen before its trial.
  return { trials, errors: Math.min(trials, a.errors + Math.max(0, b.errors)) };
}

function verdictEvents(before: Rollout, guards: readonly GuardEvidence[]): RolloutUpdate['events'] {
  return guards.flatMap((evidence) => {
    const earlier = before.guards.find((guard) => guard.guard === evidence.guard)?.verdict ?? 'inconclusive';
    if (earlier === evidence.verdict) return [];
    return [{ type: 'rollout.verdict', actor: ITSELF, data: { rollout: before.id, evidence } }];
  });
}
