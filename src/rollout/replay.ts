import { canonicalJson } from '../platform/canonical-json.ts';
import type { JournalEntry } from '../store/store.ts';
import { digestOf, type JournalData } from './journal.ts';
import { type RolloutEvent, transition } from './reducer.ts';
import type { Rollout } from './rollout.ts';
import { RULES } from './rules.ts';

/** What came of running a journal through the reducer again. */
export interface Replay {
  readonly rollout: string;
  /**
   * `same`: every state and verdict came out as recorded. `incomparable`: nothing of it was recorded under the rules of
   * this program.
   */
  readonly result: 'same' | 'differs' | 'incomparable';
  /** Entries that were read, and those of them that were inputs and computed again. */
  readonly entries: number;
  readonly recomputed: number;
  /** Verdicts of guards that were computed again. */
  readonly verdicts: number;
  /** Inputs recorded under other rules, which were passed over. */
  readonly passedOver: number;
  /** The journal begins with the rollout's first moment; false when that is no longer kept. */
  readonly whole: boolean;
  /** Where it first differs. */
  readonly difference: Difference | null;
}

export interface Difference {
  /** Id of the entry in the store; null when the journal agrees with itself but not with the rollout that is stored. */
  readonly entry: number | null;
  /** ms since the Unix epoch. */
  readonly at: number;
  /** One sentence for people. */
  readonly what: string;
  /** What the stored rollout and the computed one differ in, at most {@link SHOWN}. */
  readonly fields: readonly FieldDifference[];
}

export interface FieldDifference {
  /** E.g. `transitions[2].evidence[0].errors`. */
  readonly path: string;
  readonly stored: unknown;
  readonly computed: unknown;
}

const SHOWN = 10;

/**
 * Runs what a rollout was told through `transition` again and compares what comes out with what was recorded, to the
 * digit. A rollout that is still running may have been stored a moment before the last entries.
 *
 * @param entries of this rollout, oldest first
 */
export function replay(entries: readonly JournalEntry[], stored: Rollout): Replay {
  const run = new Run(stored);
  for (const entry of entries) run.take(entry);
  return run.result(entries.length);
}

class Run {
  readonly #stored: Rollout;
  readonly #reached = new Set<string>();
  #state: Rollout | null = null;
  #first: Rollout | null = null;
  #difference: Difference | null = null;
  #recomputed = 0;
  #verdicts = 0;
  #passedOver = 0;

  constructor(stored: Rollout) {
    this.#stored = stored;
  }

  take(entry: JournalEntry): void {
    const data = dataOf(entry.data);
    if (data === null) this.#differs(entry, 'the entry cannot be read');
    else if (data.rules !== RULES) this.#passOver(data);
    else if (data.kind === 'state') this.#takeState(entry, data.rollout);
    else if (this.#state !== null) this.#takeInput(entry, this.#state, data.event);
  }

  result(entries: number): Replay {
    const last = this.#state;
    if (this.#difference === null && last !== null && !this.#reached.has(digestOf(this.#stored))) {
      const what = 'the stored rollout is not what its journal leads to';
      this.#difference = { entry: null, at: this.#stored.startedAt, what, fields: compare(this.#stored, last) };
    }
    const compared = this.#recomputed > 0 || this.#reached.size > 0;
    return {
      rollout: this.#stored.id,
      result: this.#difference !== null ? 'differs' : compared ? 'same' : 'incomparable',
      entries,
      recomputed: this.#recomputed,
      verdicts: this.#verdicts,
      passedOver: this.#passedOver,
      whole: this.#first !== null && this.#first.transitions.length === 0,
      difference: this.#difference,
    };
  }

  /** What follows can only be computed from a state that is recorded again, under the rules of this program. */
  #passOver(data: JournalData): void {
    if (data.kind === 'state') this.#first ??= data.rollout;
    else this.#passedOver++;
    this.#state = null;
  }

  #takeState(entry: JournalEntry, rollout: Rollout): void {
    const digest = digestOf(rollout);
    if (digest !== entry.digest) this.#differs(entry, 'a recorded state is not what was recorded');
    if (this.#state !== null && digestOf(this.#state) !== digest) {
      this.#differs(entry, 'a recorded state is not what the entries before lead to');
    }
    this.#first ??= rollout;
    this.#state = rollout;
    this.#reached.add(digest);
  }

  #takeInput(entry: JournalEntry, before: Rollout, event: { readonly type: string }): void {
    const after = this.#compute(entry, before, event);
    if (after === null) return;
    const digest = digestOf(after);
    this.#state = after;
    this.#reached.add(digest);
    this.#recomputed++;
    if (after.guards !== before.guards) this.#verdicts += after.guards.length;
    if (digest !== entry.digest) this.#differs(entry, `${event.type} leads to another state than was recorded`);
  }

  /** null for what the reducer refuses. */
  #compute(entry: JournalEntry, before: Rollout, event: { readonly type: string }): Rollout | null {
    try {
      // Recorded by this reducer under these rules; of an event that it does not know it makes nothing at all.
      return transition(before, event as RolloutEvent, entry.at).rollout;
    } catch (error) {
      this.#differs(entry, `${event.type} is refused: ${error instanceof Error ? error.message : error}`);
      return null;
    }
  }

  /** The first difference counts; those after it follow from it. */
  #differs({ id, at }: JournalEntry, what: string): void {
    const fields = this.#state === null ? [] : compare(this.#stored, this.#state);
    this.#difference ??= { entry: id, at, what, fields };
  }
}

function dataOf(value: unknown): JournalData | null {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return null;
  const isState = value.kind === 'state' && 'rollout' in value;
  const isInput = value.kind === 'input' && 'event' in value;
  // Only this program writes the journal; what else was done to it shows in the digests.
  return isState || isInput ? (value as JournalData) : null;
}

/** The first leaves in which two values differ. */
function compare(stored: unknown, computed: unknown, path = ''): FieldDifference[] {
  if (canonicalJson(stored) === canonicalJson(computed)) return [];
  if (!isObject(stored) || !isObject(computed)) return [{ path, stored, computed }];
  const keys = new Set([...Object.keys(stored), ...Object.keys(computed)]);
  const found: FieldDifference[] = [];
  for (const key of keys) {
    if (found.length >= SHOWN) break;
    const at = Array.isArray(stored) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    found.push(...compare(stored[key], computed[key], at));
  }
  return found.slice(0, SHOWN);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
