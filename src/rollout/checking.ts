import { goTo } from './progress.ts';
import type { Baseline, Rollout, SmokeResult } from './rollout.ts';
import { ITSELF, move, type Step, stableWeights, unchanged } from './step.ts';

/** pending → checking: from here on weights are the rollout's, and the candidate has none yet. */
export function start(rollout: Rollout, at: number): Step {
  if (rollout.position.phase !== 'pending') return unchanged(rollout);
  return move(rollout, { phase: 'checking' }, { reason: 'started', actor: rollout.actor, at }, [
    stableWeights(rollout),
  ]);
}

interface Passed {
  readonly results: readonly SmokeResult[];
  readonly baseline?: Baseline;
}

/** checking → progressing: every target answered as it should, so the first stage begins, or paused at its gate. */
export function smokePassed(rollout: Rollout, { results, baseline }: Passed, at: number): Step {
  if (rollout.position.phase !== 'checking') return unchanged(rollout);
  const begun = { ...rollout, smoke: results, ...(baseline === undefined ? {} : { baseline }) };
  return goTo(begun, 0, { reason: 'smoke_passed', actor: ITSELF, at });
}

/** checking → failed: the candidate never had any traffic, so there is nothing to take back. */
export function smokeFailed(rollout: Rollout, results: readonly SmokeResult[], at: number): Step {
  if (rollout.position.phase !== 'checking') return unchanged(rollout);
  const failed = { phase: 'failed' as const, stage: 0, reason: 'smoke', endedAt: at };
  const step = move({ ...rollout, smoke: results }, failed, { reason: 'smoke', actor: ITSELF, at }, []);
  const smoke = results.filter((result) => !result.ok);
  return { ...step, events: step.events.map((event) => ({ ...event, data: { ...event.data, smoke } })) };
}
