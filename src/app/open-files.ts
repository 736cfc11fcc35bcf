import { readFileSync } from 'node:fs';

/** What a gate holds open before it has a client: its own files and threads, the admin API, health checks. */
const RESERVED = { process: 32, worker: 16 };

/**
 * How many clients the limit of open files leaves room for: each may need a connection to a target, too. Beyond that,
 * clients who were let in could not be served. At least one for each worker; Infinity where the system does not say.
 */
export function clientsFor(openFiles: number, workers: number): number {
  const left = openFiles - RESERVED.process - RESERVED.worker * workers;
  return Math.max(Math.floor(left / 2), workers);
}

/** Most files that this process may have open; Infinity for no limit or an unknown one (anywhere but on Linux). */
export function mostOpenFiles(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(readLimits())?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
