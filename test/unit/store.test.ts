import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TealgateError } from '../../src/platform/errors.ts';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';
import type { NewEvent, NewJournalEntry, Store, StoredEvent } from '../../src/store/store.ts';
import { openStoreCopy } from '../../src/store/store-copy.ts';
import { Watchers } from '../../src/store/watchers.ts';

interface State {
  readonly weights: Readonly<Record<string, number>>;
}

const STATE: State = { weights: { blue: 95, green: 5 } };

function event(type: string, data: Record<string, unknown> = {}): NewEvent {
  return { type, service: 'shop', actor: 'ci', at: 1_700_000_000_000.5, data };
}

function entry(rollout: string, data: unknown = { kind: 'input' }): NewJournalEntry {
  return { rollout, at: 1_700_000_000_000.5, digest: '0123456789abcdef', isState: false, data };
}

/** As the first version wrote it. */
const FIRST_FORMAT = `
  CREATE TABLE desired (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, state TEXT) STRICT;
  INSERT INTO desired (id, revision, state) VALUES (1, 3, '${JSON.stringify(STATE)}');
  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    service TEXT,
    actor TEXT NOT NULL,
    at REAL NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  INSERT INTO events VALUES (7, 'rollout.created', 'shop', 'ci', 1700000000000.5, '{"rollout":"r1"}');
  PRAGMA application_id = ${0x5465616c};
  PRAGMA user_version = 1;`;

let directory: string;
let path: string;
const open: Store<State>[] = [];

function openStore(options: Parameters<typeof openSqliteStore<State>>[1] = {}): Store<State> {
  const store = openSqliteStore<State>(path, options);
  open.push(store);
  return store;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tealgate-store-'));
  path = join(directory, 'tealgate.db');
});

afterEach(() => {
  for (const store of open.splice(0)) store.close();
  rmSync(directory, { recursive: true });
});

const NOBODY = 65534;

/** Permissions mean nothing to root. */
function asNobody<T>(action: () => T): T {
  if (process.geteuid?.() !== 0) return action();
  process.seteuid?.(NOBODY);
  try {
    return action();
  } finally {
    process.seteuid?.(0);
  }
}

function refusal(action: () => unknown): TealgateError {
  try {
    action();
  } catch (error) {
    if (error instanceof TealgateError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('commit', () => {
  it('keeps the state and its events over a reopening, in one file', () => {
    const store = openStore();
    expect(store.load()).toEqual({ revision: 0, state: null });
    const first = store.commit(0, STATE, [event('weights.changed', { to: { green: 5 } }), event('b')]);
    expect(first).toMatchObject({ kind: 'committed', revision: 1, events: [{ id: 1 }, { id: 2 }] });
    store.close();
    expect(readdirSync(directory)).toEqual(['tealgate.db']);
    const again = openStore();
    expect(again.load()).toEqual({ revision: 1, state: STATE });
    expect(again.events(0)).toEqual(first.kind === 'committed' ? first.events : null);
  });

  it('refuses a stale revision and changes nothing', () => {
    const store = openStore();
    store.commit(0, STATE, [event('a')]);
    expect(store.commit(0, { weights: {} }, [event('lost')])).toEqual({ kind: 'conflict', revision: 1 });
    expect(store.load()).toEqual({ revision: 1, state: STATE });
    expect(store.events(0)).toHaveLength(1);
  });

  it('commits nothing when an event cannot be stored', () => {
    const store = openStore();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    expect(refusal(() => store.commit(0, STATE, [event('a'), event('b', circular)])).code).toBe('unavailable');
    expect(store.load()).toEqual({ revision: 0, state: null });
    expect(store.events(0)).toEqual([]);
    expect(store.commit(0, STATE, []).kind).toBe('committed');
  });

  it('keeps the newest events and never gives an id twice', () => {
    const store = openStore({ keepEvents: 3 });
    for (let revision = 0; revision < 4; revision++) store.commit(revision, STATE, [event('a'), event('b')]);
    expect(store.events(0).map((stored) => stored.id)).toEqual([6, 7, 8]);
    store.close();
    const [next] = committed(openStore({ keepEvents: 3 }).commit(4, STATE, [event('c')]));
    expect(next?.id).toBe(9);
  });

  it('works in memory', () => {
    path = ':memory:';
    const store = openStore();
    store.commit(0, STATE, [event('a')]);
    expect(store.load()).toEqual({ revision: 1, state: STATE });
    expect(store.events(0)).toHaveLength(1);
  });
});

function committed(result: ReturnType<Store<State>['commit']>): readonly StoredEvent[] {
  return result.kind === 'committed' ? result.events : [];
}

describe('the journal', () => {
  it('is part of the commit, and read by rollout in order', () => {
    const store = openStore();
    store.commit(0, STATE, [], [entry('r1', { n: 1 }), entry('r2', { n: 2 })]);
    store.commit(1, STATE, [], [entry('r1', { n: 0.1 + 0.2 })]);
    expect(store.commit(1, STATE, [], [entry('r1', { n: 4 })]).kind).toBe('conflict');
    store.close();
    const again = openStore();
    expect(again.journal('r1', 0)).toEqual([
      { ...entry('r1', { n: 1 }), id: 1 },
      { ...entry('r1', { n: 0.30000000000000004 }), id: 3 },
    ]);
    expect(again.journal('r1', 1, 1).map(({ id }) => id)).toEqual([3]);
    expect(again.journal('r3', 0)).toEqual([]);
  });

  it('is not written when the commit fails', () => {
    const store = openStore();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    expect(refusal(() => store.commit(0, STATE, [event('a')], [entry('r1'), entry('r1', circular)])).code).toBe(
      'unavailable',
    );
    expect(store.journal('r1', 0)).toEqual([]);
    expect(store.load().revision).toBe(0);
  });

  it('keeps its newest entries', () => {
    const store = openStore({ keepJournal: 3 });
    for (let revision = 0; revision < 4; revision++) store.commit(revision, STATE, [], [entry('r1'), entry('r2')]);
    expect([...store.journal('r1', 0), ...store.journal('r2', 0)].map(({ id }) => id)).toEqual([7, 6, 8]);
  });
});

describe('events', () => {
  it('are read by id and bounded', () => {
    const store = openStore();
    store.commit(
      0,
      STATE,
      ['a', 'b', 'c', 'd'].map((type) => event(type)),
    );
    expect(store.events(1, 2).map((stored) => stored.type)).toEqual(['b', 'c']);
    expect(store.events(4)).toEqual([]);
  });

  it('reach a watcher once each and in order, those of the past first, until its signal ends', async () => {
    const store = openStore();
    store.commit(0, STATE, [event('a'), event('b')]);
    const seen: string[] = [];
    const ended = new AbortController();
    store.watch(1, (events) => seen.push(...events.map((stored) => stored.type)), ended.signal);
    store.commit(1, STATE, [event('c')]);
    store.commit(2, STATE, []);
    await Promise.resolve();
    store.commit(3, STATE, [event('d'), event('e')]);
    await Promise.resolve();
    expect(seen).toEqual(['b', 'c', 'd', 'e']);
    ended.abort();
    store.commit(4, STATE, [event('f')]);
    await Promise.resolve();
    expect(seen).toEqual(['b', 'c', 'd', 'e']);
  });

  it('reach a watcher that is far behind in full', async () => {
    const store = openStore();
    store.commit(
      0,
      STATE,
      Array.from({ length: 2500 }, () => event('a')),
    );
    const ids: number[] = [];
    store.watch(0, (events) => ids.push(...events.map((stored) => stored.id)), new AbortController().signal);
    await Promise.resolve();
    expect(ids).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1));
  });

  it('may be answered by a watcher with another commit', async () => {
    const store = openStore();
    const seen: string[] = [];
    const onEvents = (events: readonly StoredEvent[]): void => {
      seen.push(...events.map((stored) => stored.type));
      if (seen.length === 1) store.commit(1, STATE, [event('b')]);
    };
    store.watch(0, onEvents, new AbortController().signal);
    store.commit(0, STATE, [event('a')]);
    await Promise.resolve();
    await Promise.resolve();
    expect(seen).toEqual(['a', 'b']);
  });
});

describe('opening', () => {
  it('makes a file that only its owner can read', () => {
    openStore().commit(0, STATE, []);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('names a directory that does not exist', () => {
    path = join(directory, 'missing', 'tealgate.db');
    const error = refusal(openStore);
    expect(error.code).toBe('invalid_config');
    expect(error.message).toContain(join(directory, 'missing'));
  });

  it('refuses a path that is a directory', () => {
    path = directory;
    expect(refusal(openStore)).toMatchObject({ code: 'invalid_config' });
  });

  it.each([
    ['a file', () => chmodSync(path, 0o444)],
    ['a directory', () => chmodSync(directory, 0o555)],
  ])('refuses %s that may not be written to', (_, forbid) => {
    openStore().close();
    chmodSync(directory, 0o755);
    if (process.geteuid?.() === 0) chownSync(path, NOBODY, NOBODY);
    forbid();
    const error = asNobody(() => refusal(openStore));
    expect(error).toMatchObject({ code: 'invalid_config', details: { path } });
    expect(error.message).toContain('cannot be opened for writing');
  });

  it('looks at a file that may not be written to by a copy', () => {
    openStore().commit(0, STATE, []);
    open.splice(0).map((store) => store.close());
    chmodSync(directory, 0o555);
    chmodSync(path, 0o444);
    asNobody(() => {
      const copy = openStoreCopy<State>(path);
      expect(copy.load()).toEqual({ revision: 1, state: STATE });
      copy.close();
    });
  });

  it('refuses a file that is already open', () => {
    openStore();
    const error = refusal(openStore);
    expect(error).toMatchObject({ code: 'store_conflict' });
    expect(error.message).toContain('in use by another process');
  });

  it('leaves the database of another program alone', () => {
    const other = new DatabaseSync(path);
    other.exec('PRAGMA journal_mode = WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);');
    other.close();
    const error = refusal(openStore);
    expect(error.message).toContain('another program');
    const reopened = new DatabaseSync(path);
    expect(reopened.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(reopened.prepare('SELECT x FROM theirs').get()).toEqual({ x: 1 });
    reopened.close();
    expect(readdirSync(directory)).toEqual(['tealgate.db']);
  });

  it('leaves a file of a newer format alone', () => {
    openStore().close();
    const newer = new DatabaseSync(path);
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    const error = refusal(openStore);
    expect(error).toMatchObject({ code: 'invalid_config', details: { format: 99 } });
    expect(readdirSync(directory)).toEqual(['tealgate.db']);
  });

  it('brings a file of the first format along, with its state and its events', () => {
    const first = new DatabaseSync(path);
    first.exec(FIRST_FORMAT);
    first.close();
    const store = openStore();
    expect(store.load()).toEqual({ revision: 3, state: STATE });
    expect(store.events(0)).toEqual([{ ...event('rollout.created', { rollout: 'r1' }), id: 7 }]);
    expect(store.journal('r1', 0)).toEqual([]);
    store.commit(3, STATE, [event('a')], [entry('r1')]);
    store.close();
    const again = openStore();
    expect(again.journal('r1', 0)).toEqual([{ ...entry('r1'), id: 1 }]);
    expect(again.events(7)).toHaveLength(1);
  });

  it('passes on what a validator says about a state, and leaves the file alone', () => {
    openStore().commit(0, STATE, []);
    open.splice(0).map((store) => store.close());
    const validate = (): State => {
      throw new TealgateError('store_corrupt', 'written by a newer Tealgate');
    };
    const error = refusal(() => openStore({ validate }));
    expect(error.message).toBe(`${path}: written by a newer Tealgate`);
    expect(readdirSync(directory)).toEqual(['tealgate.db']);
  });

  it('makes a file where a link leads, and leaves the link', () => {
    mkdirSync(join(directory, 'data'));
    symlinkSync('data/real.db', path);
    const store = openStore();
    store.commit(0, STATE, []);
    store.close();
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(directory, 'data'))).toEqual(['real.db']);
    expect(openStore().load()).toEqual({ revision: 1, state: STATE });
  });

  it('sets a damaged file aside where it is, and leaves the link to it', () => {
    mkdirSync(join(directory, 'data'));
    symlinkSync('data/real.db', path);
    openStore().close();
    truncateSync(path, 5000);
    expect(refusal(openStore)).toMatchObject({ code: 'store_corrupt' });
    expect(readdirSync(directory)).toEqual(['data', 'tealgate.db']);
    expect(readdirSync(join(directory, 'data'))).toEqual([expect.stringMatching(/^real\.db\.corrupt-/)]);
    expect(openStore().load()).toEqual({ revision: 0, state: null });
  });

  it.each([
    ['leads to itself', () => symlinkSync('tealgate.db', path)],
    [
      'is too long',
      () => {
        path = join(directory, 'x'.repeat(300));
      },
    ],
  ])('says which path it is that %s', (_, prepare) => {
    prepare();
    const error = refusal(openStore);
    expect(error).toMatchObject({ code: 'invalid_config', details: { path } });
    expect(error.message).toContain('check store.path');
  });

  it('begins afresh where a file was taken away and the journal of its killed process was not', () => {
    const store = openStore();
    store.commit(0, { weights: { ['x'.repeat(20_000)]: 1 } }, [event('a')]);
    store.close();
    const killed = new DatabaseSync(path);
    killed.exec("PRAGMA synchronous = OFF; BEGIN; UPDATE desired SET revision = 99, state = '{}'; DELETE FROM events;");
    copyFileSync(`${path}-journal`, `${path}-kept`);
    killed.exec('ROLLBACK');
    killed.close();
    rmSync(path);
    renameSync(`${path}-kept`, `${path}-journal`);
    expect(openStore().load()).toEqual({ revision: 0, state: null });
    expect(readdirSync(directory)).not.toContainEqual(expect.stringContaining('corrupt'));
  });

  it('does not mistake the draft of an interrupted first start for a store', () => {
    writeFileSync(`${path}.new-${process.pid}`, 'half');
    expect(openStore().load()).toEqual({ revision: 0, state: null });
  });
});

describe('a log that cannot be read', () => {
  it('is a warning, and read again with the next commit', async () => {
    let broken = true;
    const events: StoredEvent[] = [{ ...event('weights.changed'), id: 1 }];
    const watchers = new Watchers((since) => {
      if (broken) throw new Error('disk I/O error');
      return events.filter(({ id }) => id > since);
    });
    const warned = once(process, 'warning');
    const seen: number[] = [];
    watchers.add(0, (delivered) => seen.push(...delivered.map(({ id }) => id)), new AbortController().signal);
    expect(String(await warned)).toContain('disk I/O error');
    broken = false;
    watchers.wake();
    await Promise.resolve();
    expect(seen).toEqual([1]);
  });
});
