import type { Stage } from '../../config/config.ts';
import type { GuardEvidence, Verdict } from '../evidence.ts';
import type { Reason } from '../step.ts';
import { traitsOf } from './table.ts';

/** Guards that fail and do not only observe. */
export function failing(guards: readonly GuardEvidence[]): readonly GuardEvidence[] {
  return guards.filter(({ verdict, dryRun }) => verdict === 'fail' && dryRun !== true);
}

/** What all guards together say, those that only observe left out: the worst of them, and `pass` where there is none. */
export function aggregate(guards: readonly GuardEvidence[]): Verdict {
  const having = guards.filter(({ dryRun }) => dryRun !== true);
  if (having.some(({ verdict }) => verdict === 'fail')) return 'fail';
  return having.some(({ verdict }) => verdict === 'inconclusive') ? 'inconclusive' : 'pass';
}

/** Why a rollout is rolled back on this evidence. */
export function reasonOf({ kind }: GuardEvidence): Reason {
  return traitsOf(kind).reason;
}

/** Those that can come to a verdict in a stage, by what the candidate gets in it. */
export function speaking<G extends Pick<GuardEvidence, 'kind'>>(
  guards: readonly G[],
  { weight, mirror }: Pick<Stage, 'weight' | 'mirror'>,
): readonly G[] {
  const has = { requests: weight > 0, copies: mirror !== undefined };
  return guards.filter(({ kind }) => {
    const { goesBy } = traitsOf(kind);
    return goesBy === undefined || has[goesBy];
  });
}

/** Whether it leaves no time for taking traffic back in steps. */
export function isUrgent({ kind }: GuardEvidence): boolean {
  return traitsOf(kind).isUrgent;
}
