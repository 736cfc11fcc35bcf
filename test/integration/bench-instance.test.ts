import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Instance } from '../../bench/instance.ts';
import { LAYOUTS } from '../../bench/layouts.ts';
import type { Peer } from '../../bench/peers/peer.ts';
import { eventually } from '../support/inbox.ts';

/** Tells its process id to whoever connects. */
const SERVER = "require('net').createServer((s) => s.end(String(process.pid))).listen(process.argv[1], '127.0.0.1')";

const peer: Peer = {
  id: 'test',
  title: 'test',
  warmsUp: false,
  upgrades: false,
  version: () => '1',
  supports: () => true,
  prepare: ({ port }) => ({ command: [process.execPath, '-e', SERVER, String(port)] }),
};

// The bench reads /proc, so it is for Linux.
describe.skipIf(process.platform !== 'linux')('a proxy in the bench', () => {
  let directory: string;
  let instance: Instance;
  let pid: number;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'tealgate-instance-'));
    const cores = { proxy: null, load: null, description: '' };
    const targets = { files: [], sink: [], description: '', stop: async () => {} };
    instance = await Instance.start(peer, LAYOUTS.base, { directory, cores, targets });
    pid = await ask(instance.port);
  });

  afterEach(async () => {
    await instance.stop();
    rmSync(directory, { recursive: true });
  });

  function ask(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      connect(port, '127.0.0.1')
        .once('data', (text) => resolve(Number(text)))
        .once('error', reject);
    });
  }

  function state(): string | undefined {
    return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  }

  it('does nothing while it is paused, and ends when it is told to', async () => {
    instance.pause();
    await eventually('it is stopped', () => state() === 'T');
    instance.resume();
    expect(await ask(instance.port)).toBe(pid);
    instance.pause();
    await instance.stop();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('may have died: pausing, resuming and stopping it then is nothing', async () => {
    process.kill(pid, 'SIGKILL');
    await eventually('it is gone', () => {
      try {
        return process.kill(pid, 0) && state() === 'Z';
      } catch {
        return true;
      }
    });
    instance.pause();
    instance.resume();
    await instance.stop();
  });
});
