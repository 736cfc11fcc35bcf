import { spawn, spawnSync } from 'node:child_process';

export interface ProgramRun {
  /** Null where it could not be started, or was killed at the deadline. */
  readonly code: number | null;
  /** Both of its streams. */
  readonly out: string;
}

/** Runs a program to its end. */
export async function run(command: string, args: readonly string[], deadlineMs = 30_000): Promise<ProgramRun> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: deadlineMs });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      out += chunk.toString('latin1');
    });
  }
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: null, out: error.message }));
    child.on('close', (code) => resolve({ code, out }));
  });
}

/** Whether tests with this program are left out: where it is not installed. In CI everything is, so that none is. */
export function isLeftOut(command: string): boolean {
  return process.env.CI !== 'true' && spawnSync(command, ['--version']).error !== undefined;
}
