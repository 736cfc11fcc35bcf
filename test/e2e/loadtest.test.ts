import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Report } from '../../src/loadtest/report.ts';
import { cli, type Invocation } from '../support/cli.ts';
import { get, openGate, openTarget, type TestGate } from '../support/gate.ts';
import { FIXTURES } from '../support/tls.ts';

const CI = fileURLToPath(new URL('../../examples/ci/', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** Small, and exact: so many requests are due, whatever the machine does. */
const SMALL = ['--rate', '40', '--duration', '1s', '--warmup', '250ms'] as const;

describe('loadtest', { timeout: 60_000 }, () => {
  const open: (() => Promise<unknown>)[] = [];
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tealgate-e2e-'));
  });
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
    await rm(directory, { recursive: true, force: true });
  });

  function own<T extends AsyncDisposable>(resource: T): T {
    open.push(async () => resource[Symbol.asyncDispose]());
    return resource;
  }

  async function gate(green: Parameters<typeof openTarget>[0] = 'green'): Promise<TestGate> {
    const targets = [own(await openTarget('blue')).url];
    const upstreams = {
      blue: { weight: 100, targets },
      green: { weight: 0, targets: [own(await openTarget(green)).url] },
    };
    const shop = { upstreams, expose: true, drain: { timeout: '1s' } };
    return own(await openGate({ services: { shop } }));
  }

  async function loadtest(...argv: readonly string[]): Promise<{ result: Invocation; report: Report }> {
    const env = { PATH: process.env.PATH ?? '' };
    const result = await cli(['loadtest', ...argv, '--json'], { env });
    return { result, report: result.stdout === '' ? {} : JSON.parse(result.stdout) };
  }

  test('drives a URL at a rate, and reports what became of every request', async () => {
    const { url } = await gate();
    const { result, report } = await loadtest(url, ...SMALL, '--expect', 'requests==40', '--expect', 'errors==0');
    expect(result.code).toBe(0);
    expect(report).toMatchObject({ ok: true, requests: 40, answered: 40, errors: 0, non2xx: 0, unsent: 0 });
    expect(report).toMatchObject({ service: null, accounts: null, warmup: { requests: 10 } });
    expect(report.upstreams).toEqual([
      { name: 'blue', requests: null, attempts: null, failed: null, retries: null, answered: 40 },
    ]);
  });

  test('drives it in a closed loop, and says so in a pipe', async () => {
    const { url } = await gate();
    const result = await cli(['loadtest', url, '--connections', '2', '--duration', '300ms', '--warmup', '0s']);
    expect(result.code).toBe(0);
    expect(result.stdout).toContain('steady: closed loop over 2 connections for 0.3 s');
    expect(result.stdout).toContain('✓ errors==0: errors is 0');
    expect(result.stderr).toMatch(/^\d+ %, \d+m?s of 300ms, \d+ requests, 0 errors/);
  });

  test('draws a bar on a terminal', async () => {
    const { url } = await gate();
    const { stderr } = await cli(['loadtest', url, ...SMALL], { tty: true, env: { NO_COLOR: '1' } });
    expect(stderr).toMatch(/[█░]{24} \d+m?s of 1s/);
  });

  test('switches back and forth under load, loses nothing and ends where it began', async () => {
    const { url, adminUrl, control } = await gate();
    const operate = ['--admin', adminUrl, '--scenario', 'switch', '--every', '150ms'];
    const { result, report } = await loadtest(url, ...SMALL, ...operate);
    expect(result.code).toBe(0);
    expect(report.accounts).toMatchObject({ sent: 50, accepted: 50, settled: 50, mismatched: 0, lost: 0 });
    expect(report.operations.switches).toBeGreaterThan(0);
    expect(report.upstreams.map(({ name }) => name)).toEqual(['blue', 'green']);
    expect(report.upstreams.every(({ requests }) => requests !== null && requests > 0)).toBe(true);
    expect(control.service('shop').upstreams.blue?.weight).toBeGreaterThan(0);
    expect(control.service('shop').upstreams.green?.weight).toBe(0);
  });

  test('puts split weights back after the switches', async () => {
    const { url, adminUrl, control } = await gate();
    await control.setWeights('shop', { blue: 70, green: 30 }, { actor: 'test' });
    const operate = ['--admin', adminUrl, '--scenario', 'switch', '--to', 'green', '--every', '400ms'];
    const { result } = await loadtest(url, ...SMALL, ...operate);
    expect(result.code).toBe(0);
    const { blue, green } = control.service('shop').upstreams;
    expect([blue?.weight, green?.weight]).toEqual([70, 30]);
  });

  test('promotes a good canary under load', async () => {
    const { url, adminUrl, control } = await gate();
    const operate = ['--admin', adminUrl, '--scenario', 'canary', '--to', 'green', '--every', '200ms'];
    const { result, report } = await loadtest(url, ...SMALL, ...operate);
    expect(report.checks.map(({ expectation, ok }) => [expectation, ok])).toEqual([
      ['errors==0', true],
      ['non2xx==0', true],
      ['unsent==0', true],
      ['lost==0', true],
      ['promoted==1', true],
    ]);
    expect(result.code).toBe(0);
    expect(control.service('shop').stable).toBe('green');
  });

  test('fails when the canary is rolled back, and passes where that is what was expected', async () => {
    const { url, adminUrl } = await gate((_request, response) => response.writeHead(500).end('bad'));
    const operate = ['--admin', adminUrl, '--stage', '50:1m'];
    const canary = await loadtest(url, ...SMALL, ...operate, '--scenario', 'canary');
    expect(canary.result.code).toBe(1);
    expect(canary.report.rollout).toMatchObject({ phase: 'rolled_back' });
    const rollback = await loadtest(url, ...SMALL, ...operate, '--scenario', 'rollback');
    expect(rollback.report.checks.at(-1)).toMatchObject({ expectation: 'rolled_back==1', ok: true });
    expect(rollback.result.code).toBe(0);
  });

  test('gives up after --timeout with exit code 3, and leaves no rollout behind', async () => {
    const { url, adminUrl, control } = await gate();
    const operate = ['--admin', adminUrl, '--scenario', 'canary', '--stage', '50:1h', '--timeout', '1s'];
    const { result, report } = await loadtest(url, ...SMALL, ...operate);
    expect(result.code).toBe(3);
    expect(report.problems).toEqual(['it did not end within 1s']);
    expect(report.unsent).toBe(0);
    expect(control.service('shop').rollout?.position.phase).toBe('aborted');
  });

  test('reloads the configuration under load', async () => {
    const { url, adminUrl } = await gate();
    const operate = ['--admin', adminUrl, '--scenario', 'reload', '--every', '200ms'];
    const { result, report } = await loadtest(url, ...SMALL, ...operate);
    expect(result.code).toBe(0);
    expect(report.operations.reloads).toBeGreaterThan(0);
  });

  test('ends early when an operation fails, and says which', async () => {
    const { url, adminUrl, control } = await gate();
    await control.startRollout('shop', 'green', { stages: [{ weight: 1, hold: '1h' }] }, { actor: 'test' });
    const { result, report } = await loadtest(
      url,
      ...SMALL,
      '--admin',
      adminUrl,
      '--scenario',
      'canary',
      '--to',
      'green',
    );
    expect(result.code).toBe(1);
    expect(report.problems.join()).toContain('rollout');
  });

  test('finds requests that never reached the gate', async () => {
    const { adminUrl } = await gate();
    const elsewhere = own(await openTarget('elsewhere'));
    const { result, report } = await loadtest(elsewhere.url, ...SMALL, '--admin', adminUrl);
    expect(result.code).toBe(1);
    expect(report.accounts).toMatchObject({ sent: 50, answered: 50, accepted: 0, lost: 50 });
    expect(report.checks.filter(({ ok }) => !ok).map(({ expectation }) => expectation)).toEqual(['lost==0']);
  });

  test('finds requests whose connection is closed without an answer', async () => {
    let connections = 0;
    const server = createServer((socket: Socket) => {
      const silent = ++connections % 2 === 0;
      socket.on('error', () => socket.destroy());
      socket.on('data', () =>
        silent ? socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf') : socket.end(WHOLE),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    open.push(() => new Promise((resolve) => server.close(resolve)));
    const options = ['--rate', '40', '--connections', '1', '--duration', '500ms', '--warmup', '0s'];
    const { result, report } = await loadtest(url, ...options);
    expect(result.code).toBe(1);
    // Every second connection breaks its only answer; the preflight was the first one.
    expect(report).toMatchObject({ requests: 20, answered: 10, errors: 10, dropped: 10, statuses: { 200: 10 } });
  });

  test('counts the wait of requests that were due while the only connection was held up', async () => {
    let first = true;
    const target = own(
      await openTarget((_request, response) => {
        setTimeout(() => response.end('late'), first ? 600 : 0);
        first = false;
      }),
    );
    const options = ['--rate', '20', '--connections', '1', '--duration', '1s', '--warmup', '0s'];
    const { report } = await loadtest(target.url, ...options, '--expect', 'requests==20', '--expect', 'p50>=50ms');
    // Eleven more were due every 50 ms, and none of them before 600 ms has passed.
    expect(report.checks.map(({ ok }) => ok)).toEqual([true, true]);
  });

  test('fails by itself when the rate is not reached', async () => {
    const target = own(await openTarget((_request, response) => setTimeout(() => response.end('slow'), 100)));
    const options = ['--rate', '100', '--connections', '1', '--duration', '1s', '--warmup', '0s'];
    const { result, report } = await loadtest(target.url, ...options);
    expect(result.code).toBe(1);
    expect(report).toMatchObject({ errors: 0, non2xx: 0 });
    expect(report.unsent).toBeGreaterThan(0);
    // One connection and 100 ms an answer, also after the end.
    expect(report.answersPerSecond).toBeLessThan(11);
    expect(report.checks.filter(({ ok }) => !ok).map(({ expectation }) => expectation)).toEqual(['unsent==0']);
  });

  test('ends although some connections have nothing to send', async () => {
    const target = own(await openTarget('blue'));
    const options = ['--rate', '20', '--connections', '20', '--duration', '100ms', '--warmup', '0s'];
    const { result, report } = await loadtest(target.url, ...options);
    expect(result.code).toBe(0);
    expect(report).toMatchObject({ requests: 2, answered: 2 });
  });

  test('takes a method in small letters', async () => {
    const methods = new Set<string | undefined>();
    const target = own(
      await openTarget((request, response) => {
        methods.add(request.method);
        response.end();
      }),
    );
    const { result } = await loadtest(target.url, ...SMALL, '--method', 'put', '--body', 'x');
    expect(result.code).toBe(0);
    expect([...methods]).toEqual(['PUT']);
  });

  test.each([
    ['--junit', /^<\?xml .*<\/testsuites>\n$/s],
    ['--markdown', /^### Load test ✅ passed\n/],
  ])('prints the report of %s - on stdout in place of the text', async (option, whole) => {
    const target = own(await openTarget('blue'));
    const { stdout } = await cli(['loadtest', target.url, ...SMALL, option, '-']);
    expect(stdout).toMatch(whole);
    expect(stdout).not.toContain('steady: 40/s over 10 connections for 1 s\n  requests');
  });

  test('exits with its verdict when nobody reads its stdout', async () => {
    const target = own(await openTarget('blue'));
    const argv = [MAIN, 'loadtest', target.url, ...SMALL, '--expect', 'requests==0'];
    const child = spawn(process.execPath, argv, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH },
    });
    child.stdout.destroy();
    expect(await once(child, 'close')).toEqual([1, null]);
  });

  test('honours Connection: close without counting it as a failure', async () => {
    const target = own(await openTarget((_request, response) => response.setHeader('connection', 'close').end('bye')));
    const { result, report } = await loadtest(target.url, ...SMALL);
    expect(report).toMatchObject({ requests: 40, answered: 40, errors: 0 });
    expect(result.code).toBe(0);
  });

  test('exits with 5 when there is nothing to drive, or no gate to operate', async () => {
    const target = await openTarget('gone');
    await target.close();
    const nothing = await loadtest(target.url, ...SMALL);
    expect(nothing.result).toMatchObject({ code: 5, stdout: '' });
    expect(nothing.result.stderr).toMatch(/cannot reach http:\S+ \(ECONNREFUSED\)/);
    const { url } = await gate();
    const noGate = await loadtest(url, ...SMALL, '--admin', target.url);
    expect(noGate.result.code).toBe(5);
  });

  test.each([
    [[], 'loadtest needs a URL, or --spawn FILE'],
    [['ftp://here'], 'ftp://here: not a URL'],
    [['http://h/', '--rate', '0'], '--rate 0: give a whole number from 1'],
    [['http://h/', '--duration', '0s'], '--duration 0s: give a duration'],
    [['http://h/', '--timeout', '0s'], '--timeout 0s: give a duration'],
    [['http://h/', '--timeout', '30d'], '--timeout 30d: give a duration of at most 24h'],
    [['http://h/', '--expect', 'p99<50'], '--expect "p99<50": 50 has no unit; write 50ms'],
    [['http://h/', '--expect', 'lost==0'], '--expect lost==0: only the ledger of a gate knows'],
    [['http://h/', '--expect', 'promoted==1'], '--scenario steady has no rollout'],
    [['http://h/', '--expect', 'rate>=95%', '--connections', '5'], 'give --rate'],
    [['http://h/', '--scenario', 'lunch'], 'Allowed choices are steady, switch'],
    [['http://h/', '--scenario', 'switch', '--stage', '5:1s'], '--stage is not for --scenario switch'],
    [['http://h/', '--scenario', 'restart-target'], 'restart-target needs --spawn'],
    [['http://h/', '--header', 'nonsense'], '--header nonsense: not a header'],
    [['http://h/', '--method', 'get it'], '--method get it: not a method'],
    [['http://h/', '--to', 'green'], '--to is not for --scenario steady'],
    [['http://h/', '--every', '1s'], '--every is not for --scenario steady'],
    [['http://h/', '--logs', 'here'], '--logs is for the processes of --spawn'],
    [['http://h/', '--junit', '/nowhere/x.xml'], '--junit /nowhere/x.xml: cannot be written: ENOENT'],
    [['http://h/', '--markdown', '/'], '--markdown /: cannot be written: it is a directory'],
    [['http://h/', '--junit', '-', '--markdown', '-'], 'stdout is for one form of the report'],
    [['http://h/', '--expect', 'p99=<5ms'], 'such as p99<50ms\n'],
    [['http://h/', '--spawn', 'x.yaml'], 'http://h/: with --spawn give a path'],
    [['--spawn', '/nowhere.yaml'], '--spawn /nowhere.yaml: ENOENT'],
  ])('refuses %j with exit code 2', async (argv, message) => {
    const { code, stdout, stderr } = await cli(['loadtest', ...argv]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('asks for a name where it cannot tell which upstream or service is meant', async () => {
    const { url, adminUrl } = await gate();
    const wrong = await loadtest(url, ...SMALL, '--admin', adminUrl, '--scenario', 'switch', '--to', 'gren');
    expect(wrong.result.code).toBe(2);
    expect(wrong.result.stderr).toContain('shop has no upstream gren');
    for (const scenario of ['switch', 'rollback']) {
      const there = await loadtest(url, ...SMALL, '--admin', adminUrl, '--scenario', scenario, '--to', 'blue');
      expect(there.result.code).toBe(2);
      expect(there.result.stderr).toContain('--to blue: shop is on blue already');
    }
    const service = await loadtest(url, ...SMALL, '--admin', adminUrl, '--service', 'shp');
    expect(service.result.code).toBe(2);
    expect(service.result.stderr).toContain('--service with one of: shop');
  });

  describe('--spawn', () => {
    /** A file with two processes of the example's application behind one upstream. */
    async function spawnFile(more: string, command = `node ${CI}app.js {port} blue`): Promise<string> {
      const path = join(directory, 'loadtest.yaml');
      const health = '{path: /healthz, interval: 100ms, rise: 1, fall: 1}';
      await writeFile(
        path,
        `upstreams:
  one: {command: "${command}", health: /healthz}
  two: {command: "node ${CI}app.js {port} blue", health: /healthz}
gate:
  accessLog: false
  services:
    shop:
      upstreams: {blue: {weight: 1, targets: ["http://127.0.0.1:\${ONE_PORT}", "http://127.0.0.1:\${TWO_PORT}"]}}
      health: ${health}
${more}`,
      );
      return path;
    }

    function logs(): string[] {
      return ['--logs', join(directory, 'logs')];
    }

    test('restarts a process without warning, and accounts for every request', async () => {
      const file = await spawnFile('');
      const restart = ['--scenario', 'restart-target', '--to', 'two', '--every', '400ms', '--expect', 'lost==0'];
      const { result, report } = await loadtest('--spawn', file, ...SMALL, ...restart);
      expect(report.problems).toEqual([]);
      expect(report.accounts).toMatchObject({ sent: 50, lost: 0 });
      expect(report.operations.restarts).toBeGreaterThan(0);
      expect(report.logs).toBeNull();
      expect(result.code).toBe(0);
    });

    test('drives a path, fails on failing requests and names the output it kept', async () => {
      // Without ejection, or the failing target may be left out before the warm-up is over.
      const file = await spawnFile('      outliers: none\n', `node ${CI}app.js {port} blue 1`);
      const { result, report } = await loadtest('/checkout', '--spawn', file, ...SMALL, ...logs());
      expect(result.code).toBe(1);
      expect(new URL(report.url).pathname).toBe('/checkout');
      expect(report.non2xx).toBeGreaterThan(0);
      expect(report.logs).toBe(join(directory, 'logs'));
      expect((await readdir(join(directory, 'logs'))).sort()).toEqual([
        'gate.log',
        'one.log',
        'tealgate.yaml',
        'two.log',
      ]);
      expect(await readFile(join(directory, 'logs', 'gate.log'), 'utf8')).toContain('"event":"stopped"');
    });

    test('fails when a process does not start, with what it said', async () => {
      const file = await spawnFile('', 'echo no such version; exit 3');
      const [junit, markdown] = [join(directory, 'report.xml'), join(directory, 'report.md')];
      await writeFile(junit, 'of an earlier test');
      const reports = ['--junit', junit, '--markdown', markdown];
      const { result } = await loadtest('--spawn', file, ...SMALL, ...logs(), ...reports);
      const xml = await readFile(junit, 'utf8');
      expect(xml).toContain('<testsuite name="loadtest.steady" tests="1" failures="0" errors="1" time="0">');
      expect(xml).toMatch(/<error message="one ended with 3; its output in .*\nno such version<\/error>/);
      expect(await readFile(markdown, 'utf8')).toMatch(
        /^### Load test ❌ failed\n\n {4}one ended .*\n {4}no such version\n$/,
      );
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(JSON.parse(result.stderr).error.message).toMatch(
        /^one ended with 3; its output in .*one\.log:\nno such version$/,
      );
    });

    test('speaks TLS to a gate whose first listener does', async () => {
      const tls = `{cert: ${FIXTURES}/gate.crt, key: ${FIXTURES}/gate.key}`;
      const file = await spawnFile(`  listeners: [{address: "127.0.0.1:0", tls: ${tls}}]\n`);
      const { result, report } = await loadtest('--spawn', file, ...SMALL);
      expect(new URL(report.url).protocol).toBe('https:');
      expect(report).toMatchObject({ answered: 40, errors: 0 });
      expect(result.code).toBe(0);
    });

    test('does not take another process for its own', async () => {
      const other = own(await openTarget('other'));
      const { port } = new URL(other.url);
      const file = await spawnFile('');
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace('health: /healthz}', `health: /healthz, port: ${port}}`));
      const { result } = await loadtest('--spawn', file, ...SMALL, ...logs());
      expect(result.code).toBe(1);
      expect(JSON.parse(result.stderr).error.message).toContain(`port ${port} of one is in use by another process`);
    });

    test('exits with 2 when the gate refuses its configuration, with what it said', async () => {
      const file = await spawnFile('      nonsense: 1');
      const { result } = await loadtest('--spawn', file, ...SMALL, ...logs());
      expect(result.code).toBe(2);
      expect(JSON.parse(result.stderr).error.message).toContain('nonsense');
    });

    test.each(['SIGINT', 'SIGHUP'] as const)(
      'ends everything it started when it is interrupted by %s',
      async (signal) => {
        const file = await spawnFile('', `echo $PORT; node ${CI}app.js {port} blue`);
        const child = spawn(process.execPath, [MAIN, 'loadtest', '--spawn', file, '--duration', '1h', ...logs()], {
          stdio: ['ignore', 'pipe', 'pipe'],
          env: { PATH: process.env.PATH },
        });
        let stderr = '';
        child.stderr.on('data', (chunk: Buffer) => {
          stderr += chunk.toString();
        });
        let stdout = '';
        child.stdout.on('data', (chunk: Buffer) => {
          stdout += chunk.toString();
        });
        await expect.poll(() => stderr, { timeout: 30_000 }).toContain('requests');
        child.kill(signal);
        expect(await once(child, 'close')).toEqual([1, null]);
        expect(stdout).toContain('✗ it was interrupted');
        const gateLog = await readFile(join(directory, 'logs', 'gate.log'), 'utf8');
        expect(gateLog).toContain('"event":"stopped"');
        const port = Number(await readFile(join(directory, 'logs', 'one.log'), 'utf8'));
        await expect(get(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow('ECONNREFUSED');
      },
    );
  });

  describe('the example for pipelines', () => {
    async function script(env: Readonly<Record<string, string>>) {
      const bin = join(directory, 'bin');
      await mkdir(bin, { recursive: true });
      await writeFile(join(bin, 'tealgate'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
      await chmod(join(bin, 'tealgate'), 0o755);
      const child = spawn(`${CI}loadtest.sh`, [], {
        stdio: 'ignore',
        env: {
          PATH: `${bin}:${process.env.PATH}`,
          REPORTS: join(directory, 'reports'),
          GITHUB_STEP_SUMMARY: join(directory, 'summary.md'),
          DURATION: '1s',
          RATE: '40',
          ...env,
        },
      });
      const [code] = await once(child, 'close');
      return { code, summary: await readFile(join(directory, 'summary.md'), 'utf8') };
    }

    test('exits with 0 on a good release, and leaves its reports', async () => {
      const { code, summary } = await script({});
      expect(code).toBe(0);
      expect(summary.match(/### Load test ✅ passed/g)).toHaveLength(2);
      const reports = join(directory, 'reports');
      expect((await readdir(reports)).sort()).toEqual([
        'canary',
        'canary.md',
        'canary.xml',
        'switch',
        'switch.md',
        'switch.xml',
      ]);
      expect(await readFile(join(reports, 'canary.xml'), 'utf8')).toContain('name="promoted==1" time="0"/>');
    });

    test('exits with 1 on a release that fails requests', async () => {
      const { code, summary } = await script({ SCENARIOS: 'canary', FAILS_ONE_IN: '2' });
      expect(code).toBe(1);
      expect(summary).toContain('| ❌ | promoted==1 | promoted is 0 |');
    });

    test.each(['github-actions.yml', 'gitlab-ci.yml'])('%s is YAML that runs the script', async (name) => {
      expect(JSON.stringify(parse(await readFile(`${CI}${name}`, 'utf8')))).toContain('ci/loadtest.sh');
    });
  });
});

const WHOLE = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nwhole';
