import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { get } from '../support/gate.ts';

const MAIN = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));

describe('the demo', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tealgate-e2e-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  function start() {
    const env = { PATH: process.env.PATH, TMPDIR: directory };
    const child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'pipe', 'pipe'], env });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      output.stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output.stderr += chunk.toString();
    });
    return { child, output, closed: once(child, 'close') };
  }

  test('shows three releases, accounts for every request and exits 0', { timeout: 90_000 }, async () => {
    const { output, closed } = start();
    const [code] = await closed;
    expect(output.stderr).toBe('');
    expect(output.stdout).not.toContain('NOT SO');
    expect(output.stdout).toContain('✓ v2 is promoted');
    expect(output.stdout).toMatch(/✓ rolled back by itself after \d+ candidate requests and \d+ ms/);
    expect(output.stdout).toMatch(/^ {2}lost +0$/m);
    expect(code).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  });

  test('ends everything it started when it is interrupted', { timeout: 60_000 }, async () => {
    const { child, output, closed } = start();
    await expect.poll(() => output.stdout, { timeout: 30_000 }).toContain('rollout start');
    const dashboard = /the dashboard +(\S+)/.exec(output.stdout)?.[1] ?? '';
    expect((await get(`${dashboard}livez`)).status).toBe(200);
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(await readdir(directory)).toEqual([]);
    await expect(get(dashboard)).rejects.toThrow('ECONNREFUSED');
  });
});
