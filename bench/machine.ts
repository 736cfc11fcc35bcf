import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Cores } from './system/cores.ts';
import type { Targets } from './targets.ts';

/** Where and of what the figures are. */
export interface Machine {
  readonly processor: string;
  readonly cores: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly targets: string;
  /** Of this checkout, with `-dirty` when it has changes. */
  readonly commit: string;
  readonly date: string;
  /** Runnable processes just before the run: above 1, others were at work and absolute figures are noise. */
  readonly loadBefore: number;
}

export function describeMachine(cores: Cores, targets: Targets, loadBefore: number): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cores.description,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    targets: targets.description,
    commit: commit(),
    date: new Date().toISOString(),
    loadBefore,
  };
}

/** Averaged over a minute. */
export function runnable(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], {
      encoding: 'utf8',
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
