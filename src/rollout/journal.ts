import { createHash } from 'node:crypto';
import { canonicalJson } from '../platform/canonical-json.ts';
import type { NewJournalEntry } from '../store/store.ts';
import type { RolloutInput } from './ports.ts';
import type { Rollout } from './rollout.ts';
import { RULES } from './rules.ts';

/** What an entry of the journal holds, as JSON. */
export type JournalData =
  /** The rollout as it was: the journal begins there, and again after a restart and from time to time. */
  | { readonly kind: 'state'; readonly rules: number; readonly rollout: Rollout }
  /** What the reducer was told, at the entry's `at`. */
  | { readonly kind: 'input'; readonly rules: number; readonly event: RolloutInput['event'] };

/** A change of a rollout that is about to be stored. */
export interface RolloutChange {
  /** null for a new one. */
  readonly before: Rollout | null;
  readonly after: Rollout;
  /** What made it so; null when it was not the reducer. */
  readonly input: RolloutInput | null;
}

/** Inputs after which the whole rollout is written again: a journal whose beginning was pruned can be replayed from there. */
const INPUTS_PER_STATE = 1000;

/**
 * Writes down what moves rollouts, in the same commit as what became of it. It knows which rollouts it has begun in this
 * process; of any other the state comes first.
 */
export class Journal {
  readonly #inputs = new Map<string, number>();

  /** The entries for a commit. Nothing is remembered until it has succeeded: {@link written}. */
  entries(changes: readonly RolloutChange[], at: number): readonly NewJournalEntry[] {
    return changes.flatMap((change) => this.#entriesOf(change, at));
  }

  written(entries: readonly NewJournalEntry[]): void {
    for (const { rollout, isState } of entries) {
      this.#inputs.set(rollout, isState ? 0 : (this.#inputs.get(rollout) ?? 0) + 1);
    }
  }

  #entriesOf({ before, after, input }: RolloutChange, at: number): NewJournalEntry[] {
    if (before?.id !== after.id || input === null) return before === after ? [] : [stateEntry(after, at)];
    const isKnown = (this.#inputs.get(after.id) ?? INPUTS_PER_STATE) < INPUTS_PER_STATE;
    return [...(isKnown ? [] : [stateEntry(before, input.at)]), inputEntry(after, input)];
  }
}

/** Tells two rollouts apart by all their digits. */
export function digestOf(rollout: Rollout): string {
  return createHash('sha256').update(canonicalJson(rollout)).digest('hex').slice(0, 16);
}

function stateEntry(rollout: Rollout, at: number): NewJournalEntry {
  const data: JournalData = { kind: 'state', rules: RULES, rollout };
  return { rollout: rollout.id, at, digest: digestOf(rollout), isState: true, data };
}

function inputEntry(after: Rollout, { event, at }: RolloutInput): NewJournalEntry {
  const data: JournalData = { kind: 'input', rules: RULES, event };
  return { rollout: after.id, at, digest: digestOf(after), isState: false, data };
}
