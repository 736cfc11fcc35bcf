import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
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
}

export interface Watch {
  /** To be called when the files were just read: notes what those hold that are new to the watch. */
  note(): void;
}

const MOST_BYTES = 2 * 1024 * 1024;

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
  const { files = () => [], debounceMs = 100, pollMs = 2000 } = options;
  const seen = new Map<string, string>();
  const note = (): void => {
    for (const file of files()) if (!seen.has(file)) see(seen, file);
  };
  if (signal.aborted) return { note };
  let timer: NodeJS.Timeout | null = null;

  const look = (): void => {
    timer = null;
    if (changed(seen, [path, ...files()])) onChange();
  };
  const lookSoon = (): void => {
    timer ??= setTimeout(look, debounceMs).unref();
  };
  changed(seen, [path]);
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

/** Notes what the files hold now; true when one that was noted before holds something else. */
function changed(seen: Map<string, string>, paths: readonly string[]): boolean {
  let different = false;
  for (const path of paths) if (see(seen, path)) different = true;
  for (const path of seen.keys()) if (!paths.includes(path)) seen.delete(path);
  return different;
}

/** Notes what a file holds; true when that was noted before and is something else now. */
function see(seen: Map<string, string>, path: string): boolean {
  const now = digest(path);
  if (now === null) return false;
  const before = seen.get(path);
  seen.set(path, now);
  return before !== undefined && before !== now;
}

/** A file that cannot be read has its reason for content. Null: that is our own fault, look again later. */
function digest(path: string): string | null {
  const read = readBounded(path, MOST_BYTES);
  if (read.ok) return createHash('sha256').update(read.value).digest('base64');
  return read.starved === true ? null : read.mistake;
}
