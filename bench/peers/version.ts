import { spawnSync } from 'node:child_process';

/** What a program prints about its version, by a pattern with one group; null when it is not installed. */
export function programVersion(command: readonly string[], pattern: RegExp): string | null {
  const [file = '', ...args] = command;
  const { error, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (error !== undefined) return null;
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}
