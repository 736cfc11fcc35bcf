/**
 * Run as a process of its own to be killed: `node store-kill-child.ts MODE PATH`.
 * `commits` commits as fast as it can and writes each revision it knows to be durable; `half` dies by its own hand
 * inside a transaction whose pages have already reached the file.
 */
import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';

const [mode, path = ''] = process.argv.slice(2);

if (mode === 'commits') {
  const store = openSqliteStore<{ revision: number; filler: string }>(path);
  for (let { revision } = store.load(); ; revision++) {
    const state = { revision: revision + 1, filler: String(revision).repeat(2000) };
    store.commit(revision, state, [
      { type: 'a', service: null, actor: 'ci', at: 0, data: { revision: revision + 1 } },
      { type: 'b', service: null, actor: 'ci', at: 0, data: { revision: revision + 1 } },
    ]);
    writeSync(1, `${revision + 1}\n`);
  }
}

if (mode === 'half') {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA cache_size = 1; BEGIN;');
  db.exec(`UPDATE desired SET revision = 999, state = '{"revision":999,"filler":"' || hex(zeroblob(200000)) || '"}'`);
  db.exec(`INSERT INTO events (type, actor, at, data) SELECT 'half', 'ci', 0, hex(zeroblob(2000)) FROM events`);
  process.kill(process.pid, 'SIGKILL');
}
