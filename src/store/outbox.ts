import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Something that must reach somebody, kept until it has, or until nobody tries any more. */
export interface Delivery {
  /** The same for each attempt. */
  readonly id: string;
  /** To whom, by the name that the configuration gives it. */
  readonly to: string;
  /** What is to be told; its meaning is the sender's. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** ms since the Unix epoch. */
  readonly queuedAt: number;
  readonly attempts: number;
  /** When it is tried next, ms since the Unix epoch; null once it is dead. */
  readonly dueAt: number | null;
  /** When it was given up; null while it is not. */
  readonly deadAt: number | null;
  /** Of the last attempt; empty before the first. */
  readonly error: string;
}

export type NewDelivery = Pick<Delivery, 'id' | 'to' | 'payload' | 'queuedAt'>;

/**
 * A durable queue of what is owed to others. It follows the event log by a cursor: deliveries and the cursor behind the
 * events that they came from are one commit, so that none is lost or doubled by a crash in between.
 */
export interface Outbox {
  /** Id of the last event that was looked at; null before the first time. */
  cursor(): number | null;
  /** Durable when it returns. */
  queue(cursor: number | null, deliveries: readonly NewDelivery[]): void;
  /** The next one for somebody, by when it is due; null when nothing waits. */
  next(to: string): Delivery | null;
  /** Names for whom something waits. */
  waiting(): readonly string[];
  /** It has arrived, or must never be sent: forgotten. */
  remove(id: string): void;
  /** It failed, and is due again at `dueAt`. */
  postpone(id: string, dueAt: number, error: string): void;
  /** It failed for good. The newest 1,000 of these are kept. */
  bury(id: string, deadAt: number, error: string): void;
  /** How many wait for each receiver, and how many were given up. */
  counts(): readonly { readonly to: string; readonly waiting: number; readonly dead: number }[];
  /** Those that were given up, newest first. */
  dead(limit: number): readonly Delivery[];
  /** Queues a dead one again, under the same id and with its attempts forgotten. False when there is none such. */
  revive(id: string, dueAt: number): boolean;
}

const KEPT_DEAD = 1000;

/** Since format 3 of the file. */
export const OUTBOX_TABLES = `
  CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    recipient TEXT NOT NULL,
    payload TEXT NOT NULL,
    queued_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL,
    dead_at REAL,
    error TEXT NOT NULL DEFAULT ''
  ) STRICT;
  CREATE INDEX outbox_due ON outbox (recipient, due_at) WHERE due_at IS NOT NULL;
  CREATE TABLE outbox_cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    event INTEGER NOT NULL
  ) STRICT;`;

/** @param use wraps each access, to tell what went wrong in words */
export function createOutbox(db: DatabaseSync, use: <T>(work: () => T) => T): Outbox {
  const sql = prepare(db);
  return {
    cursor: () => use(() => numberOf(sql.cursor.get()?.event)),
    queue: (cursor, deliveries) => use(() => queue(db, sql, cursor, deliveries)),
    next: (to) => use(() => toDelivery(sql.next.get(to))),
    waiting: () => use(() => sql.waiting.all().map((row) => String(row.recipient))),
    remove: (id) => use(() => void sql.remove.run(id)),
    postpone: (id, dueAt, error) => use(() => void sql.postpone.run(dueAt, error, id)),
    bury: (id, deadAt, error) =>
      use(() => {
        sql.bury.run(deadAt, error, id);
        sql.prune.run(KEPT_DEAD);
      }),
    counts: () =>
      use(() =>
        sql.counts.all().map(({ recipient, waiting, dead }) => ({
          to: String(recipient),
          waiting: Number(waiting),
          dead: Number(dead),
        })),
      ),
    dead: (limit) => use(() => sql.dead.all(limit).flatMap((row) => toDelivery(row) ?? [])),
    revive: (id, dueAt) => use(() => sql.revive.run(dueAt, id).changes === 1),
  };
}

type Sql = ReturnType<typeof prepare>;

function prepare(db: DatabaseSync) {
  return {
    cursor: db.prepare('SELECT event FROM outbox_cursor'),
    moveCursor: db.prepare('INSERT INTO outbox_cursor (id, event) VALUES (1, ?) ON CONFLICT DO UPDATE SET event = ?1'),
    dropCursor: db.prepare('DELETE FROM outbox_cursor'),
    insert: db.prepare('INSERT INTO outbox (id, recipient, payload, queued_at, due_at) VALUES (?, ?, ?, ?, ?4)'),
    next: db.prepare('SELECT * FROM outbox WHERE recipient = ? AND due_at IS NOT NULL ORDER BY due_at, rowid LIMIT 1'),
    waiting: db.prepare('SELECT DISTINCT recipient FROM outbox WHERE due_at IS NOT NULL'),
    counts: db.prepare(
      'SELECT recipient, count(due_at) AS waiting, count(dead_at) AS dead FROM outbox GROUP BY recipient',
    ),
    remove: db.prepare('DELETE FROM outbox WHERE id = ?'),
    postpone: db.prepare('UPDATE outbox SET attempts = attempts + 1, due_at = ?, error = ? WHERE id = ?'),
    bury: db.prepare('UPDATE outbox SET attempts = attempts + 1, due_at = NULL, dead_at = ?, error = ? WHERE id = ?'),
    prune: db.prepare(
      'DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE dead_at IS NOT NULL ORDER BY dead_at DESC LIMIT -1 OFFSET ?)',
    ),
    dead: db.prepare('SELECT * FROM outbox WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, rowid DESC LIMIT ?'),
    revive: db.prepare(
      'UPDATE outbox SET attempts = 0, due_at = ?, dead_at = NULL WHERE id = ? AND dead_at IS NOT NULL',
    ),
  } satisfies Record<string, StatementSync>;
}

function queue(db: DatabaseSync, sql: Sql, cursor: number | null, deliveries: readonly NewDelivery[]): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const { id, to, payload, queuedAt } of deliveries) {
      sql.insert.run(id, to, JSON.stringify(payload), queuedAt);
    }
    if (cursor === null) sql.dropCursor.run();
    else sql.moveCursor.run(cursor);
    db.exec('COMMIT');
  } catch (error) {
    // Some errors (a full disk among them) make SQLite roll back by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function toDelivery(row: Record<string, unknown> | undefined): Delivery | null {
  if (row === undefined) return null;
  return {
    id: String(row.id),
    to: String(row.recipient),
    payload: JSON.parse(String(row.payload)),
    queuedAt: Number(row.queued_at),
    attempts: Number(row.attempts),
    dueAt: numberOf(row.due_at),
    deadAt: numberOf(row.dead_at),
    error: String(row.error),
  };
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
