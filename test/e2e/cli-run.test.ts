import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Overview } from '../../src/app/control-plane.ts';
import type { StoredEvent } from '../../src/store/store.ts';
import { RunningGate, tealgate } from '../support/command.ts';
import { type GateFile, get, openTarget, type Target, writeGateFile } from '../support/gate.ts';
import { obligation } from '../support/obligations.ts';

const PATIENT = { timeout: 15_000 };

function shop(blue: Target, more: Readonly<Record<string, unknown>> = {}): GateFile {
  return { services: { shop: { upstreams: { blue: { weight: 100, targets: [blue.url] } }, stable: 'blue' } }, ...more };
}

describe('tealgate run', () => {
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  function own<T extends AsyncDisposable>(resource: T): T {
    open.push(async () => resource[Symbol.asyncDispose]());
    return resource;
  }

  async function directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'tealgate-e2e-'));
    open.push(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  test.each(['SIGTERM', 'SIGINT'] as const)('serves, and on %s lets a request finish and exits 0', async (signal) => {
    const answer = Promise.withResolvers<void>();
    const slow = own(
      await openTarget((_request, response) => {
        answer.promise.then(() => response.end('slow'));
      }),
    );
    const gate = own(await RunningGate.start(shop(slow)));
    const pending = get(gate.url);
    await expect.poll(() => slow.requests, PATIENT).toBe(1);
    const exit = gate.end(signal);
    await gate.logged('stopping');
    answer.resolve();
    expect(await pending).toEqual({ status: 200, body: 'slow' });
    expect(await exit).toBe(0);
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)(obligation('S18-sigterm-twice', '%s: %i'), async (signal, code) => {
    const hanging = own(await openTarget(() => undefined));
    const gate = own(await RunningGate.start(shop(hanging)));
    const pending = get(gate.url).catch((error: NodeJS.ErrnoException) => error.code);
    await expect.poll(() => hanging.requests, PATIENT).toBe(1);
    gate.process.kill(signal);
    await gate.logged('stopping');
    expect(await gate.end(signal)).toBe(code);
    expect(await pending).toBe('ECONNRESET');
  });

  test('drains and ends when the shell that npx put before it is gone', async () => {
    const gate = own(await RunningGate.start(shop(own(await openTarget('blue'))), { throughShell: true }));
    gate.process.kill('SIGTERM');
    await gate.logged('stopped');
  });

  test('reads its file again on SIGHUP', async () => {
    const gate = own(await RunningGate.start(shop(own(await openTarget('blue')))));
    gate.process.kill('SIGHUP');
    await expect
      .poll(async () => (await eventsOf(gate)).map(({ type, actor }) => `${type} ${actor}`), PATIENT)
      .toContain('config.reloaded SIGHUP');
  });

  test('takes over a changed file by itself, and keeps what it has when the file is wrong', async () => {
    const blue = own(await openTarget('blue'));
    const green = own(await openTarget('green'));
    const gate = own(await RunningGate.start(shop(blue)));
    await gate.write(shop(green));
    await expect.poll(async () => (await get(gate.url)).body, PATIENT).toBe('green');
    await gate.write({ ...shop(blue), nonsense: true });
    await expect.poll(async () => (await overviewOf(gate)).config.lastReloadSuccessful, PATIENT).toBe(false);
    expect((await get(gate.url)).body).toBe('green');
    const { code, stderr } = await gate.command('reload');
    expect(code).toBe(2);
    expect(stderr).toMatch(/tealgate\.yaml:\d+:\d+ nonsense/);
  });

  test('is operated over a unix socket', async () => {
    const blue = own(await openTarget('blue'));
    const gate = own(await RunningGate.start(shop(blue, { admin: { address: 'unix:./admin.sock' } })));
    expect(gate.admin).toBe(`unix:${join(gate.directory, 'admin.sock')}`);
    expect(await gate.command('healthcheck')).toMatchObject({ code: 0, stderr: '' });
    expect(await gate.command('evict', 'shop', 'blue')).toMatchObject({ code: 0, stderr: '' });
  });

  test(obligation('Z09-configuration', 'each mistake is told, and nothing is served'), async () => {
    const path = join(await directory(), 'bad.yaml');
    await writeFile(path, 'listeners: [{address: 127.0.0.1:0}]\nservces: {}\n');
    const { code, stdout, stderr } = await tealgate(['run', '--config', path]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${path}:2:1 servces`);
    expect(stderr).toContain('next:  tealgate check FILE');
  });

  test('exits 2 when there is no such file, and when none is named', async () => {
    expect(await tealgate(['run', '--config', '/nowhere/tealgate.yaml'])).toMatchObject({ code: 2 });
    const unnamed = await tealgate(['run']);
    expect(unnamed.code).toBe(2);
    expect(unnamed.stderr).toContain('next:  tealgate run --config tealgate.yaml');
  });

  test('takes the file from TEALGATE_CONFIG', async () => {
    const path = join(await directory(), 'bad.yaml');
    await writeFile(path, 'nonsense: 1\n');
    const { code, stderr } = await tealgate(['run'], { env: { TEALGATE_CONFIG: path } });
    expect(code).toBe(2);
    expect(stderr).toContain(`${path}:1:1`);
  });

  test('exits 1 and names the address when a port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    open.push(() => new Promise((resolve) => taken.close(resolve)));
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const blue = own(await openTarget('blue'));
    const file = shop(blue, { listeners: [{ address: `127.0.0.1:${port}` }] });
    const config = await writeGateFile(await directory(), file);
    const { code, stderr } = await tealgate(['run', '--config', config]);
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
  });

  test(obligation('S19-kill', 'a damaged file, at the command line'), async () => {
    const blue = own(await openTarget('blue'));
    const path = await directory();
    const config = await writeGateFile(path, shop(blue));
    await writeFile(join(path, 'state.db'), 'this is no database, and never was one'.repeat(100));
    const refused = await tealgate(['run', '--config', config]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('state.db.corrupt-');
    expect((await readdir(path)).filter((name) => name.startsWith('state.db.corrupt-'))).toHaveLength(1);
    const gate = own(await RunningGate.start(shop(blue)));
    expect((await get(gate.url)).body).toBe('blue');
  });

  test(obligation('S25-stdout', 'its reader has stalled'), async () => {
    const gate = own(await RunningGate.start(shop(own(await openTarget('blue')), { accessLog: true })));
    gate.process.stdout?.pause();
    const long = `${gate.url}/${'x'.repeat(8000)}`;
    for (let i = 0; i < 200; i++) expect((await get(long)).body).toBe('blue');
    const exit = once(gate.process, 'exit');
    gate.process.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
    const read = once(gate.process, 'close');
    gate.process.stdout?.resume();
    await read;
    // Whatever was still to be written is gone, but what came is whole up to there.
    expect(gate.log.slice(0, -1).filter(({ event }) => event === 'cut')).toEqual([]);
  });

  test(obligation('S25-stdout', 'closed'), async () => {
    const gate = own(await RunningGate.start(shop(own(await openTarget('blue')), { accessLog: true })));
    gate.process.stdout?.destroy();
    for (let i = 0; i < 20; i++) expect((await get(gate.url)).body).toBe('blue');
    expect(await gate.end('SIGTERM')).toBe(0);
  });
});

async function overviewOf(gate: RunningGate): Promise<Overview> {
  // The documented answer of this command.
  return JSON.parse((await gate.command('status', '--json')).stdout) as Overview;
}

async function eventsOf(gate: RunningGate): Promise<StoredEvent[]> {
  const { stdout } = await gate.command('events', '--json');
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
