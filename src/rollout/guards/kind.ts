import type { Guard } from '../../config/guards/guard.ts';
import type { CountingRule } from '../../traffic/snapshot.ts';
import type { GuardEvidence } from '../evidence.ts';
import type { Counts, Sides } from '../rollout.ts';
import type { Reason } from '../step.ts';

/** What a guard gets to see of one look: the attempts that count for it since the last look that was stored. */
export interface GuardInput extends Sides {
  /**
   * A stretch of time ends with this look, of a length that has nothing to do with what was counted. Tests that compare
   * both sides stretch by stretch may bet on it; between two such looks they must not peek.
   */
  readonly closes: boolean;
  /** What counts for it of stable's attempts before the rollout; absent: nothing is known of them. */
  readonly baseline?: Counts;
  /** What was asked elsewhere on behalf of this guard, when there is something new. */
  readonly observation?: unknown;
}

/**
 * A kind of guard: how it takes in what a look shows, and what it says of all that it took in. Pure, and `State` is
 * plain JSON: the same looks give the same evidence, to the digit.
 */
export interface GuardRule<G extends Guard, State, Evidence extends GuardEvidence> {
  /** Why the rollout is rolled back when such a guard fails; one of a closed set, since metrics carry it as a label. */
  readonly reason: Reason;
  /** Requests fail meanwhile: traffic is taken back at once, whatever ramp the plan has. */
  readonly isUrgent: boolean;
  /**
   * It goes by requests that the candidate was given, or by copies: it has nothing new to say in a stage of weight 0, or in
   * one that does not mirror. Absent: by something else.
   */
  readonly goesBy?: 'requests' | 'copies';
  /** It compares with what stable did before the rollout. */
  readonly needsBaseline?: true;
  /** What the workers have to count for it; null, or none of it: all attempts, which are counted anyway. */
  counts?(guard: G): CountingRule | null;
  /** Before anything was seen. */
  begin(guard: G): State;
  advance(state: State, guard: G, input: GuardInput): State;
  /** The split between the sides changes: what was seen under the old one must not be mixed with what follows; by default it may. */
  turn?(state: State, guard: G): State;
  judge(guard: G, state: State): Evidence;
}

/** What evidence has of its guard. */
export function evidenceOf<G extends Guard>({
  name,
  kind,
  dryRun,
}: G): {
  readonly guard: string;
  readonly kind: G['kind'];
  readonly dryRun?: true;
} {
  return { guard: name, kind, ...(dryRun === undefined ? {} : { dryRun }) };
}
