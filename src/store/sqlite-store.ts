import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { TealgateError } from '../platform/errors.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { setAside } from './set-aside.ts';
import { useError } from './sqlite-errors.ts';
import { DamagedFile, locateFile, openFile } from './sqlite-file.ts';
import type { CommitResult, JournalEntry, NewEvent, NewJournalEntry, Store, StoredEvent } from './store.ts';
import { Watchers } from './watchers.ts';

export interface SqliteStoreOptions<State> {
  /**
   * Turns what was stored into a state, or throws. A TealgateError passes through with the path in front and leaves the
   * file where it is; anything else counts as damage. Default: what was stored is taken as it is.
   */
  readonly validate?: (stored: unknown) => State;
  /** Newest events that are kept; default 10,000. */
  readonly keepEvents?: number;
  /** Newest entries of the journal that are kept, of all rollouts together; default 50,000. */
  readonly keepJournal?: number;
  /** Names a damaged file when it is set aside. ms since the Unix epoch; default the system's clock. */
  readonly wallMs?: () => number;
}

/**
 * The embedded store: one SQLite file, durable at each commit, locked to this process while it is open.
 *
 * Throws TealgateError: `store_corrupt` when the file is damaged, after moving it to `<path>.corrupt-<UTC time>`;
 * `store_conflict` when another process has it open; `invalid_config` when the directory is missing, the file cannot
 * be written, belongs to another program or has a format this version does not know (such a file is not touched).
 *
 * @param at a file or a link to one, made when it is missing, or `:memory:`
 */
export function openSqliteStore<State>(at: string, options: SqliteStoreOptions<State> = {}): Store<State> {
  const path = locateFile(at);
  const atMs = (options.wallMs ?? Date.now)();
  const db = openOrSetAside(path, atMs);
  const store = new SqliteStore<State>(db, path, options);
  try {
    store.load();
    return store;
  } catch (error) {
    store.close();
    if (error instanceof DamagedFile) throw setAside(path, error.message, { atMs, cause: error.cause });
    throw error;
  }
}

function openOrSetAside(path: string, atMs: number): DatabaseSync {
  try {
    return openFile(path);
  } catch (error) {
    if (error instanceof DamagedFile) throw setAside(path, error.message, { atMs, cause: error.cause });
    throw error;
  }
}

class SqliteStore<State> implements Store<State> {
  readonly outbox: Outbox;
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #validate: (stored: unknown) => State;
  readonly #keepEvents: number;
  readonly #keepJournal: number;
  readonly #watchers: Watchers;
  readonly #read: StatementSync;
  readonly #write: StatementSync;
  readonly #append: StatementSync;
  readonly #prune: StatementSync;
  readonly #since: StatementSync;
  readonly #note: StatementSync;
  readonly #pruneJournal: StatementSync;
  readonly #notes: StatementSync;
  readonly #latest: StatementSync;

  constructor(db: DatabaseSync, path: string, options: SqliteStoreOptions<State>) {
    this.#db = db;
    this.#path = path;
    // Without a validator the caller vouches that State is what it stored.
    this.#validate = options.validate ?? ((stored) => stored as State);
    this.#keepEvents = options.keepEvents ?? 10_000;
    this.#keepJournal = options.keepJournal ?? 50_000;
    this.#watchers = new Watchers((since) => this.events(since));
    this.outbox = createOutbox(db, (work) => this.#use(work));
    this.#read = db.prepare('SELECT revision, state FROM desired');
    this.#write = db.prepare('UPDATE desired SET revision = revision + 1, state = ? WHERE revision = ?');
    this.#append = db.prepare('INSERT INTO events (type, service, actor, at, data) VALUES (?, ?, ?, ?, ?)');
    this.#prune = db.prepare('DELETE FROM events WHERE id <= ?');
    this.#latest = db.prepare('SELECT max(id) AS id FROM events');
    this.#since = db.prepare('SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?');
    this.#note = db.prepare('INSERT INTO journal (rollout, at, digest, is_state, data) VALUES (?, ?, ?, ?, ?)');
    this.#pruneJournal = db.prepare('DELETE FROM journal WHERE id <= ?');
    this.#notes = db.prepare('SELECT * FROM journal WHERE rollout = ? AND id > ? ORDER BY id LIMIT ?');
  }

  load(): { readonly revision: number; readonly state: State | null } {
    const row = this.#use(() => this.#read.get());
    const revision = Number(row?.revision);
    return { revision, state: row?.state === null ? null : this.#parse(String(row?.state)) };
  }

  commit(
    expectedRevision: number,
    state: State,
    events: readonly NewEvent[],
    journal: readonly NewJournalEntry[] = [],
  ): CommitResult {
    const json = JSON.stringify(state);
    return this.#use(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        if (this.#write.run(json, expectedRevision).changes === 0) {
          this.#db.exec('ROLLBACK');
          return { kind: 'conflict', revision: Number(this.#read.get()?.revision) };
        }
        const stored = events.map((event) => this.#store(event));
        const newest = stored.at(-1);
        if (newest !== undefined) this.#prune.run(newest.id - this.#keepEvents);
        this.#storeJournal(journal);
        this.#db.exec('COMMIT');
        if (newest !== undefined) this.#watchers.wake();
        return { kind: 'committed', revision: expectedRevision + 1, events: stored };
      } catch (error) {
        // Some errors (a full disk among them) make SQLite roll back by itself.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  events(since: number, limit = 1000): readonly StoredEvent[] {
    return this.#use(() => this.#since.all(since, limit).map(toEvent));
  }

  journal(rollout: string, after: number, limit = 1000): readonly JournalEntry[] {
    return this.#use(() => this.#notes.all(rollout, after, limit).map(toEntry));
  }

  latestEvent(): number {
    return this.#use(() => Number(this.#latest.get()?.id ?? 0));
  }

  watch(since: number, onEvents: (events: readonly StoredEvent[]) => void, signal: AbortSignal): void {
    this.#watchers.add(since, onEvents, signal);
  }

  close(): void {
    this.#watchers.close();
    if (this.#db.isOpen) this.#db.close();
  }

  #store(event: NewEvent): StoredEvent {
    const { type, service, actor, at, data } = event;
    const { lastInsertRowid } = this.#append.run(type, service, actor, at, JSON.stringify(data));
    return { id: Number(lastInsertRowid), type, service, actor, at, data };
  }

  #storeJournal(entries: readonly NewJournalEntry[]): void {
    let newest = 0;
    for (const { rollout, at, digest, isState, data } of entries) {
      const { lastInsertRowid } = this.#note.run(rollout, at, digest, isState ? 1 : 0, JSON.stringify(data));
      newest = Number(lastInsertRowid);
    }
    if (newest > 0) this.#pruneJournal.run(newest - this.#keepJournal);
  }

  #parse(json: string): State {
    let stored: unknown;
    try {
      stored = JSON.parse(json);
    } catch (cause) {
      throw new DamagedFile('its state is not JSON', { cause });
    }
    try {
      return this.#validate(stored);
    } catch (cause) {
      if (!(cause instanceof TealgateError)) throw new DamagedFile('its state is not valid', { cause });
      throw new TealgateError(cause.code, `${this.#path}: ${cause.message}`, { cause, details: { ...cause.details } });
    }
  }

  #use<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw useError(this.#path, error);
    }
  }
}

function toEvent(row: Record<string, unknown>): StoredEvent {
  return {
    id: Number(row.id),
    type: String(row.type),
    service: row.service === null ? null : String(row.service),
    actor: String(row.actor),
    at: Number(row.at),
    data: JSON.parse(String(row.data)),
  };
}

function toEntry(row: Record<string, unknown>): JournalEntry {
  return {
    id: Number(row.id),
    rollout: String(row.rollout),
    at: Number(row.at),
    digest: String(row.digest),
    isState: row.is_state === 1,
    data: readable(String(row.data)),
  };
}

/** What cannot be read is for the replay to tell: nothing that runs depends on it. */
function readable(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
