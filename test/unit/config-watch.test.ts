import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBounded } from '../../src/config/read-file.ts';
import { type Watch, type WatchOptions, watchConfig } from '../../src/config/watch.ts';

let directory: string;
let file: string;
let owner: AbortController;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tealgate-watch-'));
  file = join(directory, 'tealgate.yaml');
  writeFileSync(file, 'one');
  owner = new AbortController();
});
afterEach(() => {
  owner.abort();
  rmSync(directory, { recursive: true });
});

/** Changes seen so far, and a wait for the next. */
function watched(path: string, options: WatchOptions): Watch & { count: () => number; next: () => Promise<unknown> } {
  const emitter = new EventEmitter();
  let count = 0;
  const watch = watchConfig(
    path,
    () => {
      count++;
      emitter.emit('change');
    },
    owner.signal,
    options,
  );
  return { ...watch, count: () => count, next: () => once(emitter, 'change') };
}

/** No poll within the life of a test, so that only file events count. */
const EVENTS_ONLY = { debounceMs: 5, pollMs: 3_600_000 };
/** Where no file event can come, only the poll sees anything. */
const POLL = { debounceMs: 1, pollMs: 5 };

describe('watching a configuration file', () => {
  it('sees it written in place', async () => {
    const changes = watched(file, EVENTS_ONLY);
    const next = changes.next();
    writeFileSync(file, 'two');
    await next;
  });

  it('sees a file change that it was told of and had not looked at yet', async () => {
    const named = join(directory, 'named.pem');
    writeFileSync(named, 'one');
    const changes = watched(file, { ...EVENTS_ONLY, files: () => [named] });
    changes.note();
    const next = changes.next();
    writeFileSync(named, 'two');
    await next;
  });

  it('sees it replaced by a rename, again and again', async () => {
    const changes = watched(file, EVENTS_ONLY);
    for (const content of ['two', 'three', 'four']) {
      const next = changes.next();
      writeFileSync(join(directory, '.new'), content);
      renameSync(join(directory, '.new'), file);
      await next;
    }
    expect(changes.count()).toBe(3);
  });

  it('sees it gone and back', async () => {
    const changes = watched(file, EVENTS_ONLY);
    const gone = changes.next();
    unlinkSync(file);
    await gone;
    const back = changes.next();
    writeFileSync(file, 'one');
    await back;
    expect(changes.count()).toBe(2);
  });

  it('sees Kubernetes swap the ..data link of a ConfigMap', async () => {
    const mount = join(directory, 'mount');
    const release = (name: string, content: string): void => {
      mkdirSync(join(mount, name), { recursive: true });
      writeFileSync(join(mount, name, 'tealgate.yaml'), content);
      symlinkSync(name, join(mount, '..data_tmp'));
      renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
    };
    release('..2026_01', 'one');
    symlinkSync('..data/tealgate.yaml', join(mount, 'tealgate.yaml'));
    const changes = watched(join(mount, 'tealgate.yaml'), EVENTS_ONLY);
    for (const [name, content] of [
      ['..2026_02', 'two'],
      ['..2026_03', 'three'],
    ] as const) {
      const next = changes.next();
      release(name, content);
      await next;
    }
    expect(changes.count()).toBe(2);
  });

  it('calls back once for a burst of writes, and not for the same content', async () => {
    const changes = watched(file, { ...EVENTS_ONLY, debounceMs: 50 });
    const next = changes.next();
    for (let i = 0; i < 20; i++) writeFileSync(file, 'one');
    for (let i = 0; i < 20; i++) writeFileSync(file, 'two');
    await next;
    const after = changes.next();
    writeFileSync(join(directory, 'tealgate.db'), 'beside it');
    writeFileSync(file, 'two');
    writeFileSync(file, 'three');
    await after;
    expect(changes.count()).toBe(2);
  });

  it('reads no file again that stayed as it was, whatever happens beside it', async () => {
    const reads: string[] = [];
    const changes = watched(file, {
      ...POLL,
      read: (path, most) => {
        reads.push(path);
        return readBounded(path, most);
      },
      // Long after the files were written.
      wallMs: () => Date.now() + 60_000,
    });
    for (let i = 0; i < 10; i++) {
      writeFileSync(join(directory, `beside-${i}`), 'x');
      await setTimeout(10);
    }
    expect(reads).toEqual([file]);
    const next = changes.next();
    writeFileSync(file, 'two');
    await next;
    expect(reads).toEqual([file, file]);
  });

  it('reads a file again that changed a moment ago, since its time may be that of the next change too', async () => {
    let reads = 0;
    const looked = new EventEmitter();
    watched(file, {
      ...POLL,
      read: (path, most) => {
        if (++reads === 3) looked.emit('again');
        return readBounded(path, most);
      },
    });
    await once(looked, 'again');
  });

  it('sees by polling what happens behind a link into another directory', async () => {
    mkdirSync(join(directory, 'elsewhere'));
    writeFileSync(join(directory, 'elsewhere', 'real.yaml'), 'one');
    const link = join(directory, 'link.yaml');
    symlinkSync('elsewhere/real.yaml', link);
    const changes = watched(link, POLL);
    const next = changes.next();
    writeFileSync(join(directory, 'elsewhere', 'real.yaml'), 'two');
    await next;
  });

  it('goes on by polling where the directory cannot be watched, and says so', async () => {
    const errors: unknown[] = [];
    const later = join(directory, 'later');
    const changes = watched(join(later, 'tealgate.yaml'), { ...POLL, onError: (error) => errors.push(error) });
    expect(errors).toHaveLength(1);
    const next = changes.next();
    mkdirSync(later);
    writeFileSync(join(later, 'tealgate.yaml'), 'one');
    await next;
  });

  it('sees the files that it refers to, from when they are known', async () => {
    const secret = join(directory, 'elsewhere', 'secret');
    mkdirSync(join(directory, 'elsewhere'));
    writeFileSync(secret, 'old');
    let files: readonly string[] = [];
    let looks = 0;
    const known = new EventEmitter();
    const changes = watched(file, {
      ...POLL,
      files: () => {
        if (++looks === 3) known.emit('looked');
        return files;
      },
    });
    files = [secret];
    // Three looks: the secret is noted by then, and that alone is no change.
    await once(known, 'looked');
    expect(changes.count()).toBe(0);
    const next = changes.next();
    writeFileSync(secret, 'new');
    await next;
    expect(changes.count()).toBe(1);
  });

  it('ends with its signal', async () => {
    const changes = watched(file, EVENTS_ONLY);
    const other = new AbortController();
    const witness = new EventEmitter();
    watchConfig(file, () => witness.emit('change'), other.signal, { debounceMs: 50, pollMs: 3_600_000 });
    owner.abort();
    const seen = once(witness, 'change');
    writeFileSync(file, 'two');
    await seen;
    other.abort();
    expect(changes.count()).toBe(0);
  });

  it('does nothing for a signal that has ended already', () => {
    owner.abort();
    expect(watched(file, EVENTS_ONLY).count()).toBe(0);
  });
});
