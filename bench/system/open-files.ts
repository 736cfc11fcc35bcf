import { readFileSync } from 'node:fs';

const OWN = 100;

/**
 * As many clients as a proxy may have that holds a file for each and one more for its target, by the limit of open files
 * that this process has and hands on (`ulimit -n`; Node.js raises its own to what it may).
 */
export function mostConnections(): number {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return soft === undefined ? Number.POSITIVE_INFINITY : Math.floor((Number(soft) - OWN) / 2);
}
