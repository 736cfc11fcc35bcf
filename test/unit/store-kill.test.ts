import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';
import { obligation } from '../support/obligations.ts';

interface State {
  readonly revision: number;
  readonly filler: string;
}

const CHILD = join(import.meta.dirname, 'store-kill-child.ts');
let directory: string;
let path: string;
let child: ChildProcess | null = null;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tealgate-kill-'));
  path = join(directory, 'tealgate.db');
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

async function run(mode: string, killAfterCommits: number): Promise<number> {
  const process_ = spawn(process.execPath, ['--no-warnings', CHILD, mode, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = process_;
  const exited = once(process_, 'exit');
  let durable = 0;
  let commits = 0;
  for await (const line of createInterface({ input: process_.stdout })) {
    durable = Number(line);
    commits++;
    if (commits === killAfterCommits) process_.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
  return durable;
}

describe('a process that is killed', () => {
  it(obligation('S19-kill', 'time after time'), async () => {
    let before = 0;
    for (const commits of [1, 2, 3, 7, 20, 33]) {
      const durable = await run('commits', commits);
      const store = openSqliteStore<State>(path);
      const { revision, state } = store.load();
      // One commit may have become durable without the chance to say so.
      expect(revision).toBeGreaterThanOrEqual(durable);
      expect(durable).toBeGreaterThanOrEqual(before + commits);
      expect(state).toEqual({ revision, filler: String(revision - 1).repeat(2000) });
      const events = store.events(0, 10_000);
      expect(events.map((event) => event.id)).toEqual(Array.from({ length: revision * 2 }, (_, i) => i + 1));
      expect(events.at(-1)).toMatchObject({ type: 'b', data: { revision } });
      store.close();
      before = revision;
    }
  });

  it(obligation('S19-kill', 'in the middle of a commit'), async () => {
    const store = openSqliteStore<State>(path);
    const events = Array.from({ length: 50 }, () => ({ type: 'a', service: null, actor: 'ci', at: 0, data: {} }));
    store.commit(0, { revision: 1, filler: '' }, events);
    store.close();
    await run('half', 0);
    expect(existsSync(`${path}-journal`)).toBe(true);
    const again = openSqliteStore<State>(path);
    expect(again.load()).toEqual({ revision: 1, state: { revision: 1, filler: '' } });
    expect(again.events(0).map((event) => event.type)).toEqual(events.map((event) => event.type));
    again.close();
  });

  it('holds the file for itself as long as it lives', async () => {
    const process_ = spawn(process.execPath, ['--no-warnings', CHILD, 'commits', path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = process_;
    const exited = once(process_, 'exit');
    await once(process_.stdout, 'data');
    process_.stdout.resume();
    expect(() => openSqliteStore(path)).toThrow(expect.objectContaining({ code: 'store_conflict' }));
    process_.kill('SIGKILL');
    await exited;
    openSqliteStore(path).close();
  });
});
