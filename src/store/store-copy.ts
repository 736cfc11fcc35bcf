import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TealgateError } from '../platform/errors.ts';
import { sqliteResult } from './sqlite-errors.ts';
import { locateFile } from './sqlite-file.ts';
import { openSqliteStore, type SqliteStoreOptions } from './sqlite-store.ts';
import type { Store } from './store.ts';

const OWNER_ONLY = 0o600;

/** What is read of a store that nobody has open. */
export type StoreCopy<State> = Pick<Store<State>, 'load' | 'journal' | 'close'>;

/**
 * Opens a copy of a store's file, with what a killed process left in its journal: to look at it without touching it, not
 * even to finish an interrupted commit. The copy goes with `close`.
 *
 * Throws TealgateError: `not_found` when there is no such file, `store_conflict` while a gate has it open, and what
 * {@link openSqliteStore} throws.
 */
export function openStoreCopy<State>(at: string, options: SqliteStoreOptions<State> = {}): StoreCopy<State> {
  const path = locateFile(at);
  if (!existsSync(path)) throw new TealgateError('not_found', `there is no store ${path}`, { details: { path } });
  refuseWhileInUse(path);
  const directory = mkdtempSync(join(tmpdir(), 'tealgate-copy-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const copy = join(directory, 'copy.db');
    copyFileSync(path, copy);
    // The mode is copied, too, and the original may be read-only.
    chmodSync(copy, OWNER_ONLY);
    if (existsSync(`${path}-journal`)) copyFileSync(`${path}-journal`, `${copy}-journal`);
    const store = openSqliteStore<State>(copy, options);
    return {
      load: () => store.load(),
      journal: (...args) => store.journal(...args),
      close() {
        store.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** The lock of a gate is on the file itself: a copy made meanwhile could be torn. */
function refuseWhileInUse(path: string): void {
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    db.prepare('SELECT 1 FROM sqlite_schema').get();
  } catch (error) {
    const result = sqliteResult(error);
    // Anything else, such as a commit that was interrupted, is for the copy to show.
    if (result !== 'busy' && result !== 'locked') return;
    throw new TealgateError(
      'store_conflict',
      `the store ${path} is in use by a gate: ask the gate itself, without --store, or copy the file while it is stopped`,
      { cause: error, details: { path } },
    );
  } finally {
    db?.close();
  }
}
