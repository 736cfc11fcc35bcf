import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Which cores do what: the proxy under test has one of its own, load and targets share the rest. */
export interface Cores {
  /** A `taskset` list; null where processes cannot be pinned. */
  readonly proxy: string | null;
  readonly load: string | null;
  readonly description: string;
}

export function divideCores(): Cores {
  const count = availableParallelism();
  if (count < 2 || spawnSync('taskset', ['--version']).error !== undefined) {
    return { proxy: null, load: null, description: `${count} core(s), nothing pinned: figures mix proxy and load` };
  }
  const load = count === 2 ? '1' : `1-${count - 1}`;
  return { proxy: '0', load, description: `${count} cores: proxy on core 0, load and targets on ${load}` };
}

/** Moves this process, and with it what it starts from now on, to the cores of the load. */
export function pinSelf(cores: Cores): void {
  if (cores.load !== null) spawnSync('taskset', ['-a', '-cp', cores.load, String(process.pid)]);
}

/** The command, pinned to these cores. */
export function pinned(cores: string | null, command: readonly string[]): readonly string[] {
  return cores === null ? command : ['taskset', '-c', cores, ...command];
}
