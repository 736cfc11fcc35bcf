import { createHash } from 'node:crypto';
import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../platform/clock.ts';
import { readBounded } from './read-file.ts';

export interface WatchOptions {
  /** Further files whose content counts, asked for at each look: those that the configuration named. */
  readonly files?: () => readonly string[];
  /** Quiet time after a file event before the files are read; default 100 ms. */
  readonly debounceMs?: number;
  /** A look without an event, for what a directory watch cannot see (links elsewhere, network mounts); default 2000 ms. */
  readonly pollMs?: number;
  /** The directory cannot be watched, or no longer; polling goes on. */
  readonly onError?: (error: unknown) => void;
  /** The two are given by tests. */
  readonly read?: typeof readBounded;
  readonly wallMs?: () => number;
}

export interface Watch {
  /** To be called when the files were just read: notes what those hold that are new to the watch. */
  note(): void;
}

const MOST_BYTES = 2 * 1024 * 1024;
/** A file that was changed this lately may change once more without another time of change: file systems count coarsely. */
const SETTLED_MS = 2500;

/**
 * Calls back when the content of a configuration file has changed, has gone or is back, until the signal ends it. The
 * directory is watched and not the file, because editors and Kubernetes replace files (a ConfigMap swaps the link
 * `..data` beside them). To miss nothing, begin to watch before the first load. Keeps no process alive.
 */
export function watchConfig(
  path: string,
  onChange: () => void,
  signal: AbortSignal,
  options: WatchOptions = {},
): Watch {
  const {
    files = () => [],
    debounceMs = 100,
    pollMs = 2000,
    read = readBounded,
    wallMs = systemClock.wallMs,
  } = options;
  const sight = new Sight(read, wallMs);
  const note = (): void => {
    for (const file of files()) if (!sight.knows(file)) sight.look(file);
  };
  if (signal.aborted) return { note };
  let timer: NodeJS.Timeout | null = null;

  const look = (): void => {
    timer = null;
    if (sight.lookAtAll([path, ...files()])) onChange();
  };
  const lookSoon = (): void => {
    timer ??= setTimeout(look, debounceMs).unref();
  };
  sight.look(path);
  const poll = setInterval(lookSoon, pollMs).unref();
  const watcher = watchDirectory(dirname(path), lookSoon, options.onError);
  signal.addEventListener(
    'abort',
    () => {
      watcher?.close();
      clearInterval(poll);
      if (timer !== null) clearTimeout(timer);
    },
    { once: true },
  );
  return { note };
}

function watchDirectory(
  directory: string,
  onEvent: () => void,
  onError: ((error: unknown) => void) | undefined,
): FSWatcher | null {
  try {
    const watcher = watch(directory, { persistent: false }, onEvent);
    watcher.on('error', (error) => {
      watcher.close();
      onError?.(error);
    });
    return watcher;
  } catch (error) {
    onError?.(error);
    return null;
  }
}

/** What a file held when it was last read. */
interface Seen {
  readonly digest: string;
  /** What the file system said of it just before; null: too little to tell whether it has changed since. */
  readonly stamp: string | null;
}

/** What is known of the files. Looks come as often as anything happens beside them, so what stayed as it was is not read. */
class Sight {
  readonly #read: typeof readBounded;
  readonly #wallMs: () => number;
  readonly #seen = new Map<string, Seen>();

  constructor(read: typeof readBounded, wallMs: () => number) {
    this.#read = read;
    this.#wallMs = wallMs;
  }

  knows(path: string): boolean {
    return this.#seen.has(path);
  }

  /** True when one that was known holds something else. Those not named are forgotten. */
  lookAtAll(paths: readonly string[]): boolean {
    let different = false;
    for (const path of paths) if (this.look(path)) different = true;
    for (const path of this.#seen.keys()) if (!paths.includes(path)) this.#seen.delete(path);
    return different;
  }

  /** True when it was known and holds something else. */
  look(path: string): boolean {
    const before = this.#seen.get(path);
    const stamp = stampOf(path, this.#wallMs());
    if (stamp !== null && stamp === before?.stamp) return false;
    const digest = this.#digest(path);
    if (digest === null) return false;
    this.#seen.set(path, { digest, stamp });
    return before !== undefined && before.digest !== digest;
  }

  /** A file that cannot be read has its reason for content. Null: that is our own fault, look again later. */
  #digest(path: string): string | null {
    const read = this.#read(path, MOST_BYTES);
    if (read.ok) return createHash('sha256').update(read.value).digest('base64');
    return read.starved === true ? null : read.mistake;
  }
}

/** Null where there is no file, where it changed just now, and for those that the kernel makes up, whose size is 0. */
function stampOf(path: string, nowMs: number): string | null {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = statSync(path, { bigint: true });
    if (size === 0n || nowMs - Number(ctimeMs) < SETTLED_MS) return null;
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch {
    return null; // reading it will tell why
  }
}
