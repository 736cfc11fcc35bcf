import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBounded } from '../../src/config/read-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tealgate-read-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('reading a file of at most so many bytes', () => {
  it.each([0, 1, 99, 100])('returns all %i bytes of one that may have 100', (size) => {
    const file = join(directory, 'file');
    writeFileSync(file, 'x'.repeat(size));
    expect(readBounded(file, 100)).toMatchObject({ ok: true, value: Buffer.alloc(size, 'x') });
  });

  it('refuses one that has a byte more', () => {
    const file = join(directory, 'file');
    writeFileSync(file, 'x'.repeat(2049));
    expect(readBounded(file, 2048)).toMatchObject({ ok: false, mistake: 'is larger than 2 KiB; make it smaller' });
  });

  it.runIf(process.platform === 'linux')(
    'reads to the end what the kernel makes up, whose size is said to be 0',
    () => {
      const read = readBounded('/proc/self/smaps', 64 * 1024 * 1024);
      expect(read.ok && read.value.length).toBeGreaterThan(16 * 1024);
      expect(read.ok && read.value.toString().trimEnd()).toMatch(/VmFlags: [a-z ]+$/);
      expect(readBounded('/proc/self/smaps', 17 * 1024)).toMatchObject({ ok: false });
    },
  );
});
