import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TealgateError } from '../platform/errors.ts';
import { OUTBOX_TABLES } from './outbox.ts';
import { isDamage, openError, sqliteResult } from './sqlite-errors.ts';

/** `Teal` in ASCII; marks a SQLite file as ours (https://sqlite.org/pragma.html#pragma_application_id). */
const APPLICATION_ID = 0x5465616c;
/** Version of the tables below. */
const FORMAT = 3;
/** The state holds the keys that sign pin cookies. SQLite gives its journal the same mode. */
const OWNER_ONLY = 0o600;
/** A predecessor that is just closing gets this long to let go of the file. */
const LOCK_WAIT_MS = 500;

const JOURNAL_TABLE = `
  CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout TEXT NOT NULL,
    at REAL NOT NULL,
    digest TEXT NOT NULL,
    is_state INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX journal_rollout ON journal (rollout, id);`;

/** What brings a file of an older format one further; the first is for format 1. */
const MIGRATIONS: readonly string[] = [JOURNAL_TABLE, OUTBOX_TABLES];

/** AUTOINCREMENT: ids of pruned events are never given again, since clients resume by them. */
const TABLES = `
  CREATE TABLE desired (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    state TEXT
  ) STRICT;
  INSERT INTO desired (id, revision, state) VALUES (1, 0, NULL);
  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    service TEXT,
    actor TEXT NOT NULL,
    at REAL NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  ${JOURNAL_TABLE}
  ${OUTBOX_TABLES}
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};`;

/** Why a file is not a whole store of ours; thrown for damage, which the caller sets aside. */
export class DamagedFile extends Error {
  override readonly name = 'DamagedFile';
}

/**
 * The file itself where the path is a link to it, whether it is there already or not: it is made and set aside where it
 * is, and the link stays. Throws `invalid_config` when the path leads nowhere.
 */
export function locateFile(path: string): string {
  try {
    // Throws for links that lead to each other.
    statSync(path, { throwIfNoEntry: false });
    let file = path;
    while (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) {
      file = resolve(realpathSync(dirname(file)), readlinkSync(file));
    }
    return file;
  } catch (error) {
    throw openError(path, error);
  }
}

/**
 * Opens a store's file with an exclusive lock, creating it when there is none. Throws {@link DamagedFile} when its bytes
 * are wrong, and a TealgateError when it is in use, out of reach, or not ours.
 */
export function openFile(path: string): DatabaseSync {
  if (path === ':memory:') return inMemory();
  requireDirectory(path);
  const bytes = fileBytes(path);
  if (bytes === 0) throw new DamagedFile('it is empty');
  if (bytes === null) createFile(path);
  return openExisting(path);
}

function inMemory(): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  db.exec(TABLES);
  return db;
}

function openExisting(path: string): DatabaseSync {
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
    requireOurs(db, path);
    // A rollback journal leaves one file and nothing beside it once closed; EXTRA makes each commit survive the loss of
    // power. Measured: 0.4 ms for a commit of 30 KB.
    db.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA locking_mode = EXCLUSIVE;');
    // In this mode the lock of the first write is kept until the file is closed.
    db.exec('BEGIN EXCLUSIVE; COMMIT;');
    requireIntact(db, path);
    requireWritable(db, path);
    migrate(db);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof DamagedFile || error instanceof TealgateError) throw error;
    if (isDamage(error)) throw new DamagedFile('SQLite cannot read it', { cause: error });
    throw openError(path, error);
  }
}

/** First of all, and before anything is written: another program's database is not ours to touch. */
function requireOurs(db: DatabaseSync, path: string): void {
  // SQLite takes a file that is shorter than its first page for an empty database.
  if (pragma(db, 'page_count') === 0) throw new DamagedFile('it is cut short');
  if (pragma(db, 'application_id') !== APPLICATION_ID) {
    throw new TealgateError(
      'invalid_config',
      `${path} is a SQLite database of another program: point store.path at a file of its own`,
      { details: { path } },
    );
  }
  const version = pragma(db, 'user_version');
  if (typeof version === 'number' && version >= 1 && version <= FORMAT) return;
  throw new TealgateError(
    'invalid_config',
    `the store ${path} has format ${version}, and this version of Tealgate reads formats up to ${FORMAT}: run the version that wrote it, or point store.path at another file`,
    { details: { path, format: version } },
  );
}

function requireIntact(db: DatabaseSync, path: string): void {
  // A last page that is cut reads as if it ended in zeros, which the check below takes for content.
  const expectedBytes = Number(pragma(db, 'page_count')) * Number(pragma(db, 'page_size'));
  if ((fileBytes(path) ?? 0) < expectedBytes) throw new DamagedFile('it is cut short');
  const found = Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0];
  if (found !== 'ok') throw new DamagedFile(String(found));
  const rows = db.prepare('SELECT count(*) AS n FROM desired').get();
  if (rows?.n !== 1) throw new DamagedFile('it holds no state');
  // Whoever follows the events later could do nothing about one that cannot be read.
  const unreadable = db.prepare('SELECT min(id) AS id FROM events WHERE NOT json_valid(data)').get();
  if (unreadable?.id !== null) throw new DamagedFile(`its event ${unreadable?.id} is not JSON`);
  db.prepare('SELECT id, type, service, actor, at, data FROM events LIMIT 1').get();
}

/** In one transaction: a file has the one format or the other, whenever we are killed. */
function migrate(db: DatabaseSync): void {
  const version = Number(pragma(db, 'user_version'));
  if (version === FORMAT) return;
  const steps = MIGRATIONS.slice(version - 1).join('\n');
  db.exec(`BEGIN; ${steps} PRAGMA user_version = ${FORMAT}; COMMIT;`);
}

/**
 * That the file or its directory is read-only shows at the first write: better at the start than at a command. A disk that
 * is full is no reason not to serve.
 */
function requireWritable(db: DatabaseSync, path: string): void {
  try {
    db.exec(`BEGIN; PRAGMA application_id = ${APPLICATION_ID}; COMMIT;`);
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    const result = sqliteResult(error);
    if (result === 'readonly' && isFromTheFuture(path)) throw new DamagedFile('its header is wrong', { cause: error });
    if (result !== 'full' && result !== 'io') throw error;
  }
}

/** SQLite only reads a file whose write version (https://sqlite.org/fileformat.html, 1.3.2) is beyond 2; ours have 1. */
function isFromTheFuture(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const version = Buffer.alloc(1);
    readSync(file, version, 0, 1, 18);
    return version.readUInt8() > 2;
  } finally {
    closeSync(file);
  }
}

type Fact = 'application_id' | 'user_version' | 'page_count' | 'page_size';

function pragma(db: DatabaseSync, name: Fact): unknown {
  return db.prepare(`PRAGMA ${name}`).get()?.[name];
}

/**
 * A new file appears under its name whole or not at all: so an empty file is always damage, never a start that was
 * interrupted. `link` does not replace the file of another process that was faster.
 */
function createFile(path: string): void {
  const draft = `${path}.new-${process.pid}`;
  try {
    // Of a file that was taken away after its process was killed: SQLite would play it back into the new one.
    rmSync(`${path}-journal`, { force: true });
    rmSync(draft, { force: true });
    rmSync(`${draft}-journal`, { force: true });
    const db = new DatabaseSync(draft);
    try {
      db.exec(`PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; BEGIN; ${TABLES} COMMIT;`);
    } finally {
      db.close();
    }
    chmodSync(draft, OWNER_ONLY);
    publish(draft, path);
  } catch (error) {
    throw openError(path, error);
  } finally {
    rmSync(draft, { force: true });
  }
}

function publish(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'EEXIST') return;
    // File systems without hard links (vfat, some network and container mounts).
    renameSync(draft, path);
  }
}

function requireDirectory(path: string): void {
  const directory = dirname(path);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new TealgateError(
    'invalid_config',
    `the directory ${directory} of the store ${path} does not exist: create it, or change store.path`,
    { details: { path } },
  );
}

/** Asked of the directory, not of the file: closing any descriptor of it would drop this process's locks on it. */
function fileBytes(path: string): number | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (stat.isFile()) return stat.size;
  throw new TealgateError('invalid_config', `the store ${path} is not a regular file: change store.path`, {
    details: { path },
  });
}
