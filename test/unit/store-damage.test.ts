import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TealgateError } from '../../src/platform/errors.ts';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';

const AT = Date.UTC(2026, 10, 22, 21, 30, 0);
const HEADER_BYTES = 100;
/** Its format and whose it is (https://sqlite.org/fileformat.html): a file that says it is another's is left alone. */
const IDENTITY = [60, 61, 62, 63, 68, 69, 70, 71];
let whole: string;
let directory: string;
let path: string;

beforeAll(() => {
  whole = join(mkdtempSync(join(tmpdir(), 'tealgate-whole-')), 'tealgate.db');
  const store = openSqliteStore(whole);
  const data = { filler: 'x'.repeat(3000) };
  for (let revision = 0; revision < 20; revision++) {
    store.commit(revision, { revision, filler: 'y'.repeat(9000) }, [
      { type: 'a', service: null, actor: 'ci', at: 0, data },
    ]);
  }
  store.close();
});
afterAll(() => rmSync(join(whole, '..'), { recursive: true }));

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tealgate-damage-'));
  path = join(directory, 'tealgate.db');
  copyFileSync(whole, path);
});
afterEach(() => rmSync(directory, { recursive: true }));

function opened(validate?: (stored: unknown) => unknown): 'whole' | TealgateError {
  try {
    openSqliteStore(path, { wallMs: () => AT, ...(validate === undefined ? {} : { validate }) }).close();
    return 'whole';
  } catch (error) {
    if (error instanceof TealgateError) return error;
    throw error;
  }
}

function expectSetAside(outcome: 'whole' | TealgateError): void {
  const aside = `${path}.corrupt-20261122T213000Z`;
  expect(outcome).toMatchObject({ code: 'store_corrupt', details: { path, aside } });
  if (outcome !== 'whole') {
    expect(outcome.message).toContain(`restore a backup to ${path}, or start again to begin from the configuration`);
  }
  expect(readdirSync(directory)).toContain('tealgate.db.corrupt-20261122T213000Z');
  expect(readdirSync(directory)).not.toContain('tealgate.db');
}

describe('a damaged store is set aside and named', () => {
  it('when it is empty', () => {
    truncateSync(path, 0);
    expectSetAside(opened());
  });

  it('when it is cut anywhere', () => {
    const { length } = readFileSync(whole);
    for (let bytes = 1; bytes < length; bytes = bytes < 600 ? bytes + 37 : bytes + 911) {
      rmSync(directory, { recursive: true });
      directory = mkdtempSync(join(tmpdir(), 'tealgate-damage-'));
      path = join(directory, 'tealgate.db');
      copyFileSync(whole, path);
      truncateSync(path, bytes);
      expectSetAside(opened());
    }
  });

  it('when it holds garbage, which is kept byte for byte', () => {
    writeFileSync(path, 'weights: {blue: 100}\n'.repeat(500));
    expectSetAside(opened());
    expect(readFileSync(`${path}.corrupt-20261122T213000Z`, 'utf8')).toMatch(/^weights/);
  });

  it('when its pages are overwritten', () => {
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096, 3 * 4096);
    writeFileSync(path, bytes);
    expectSetAside(opened());
  });

  it.each([0x01, 0x80])('or read as it was, whichever byte of its header is wrong (xor %i)', (flip) => {
    for (let at = 0; at < HEADER_BYTES; at++) {
      if (IDENTITY.includes(at)) continue;
      const bytes = readFileSync(whole);
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      writeFileSync(path, bytes);
      const outcome = opened();
      expect(outcome === 'whole' ? outcome : outcome.code, `byte ${at}`).toBeOneOf(['whole', 'store_corrupt']);
      for (const name of readdirSync(directory)) rmSync(join(directory, name));
    }
  });

  it('when its state does not parse', () => {
    tamper(`UPDATE desired SET state = '{"format": 1, "serv'`);
    expectSetAside(opened());
  });

  it('when an event does not parse', () => {
    tamper('UPDATE events SET data = substr(data, 1, 5) WHERE id = 7');
    expectSetAside(opened());
  });

  it('when its state is not valid', () => {
    expectSetAside(
      opened(() => {
        throw new TypeError('services is not an object');
      }),
    );
  });

  it('when its state row is gone', () => {
    tamper('DELETE FROM desired');
    expectSetAside(opened());
  });

  it('when a table is gone', () => {
    tamper('DROP TABLE events');
    expect(opened()).not.toBe('whole');
  });

  it('with its journal', () => {
    truncateSync(path, 0);
    writeFileSync(`${path}-journal`, 'journal');
    expectSetAside(opened());
    expect(readFileSync(`${path}.corrupt-20261122T213000Z-journal`, 'utf8')).toBe('journal');
  });

  it('without replacing one that was set aside before', () => {
    writeFileSync(`${path}.corrupt-20261122T213000Z`, 'earlier');
    truncateSync(path, 0);
    expect(opened()).toMatchObject({ details: { aside: `${path}.corrupt-20261122T213000Z-2` } });
    expect(readFileSync(`${path}.corrupt-20261122T213000Z`, 'utf8')).toBe('earlier');
  });

  it('and the next start begins afresh', () => {
    truncateSync(path, 0);
    expectSetAside(opened());
    expect(opened()).toBe('whole');
  });
});

function tamper(sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}
