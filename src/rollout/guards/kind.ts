import type { Guard } from '../../config/guards/guard.ts';
import type { Counts, GuardEvidence } from '../rollout.ts';
import type { Reason } from '../step.ts';

/** What a guard gets to see of one look: what happened since the last one that was stored. */
export interface GuardInput {
  /** Attempts that the guard counts, on each side in the same time. */
  readonly candidate: Counts;
  readonly stable: Counts;
  /**
   * A stretch of time ends with this look, of a length that has nothing to do with what was counted. Tests that compare
   * both sides stretch by stretch may bet on it; between two such looks they must not peek.
   */
  readonly closes: boolean;
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
  /** Before anything was seen. */
  begin(guard: G): State;
  advance(state: State, guard: G, input: GuardInput): State;
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
