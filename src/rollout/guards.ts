import type { RolloutUpdate } from './ports.ts';
import type { Counts, GuardEvidence, Rollout } from './rollout.ts';
import { errorRateVerdict, latencyVerdict } from './statistics.ts';
import { ITSELF } from './step.ts';

/** Adds what was counted since, judges the whole, and tells of verdicts that changed. */
export function judge(
  rollout: Rollout,
  candidate: Counts,
  stable: Counts,
): { readonly rollout: Rollout; readonly events: RolloutUpdate['events'] } {
  const { errorRate, latency } = rollout.plan.guards;
  const isGuarded = errorRate !== null || latency !== undefined;
  const judgedBefore = !isGuarded || rollout.guards.length > 0;
  if (judgedBefore && isNothing(candidate) && isNothing(stable)) return { rollout, events: [] };
  const counts = { candidate: add(rollout.counts.candidate, candidate), stable: add(rollout.counts.stable, stable) };
  const guards = [
    ...(errorRate === null ? [] : [errorRateVerdict(counts.candidate, errorRate)]),
    ...(latency === undefined ? [] : [latencyVerdict(counts.candidate, latency)]),
  ];
  return { rollout: { ...rollout, counts, guards }, events: verdictEvents(rollout, guards) };
}

function isNothing({ trials, errors }: Counts): boolean {
  return trials <= 0 && errors <= 0;
}

function add(a: Counts, b: Counts): Counts {
  const trials = a.trials + Math.max(0, b.trials);
  // They are read one after the other from counters that others write: an error may be seen before its trial.
  const within = (before = 0, more = 0): number => Math.min(trials, before + Math.max(0, more));
  return { trials, errors: within(a.errors, b.errors), slow: within(a.slow, b.slow) };
}

function verdictEvents(before: Rollout, guards: readonly GuardEvidence[]): RolloutUpdate['events'] {
  return guards.flatMap((evidence) => {
    const earlier = before.guards.find((guard) => guard.guard === evidence.guard)?.verdict ?? 'inconclusive';
    if (earlier === evidence.verdict) return [];
    return [{ type: 'rollout.verdict', actor: ITSELF, data: { rollout: before.id, evidence } }];
  });
}
