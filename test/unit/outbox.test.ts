import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NewDelivery } from '../../src/store/outbox.ts';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';

let directory: string;
let store: Store<unknown>;
const path = (): string => join(directory, 'tealgate.db');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tealgate-outbox-'));
  store = openSqliteStore(path());
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true });
});

function reopen(): void {
  store.close();
  store = openSqliteStore(path());
}

function delivery(id: string, to = 'chat', queuedAt = 1000): NewDelivery {
  return { id, to, payload: { text: id }, queuedAt };
}

describe('the outbox', () => {
  it('keeps what is owed, and the cursor behind it, over a restart', () => {
    expect(store.outbox.cursor()).toBe(null);
    store.outbox.queue(7, [delivery('a')]);
    reopen();
    expect(store.outbox.cursor()).toBe(7);
    expect(store.outbox.next('chat')).toEqual({
      ...delivery('a'),
      attempts: 0,
      dueAt: 1000,
      deadAt: null,
      error: '',
    });
    expect(store.outbox.waiting()).toEqual(['chat']);
  });

  it('queues all or nothing', () => {
    store.outbox.queue(7, [delivery('a')]);
    expect(() => store.outbox.queue(8, [delivery('b'), delivery('a')])).toThrow();
    expect(store.outbox.cursor()).toBe(7);
    store.outbox.remove('a');
    expect(store.outbox.next('chat')).toBe(null);
  });

  it('gives out what is due first, and what was queued first of that, to each receiver', () => {
    store.outbox.queue(1, [delivery('late', 'chat', 2000), delivery('a'), delivery('b'), delivery('c', 'pager')]);
    expect(store.outbox.next('chat')?.id).toBe('a');
    store.outbox.postpone('a', 5000, 'no answer');
    expect(store.outbox.next('chat')?.id).toBe('b');
    store.outbox.remove('b');
    store.outbox.remove('late');
    expect(store.outbox.next('chat')).toMatchObject({ id: 'a', attempts: 1, dueAt: 5000, error: 'no answer' });
    expect([...store.outbox.waiting()].sort()).toEqual(['chat', 'pager']);
  });

  it('keeps dead letters, newest first, until they are revived under the same id', () => {
    store.outbox.queue(1, [delivery('a'), delivery('b')]);
    store.outbox.bury('a', 3000, 'answered 500');
    store.outbox.bury('b', 4000, 'answered 410');
    reopen();
    expect(store.outbox.waiting()).toEqual([]);
    expect(store.outbox.dead(10)).toMatchObject([
      { id: 'b', deadAt: 4000, dueAt: null },
      { id: 'a', deadAt: 3000, attempts: 1, error: 'answered 500' },
    ]);
    expect(store.outbox.dead(1)).toHaveLength(1);
    expect(store.outbox.revive('a', 9000)).toBe(true);
    expect(store.outbox.revive('a', 9000)).toBe(false);
    expect(store.outbox.revive('none', 9000)).toBe(false);
    expect(store.outbox.next('chat')).toMatchObject({ id: 'a', attempts: 0, dueAt: 9000, deadAt: null });
  });

  it('forgets the oldest dead letters beyond a thousand', () => {
    const ids = Array.from({ length: 1002 }, (_, i) => `d${i}`);
    store.outbox.queue(
      1,
      ids.map((id) => delivery(id)),
    );
    ids.forEach((id, i) => {
      store.outbox.bury(id, i, '');
    });
    const dead = store.outbox.dead(2000);
    expect(dead).toHaveLength(1000);
    expect(dead.at(-1)?.id).toBe('d2');
  });

  it('is added to a store that an earlier version wrote, whose state and events stay', () => {
    store.commit(0, { weights: { blue: 1 } }, [{ type: 'a', service: null, actor: 'ci', at: 1, data: {} }]);
    store.close();
    const db = new DatabaseSync(path());
    db.exec('DROP TABLE outbox; DROP TABLE outbox_cursor; PRAGMA user_version = 2;');
    db.close();
    store = openSqliteStore(path());
    expect(store.load().state).toEqual({ weights: { blue: 1 } });
    expect(store.latestEvent()).toBe(1);
    store.outbox.queue(1, [delivery('a')]);
    expect(store.outbox.next('chat')?.id).toBe('a');
  });

  it('works in memory as well', () => {
    const memory = openSqliteStore(':memory:');
    memory.outbox.queue(1, [delivery('a')]);
    expect(memory.outbox.next('chat')?.id).toBe('a');
    memory.close();
  });
});
