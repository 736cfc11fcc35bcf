import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Child } from '../../src/loadtest/child.ts';
import { reachable } from '../../src/loadtest/reach.ts';

/** Does not hear SIGTERM, and has memory that takes a while to give back; its output is its port. */
const DEAF = `const held = Buffer.alloc(1 << 27, 1); process.on("SIGTERM", () => {}); const server = require("net").createServer().listen(0, "127.0.0.1", () =>
  console.log(server.address().port)); setInterval(() => held, 1000)`;

test('a process that was ended has no descendant that still listens', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tealgate-child-'));
  const logPath = join(directory, 'deaf.log');
  // The shell ends by SIGTERM, and its child does not.
  const command = `'${process.execPath}' -e '${DEAF}'; true`;
  const child = new Child({ name: 'deaf', command, cwd: directory, env: {}, logPath });
  try {
    await expect.poll(() => readFile(logPath, 'utf8'), { timeout: 10_000 }).toMatch(/^\d+\n$/);
    const port = Number(await readFile(logPath, 'utf8'));
    expect(await reachable('127.0.0.1', port)).toBe(true);
    await child.end('SIGTERM');
    expect(await reachable('127.0.0.1', port)).toBe(false);
  } finally {
    await child.end('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
});
