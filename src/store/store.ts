import type { Outbox } from './outbox.ts';

/**
 * The store port: durable desired state under compare-and-set. Every change names the revision it was made from, and
 * every reader follows by watching, so that several gates could share one store.
 */
export interface Store<State> {
  /** The last committed state, or null in a fresh store. Throws TealgateError `store_corrupt`. */
  load(): { readonly revision: number; readonly state: State | null };
  /**
   * Durable when it returns, all of it or nothing. `conflict` when the revision has moved on: load again and redo.
   *
   * @param journal what moved rollouts; default nothing
   */
  commit(
    expectedRevision: number,
    state: State,
    events: readonly NewEvent[],
    journal?: readonly NewJournalEntry[],
  ): CommitResult;
  /** Committed events with an id greater than `since`, oldest first, at most `limit` (default 1000). */
  events(since: number, limit?: number): readonly StoredEvent[];
  /** What moved a rollout: entries with an id greater than `after`, oldest first, at most `limit` (default 1000). */
  journal(rollout: string, after: number, limit?: number): readonly JournalEntry[];
  /** Id of the newest event; 0 when there never was one. */
  latestEvent(): number;
  /** Calls back after each commit with its events, beginning after event id `since`; ends with the signal. */
  watch(since: number, onEvents: (events: readonly StoredEvent[]) => void, signal: AbortSignal): void;
  /** What is owed to others. */
  readonly outbox: Outbox;
  close(): void;
}

export type CommitResult =
  | { readonly kind: 'committed'; readonly revision: number; readonly events: readonly StoredEvent[] }
  | { readonly kind: 'conflict'; readonly revision: number };

/** An event of the audit trail and of the event stream. */
export interface NewEvent {
  /** Dotted, e.g. `rollout.stage`, `weights.changed`, `upstream.draining`. */
  readonly type: string;
  readonly service: string | null;
  /** Who did it: a token's name, `loopback`, `config`, or `tealgate` for what it does by itself. */
  readonly actor: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface StoredEvent extends NewEvent {
  /** Ascending; the `id` of server-sent events. */
  readonly id: number;
}

/** What moved a rollout, so that it can be computed again. */
export interface NewJournalEntry {
  /** The rollout's id. */
  readonly rollout: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** Of the rollout after it, to the digit. */
  readonly digest: string;
  /** A whole state, from which a replay may begin. */
  readonly isState: boolean;
  /** JSON; what is in it is the rollout's business. */
  readonly data: unknown;
}

export interface JournalEntry extends NewJournalEntry {
  /** Ascending. */
  readonly id: number;
}
