import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningGate, tealgate } from '../support/command.ts';
import { get, openTarget, startLoad, type Target } from '../support/gate.ts';

describe('the command-line tool against a gate', () => {
  let blue: Target;
  let green: Target;
  let bad: Target;
  let gate: RunningGate;

  beforeAll(async () => {
    blue = await openTarget('blue');
    green = await openTarget('green');
    bad = await openTarget((_request, response) => response.writeHead(500).end('bad'));
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    const rollout = {
      stages: [{ weight: 20, hold: '200ms' }, { weight: 100 }],
      guards: { errorRate: { max: '1%', confidence: '99%' } },
    };
    gate = await RunningGate.start({
      services: { shop: { upstreams, stable: 'blue', drain: { timeout: '1s' }, rollout } },
    });
  });

  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
    for (const target of [blue, green, bad]) await target.close();
  });

  test('healthcheck exits 0', async () => {
    expect(await gate.command('healthcheck')).toMatchObject({ code: 0, stdout: 'ready\n', stderr: '' });
  });

  test('weights changes the split, and refuses a version that has passed', async () => {
    const set = await gate.command('weights', 'shop', 'blue=50', 'green=50');
    expect(set).toMatchObject({ code: 0, stderr: '' });
    expect(set.stdout).toMatch(/^shop: blue 50 %, green 50 % \(version \d+\)\n$/);
    expect(new Set([(await get(gate.url)).body, (await get(gate.url)).body])).toEqual(new Set(['blue', 'green']));
    const stale = await gate.command('weights', 'shop', 'blue=1', '--if-version', '0');
    expect(stale.code).toBe(1);
    expect(stale.stderr).toContain('tealgate status shop shows the current version');
  });

  test('names what is there when a name is wrong', async () => {
    const service = await gate.command('weights', 'shp', 'blue=1');
    expect(service.code).toBe(2);
    expect(service.stderr).toContain('did you mean shop?');
    const upstream = await gate.command('weights', 'shop', 'gren=1');
    expect(upstream.code).toBe(2);
    expect(upstream.stderr).toContain('blue, green');
  });

  test('switch --wait returns when the other side is empty', async () => {
    const { code, stdout } = await gate.command('switch', 'shop', 'blue', '--wait');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'shop: green drained\n' });
    expect((await get(gate.url)).body).toBe('blue');
  });

  test('switch to targets that nobody serves is refused with 1, and names --force', async () => {
    await gate.command('targets', 'shop', 'green', 'http://127.0.0.1:1');
    const { code, stderr } = await gate.command('switch', 'shop', 'green');
    expect(code).toBe(1);
    expect(stderr).toContain('--force');
    expect((await get(gate.url)).body).toBe('blue');
  });

  test('a rollout of a good candidate is promoted: exit 0', async () => {
    expect((await gate.command('targets', 'shop', 'green', green.url)).code).toBe(0);
    const load = startLoad(gate.url, 4);
    const { code, stdout, stderr } = await gate.command('rollout', 'start', 'shop', '--to', 'green', '--wait');
    await load.stop();
    expect(stderr).toContain('shop: rollout');
    expect(stdout).toMatch(/^shop: rollout \S+ blue → green promoted/);
    expect(code).toBe(0);
    expect([...load.answers.keys()].sort()).toEqual(['blue', 'green']);
  });

  test('undo goes back', async () => {
    const { code, stdout } = await gate.command('undo', 'shop');
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('shop: back on blue') });
  });

  test('a rollout of a bad candidate is rolled back: exit 1 with the evidence', async () => {
    expect((await gate.command('targets', 'shop', 'green', bad.url)).code).toBe(0);
    const load = startLoad(gate.url, 4);
    const { code, stdout, stderr } = await gate.command(
      'rollout',
      'start',
      'shop',
      '--to',
      'green',
      '--wait',
      '--timeout',
      '15s',
    );
    await load.stop();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/rolled back: .* attempts failed/);
    expect((await gate.command('wait', 'shop', '--for', 'rolled_back')).code).toBe(0);
  });

  test('a paused rollout is waited for, aborted, and aborting again is harmless', async () => {
    expect((await gate.command('targets', 'shop', 'green', green.url)).code).toBe(0);
    const start = await gate.command('rollout', 'start', 'shop', '--to', 'green', '--stage', '10:1h', '--stage', '100');
    expect(start.code).toBe(0);
    expect((await gate.command('weights', 'shop', 'blue=1')).code).toBe(1);
    expect((await gate.command('wait', 'shop', '--for', 'promoted', '--timeout', '50ms')).code).toBe(3);
    expect((await gate.command('rollout', 'pause', 'shop')).code).toBe(0);
    expect((await gate.command('wait', 'shop', '--for', 'paused')).code).toBe(0);
    expect((await gate.command('rollout', 'abort', 'shop')).code).toBe(0);
    expect((await gate.command('rollout', 'abort', 'shop')).code).toBe(0);
    expect((await gate.command('wait', 'shop', '--for', 'promoted')).code).toBe(1);
  });

  test('events tells all of it, and by whom', async () => {
    const { code, stdout } = await gate.command('events');
    expect(code).toBe(0);
    expect(stdout).toMatch(/ shop weights\.changed actor=loopback /);
  });

  test('status ends quietly when its reader has seen enough', async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, 'status', '--watch', '--admin', gate.admin], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const errors: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    await once(child.stdout, 'data');
    child.stdout.destroy();
    // The next line of the watch finds nobody to read it.
    await gate.command('weights', 'shop', 'blue=90', 'green=10');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(Buffer.concat(errors).toString()).toBe('');
  });

  test('healthcheck exits 5 when the gate has gone', async () => {
    const gone = await RunningGate.start({
      services: { shop: { upstreams: { blue: { weight: 1, targets: [blue.url] } } } },
    });
    await gone.end('SIGTERM');
    expect((await gone.command('healthcheck')).code).toBe(5);
    await gone[Symbol.asyncDispose]();
  });
});

test('--version, --help and healthcheck load nothing of the server', async () => {
  const tell = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });`;
  const nodeArguments = ['--import', `data:text/javascript,${encodeURIComponent(tell)}`];
  for (const argv of [['--version'], ['--help'], ['healthcheck', '--admin', '127.0.0.1:1']]) {
    const { stderr } = await tealgate(argv, { nodeArguments });
    expect(stderr).toContain('src/cli/main.ts');
    expect(stderr).not.toMatch(
      /node_modules\/(zod|fastify|pino|prom-client|yaml)\/|src\/(app|admin|proxy|http1|store)\//,
    );
  }
});
