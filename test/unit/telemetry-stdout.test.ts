import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createLineSink } from '../../src/telemetry/stdout.ts';

const SINK = new URL('../../src/telemetry/stdout.ts', import.meta.url).href;
const children: ChildProcess[] = [];

/** A process that runs `body` with a sink on its standard output; it speaks to us on standard error. */
function run(body: string, stdout: 'pipe' | number = 'pipe'): ChildProcess {
  const source = `import { createLineSink } from '${SINK}'; const sink = createLineSink(); ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', stdout, 'pipe'] });
  children.push(child);
  return child;
}

async function text(stream: AsyncIterable<Buffer> | null): Promise<string> {
  let all = '';
  for await (const chunk of stream ?? []) all += chunk.toString();
  return all;
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

describe('the line sink', () => {
  it('writes lines in the order they came, log and access together', async () => {
    const child = run(
      `sink.write('a\\n'); sink.writeAccess(Buffer.from('b\\nc\\n')); sink.write('d\\n'); await sink.flush();`,
    );
    expect(await text(child.stdout)).toBe('a\nb\nc\nd\n');
  });

  it('writes to a file', async () => {
    const path = join(tmpdir(), `line-sink-${process.pid}.log`);
    const fd = openSync(path, 'w');
    try {
      const sink = createLineSink(fd);
      for (let i = 0; i < 1000; i++) sink.write(`${i}\n`);
      await sink.flush();
      expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(1001);
    } finally {
      closeSync(fd);
      rmSync(path);
    }
  });

  it('drops access lines before log lines when the reader stalls, and says how many', async () => {
    const child = run(`
      const access = JSON.stringify({ kind: 'access', fill: 'x'.repeat(1000) }) + '\\n';
      for (let i = 0; i < 20000; i++) sink.writeAccess(Buffer.from(access));
      for (let i = 0; i < 100; i++) sink.write(JSON.stringify({ kind: 'log', i, fill: 'x'.repeat(60000) }) + '\\n');
      process.stdin.once('data', async () => { await sink.flush(); process.exit(0); });
      process.stderr.write('full');
    `);
    expect((await once(child.stderr ?? child, 'data'))[0].toString()).toBe('full');
    child.stdin?.write('go on');
    const lines = (await text(child.stdout))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const count = (kind: string) => lines.filter((line) => line.kind === kind).length;
    const dropped = lines.find((line) => line.event === 'log.dropped');
    expect(count('log')).toBe(100);
    expect(dropped).toMatchObject({ level: 'warn', log: 0 });
    expect(count('access') + dropped.access).toBe(20000);
    expect(dropped.access).toBeGreaterThan(10000);
  });

  it('does not keep a process with a stalled reader from ending', async () => {
    const child = run(`sink.write('x'.repeat(1 << 20) + '\\n'); await sink.flush(); process.exit(7);`);
    expect(await once(child, 'exit')).toEqual([7, null]);
  });

  it('outlives a reader that went away, and goes idle', async () => {
    const child = run(`
      process.stdin.once('data', async () => {
        for (let i = 0; i < 50; i++) { sink.write('gone\\n'); await new Promise(setImmediate); }
        await sink.flush();
        const before = process.cpuUsage();
        setTimeout(() => {
          const { user, system } = process.cpuUsage(before);
          process.stderr.write(user + system < 100_000 ? 'idle' : 'busy');
          process.exit(0);
        }, 300);
      });
      process.stderr.write('ready');
    `);
    await once(child.stderr ?? child, 'data');
    child.stdout?.destroy();
    child.stdin?.write('go on');
    const said = text(child.stderr);
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await said).toBe('idle');
  });

  it('outlives a full disk and goes on trying', async () => {
    const full = openSync('/dev/full', 'w');
    try {
      const child = run(
        `for (let i = 0; i < 50; i++) sink.write('full\\n'); await sink.flush(); process.stderr.write('alive');`,
        full,
      );
      const said = text(child.stderr);
      expect(await once(child, 'exit')).toEqual([0, null]);
      expect(await said).toBe('alive');
    } finally {
      closeSync(full);
    }
  });
});
