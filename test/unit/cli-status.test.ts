import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type AdminServer,
  adminServer,
  cli,
  json,
  overviewOf,
  rolloutOf,
  serviceOf,
  targetOf,
  upstreamOf,
} from '../support/cli.ts';

describe('status', () => {
  const open: AdminServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  async function gate(...answers: readonly unknown[]): Promise<AdminServer> {
    let reads = 0;
    const server = await adminServer((_call, response) =>
      json(response, answers[Math.min(reads++, answers.length - 1)]),
    );
    open.push(server);
    return server;
  }

  test('prints one line of fields per upstream in a pipe', async () => {
    const { url } = await gate(overviewOf(serviceOf()));
    const { code, stdout } = await cli(['status', '--admin', url]);
    expect(code).toBe(0);
    expect(stdout).toBe(
      'service=shop upstream=blue role=stable weight=95 share=0.9500 admin=enabled in_flight=0 upgrades=0 pins=0 ' +
        'requests=1000 errors=0 p50_ms=2.5 p99_ms=12.0 recent_p50_ms=2.0 recent_p99_ms=9.5 targets=1/1\n' +
        'service=shop upstream=green role=candidate weight=5 share=0.0500 admin=enabled in_flight=0 upgrades=0 pins=0 ' +
        'requests=1000 errors=0 p50_ms=2.5 p99_ms=12.0 recent_p50_ms=2.0 recent_p99_ms=9.5 targets=1/1\n',
    );
  });

  test('calls no upstream idle that has a share of the traffic', async () => {
    const upstreams = {
      blue: upstreamOf({ name: 'blue', role: 'stable', weight: 95 }),
      green: upstreamOf({ name: 'green', role: 'idle', weight: 5 }),
      grey: upstreamOf({ name: 'grey', role: 'idle', weight: 0 }),
    };
    const { url } = await gate(overviewOf(serviceOf({ upstreams })));
    const { stdout } = await cli(['status', '--admin', url], { tty: true });
    const lines = stripVTControlCharacters(stdout).split('\n');
    expect(lines[3]).toMatch(/ green +█/);
    expect(lines[4]).toMatch(/ grey +idle +░/);
  });

  test('adds a line for the rollout', async () => {
    const rollout = rolloutOf({ phase: 'progressing', stage: 1, heldMs: 0 });
    const { url } = await gate(serviceOf({ rollout }));
    const { stdout } = await cli(['status', 'shop', '--admin', url]);
    expect(stdout).toContain('service=shop rollout=r1 from=blue to=green phase=progressing stage=2/2\n');
  });

  test('does not take what a guard that only observes says for why a rollout ended', async () => {
    const evidence = {
      guard: 'strict',
      kind: 'errorRate',
      dryRun: true,
      verdict: 'fail',
      errors: 9,
      max: 0.01,
      trials: 10,
      confidence: 0.99,
      logE: 9,
      logThreshold: 4,
      summary: '9 of 10 attempts failed',
    } as const;
    const ended = { at: 2, from: 'progressing', to: 'aborted', stage: 1, reason: 'operator', actor: 'ci' } as const;
    const rollout = rolloutOf(
      { phase: 'aborted', stage: 1, reason: 'operator', endedAt: 2 },
      { transitions: [{ ...ended, evidence: [evidence] }] },
    );
    const { url } = await gate(serviceOf({ rollout }));
    const { stdout } = await cli(['status', 'shop', '--admin', url], { tty: true, env: { NO_COLOR: '1' } });
    expect(stdout).toContain('aborted: by an operator');
    expect(stdout).not.toContain('9 of 10 attempts failed');
  });

  test('draws a table with bars on a terminal', async () => {
    const { url } = await gate(overviewOf(serviceOf()));
    const { stdout } = await cli(['status', '--admin', url], { tty: true });
    const lines = stripVTControlCharacters(stdout).split('\n');
    expect(lines[1]).toMatch(/UPSTREAM +ROLE +SHARE +IN FLIGHT +REQUESTS +ERRORS +P50 NOW +P99 NOW +TARGETS/);
    expect(lines[2]).toMatch(/ blue +stable +█{19}░ +95 % +0 +1000 +0 % +2 ms +9\.5 ms +1 of 1 usable/);
    expect(lines[3]).toMatch(/▶ +green +candidate +█░{19} +5 %/);
  });

  test('says why a target takes nothing, and what still drains', async () => {
    const probe = { at: 1, ok: false, status: 500, durationMs: 3, detail: 'answered 500: \u001b[2Jboom' };
    const target = targetOf({ health: 'unhealthy', ejection: { ejected: true, untilAt: 5 }, probes: [probe] });
    const drain = { sinceAt: 1, deadlineAt: 2, drained: false };
    const green = upstreamOf({
      name: 'green',
      admin: 'draining',
      drain,
      inFlight: 3,
      upgrades: 1,
      pins: 7,
      targets: [target],
    });
    const { url } = await gate(serviceOf({ upstreams: { green }, overrides: ['weights'] }));
    const { stdout } = await cli(['status', 'shop', '--admin', url], { tty: true, env: { NO_COLOR: '1' } });
    expect(stdout).toContain('green http://127.0.0.1:3001 unhealthy, ejected: answered 500: \ufffd[2Jboom');
    expect(stdout).toContain('green drains: 3 in flight, 1 upgraded, 7 pins left');
    expect(stdout).toContain('changed at run time, holds against the file: weights');
  });

  test('reports a refused reload', async () => {
    const overview = overviewOf(serviceOf());
    const config = { ...overview.config, lastReloadSuccessful: false, errors: ['tealgate.yaml:3:1 unknown key'] };
    const { url } = await gate({ ...overview, config });
    const { stdout } = await cli(['status', '--admin', url], { tty: true, env: { NO_COLOR: '1' } });
    expect(stdout).toContain('the last reload of tealgate.yaml was refused:\ntealgate.yaml:3:1 unknown key');
  });

  test('prints the answer of the API with --json, on a terminal as well', async () => {
    const { url } = await gate(serviceOf());
    const { stdout } = await cli(['status', 'shop', '--json', '--admin', url], { tty: true });
    expect(JSON.parse(stdout)).toEqual(serviceOf());
  });

  test.each([
    ['one line per change in a pipe', [], 'service=shop version=13'],
    ['one JSON object per change', ['--json'], '"version":13'],
  ])('--watch prints %s', async (_what, flags, awaited) => {
    const { url } = await gate(serviceOf(), serviceOf(), serviceOf({ version: 13 }));
    const end = new AbortController();
    const argv = ['status', 'shop', '--watch', ...flags, '--admin', url];
    const onStdout = (all: string) => all.includes(awaited) && end.abort();
    const { stdout } = await cli(argv, { signal: end.signal, onStdout: (all) => void onStdout(all) });
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
  });

  test('--watch prints one line per change on a dumb terminal', async () => {
    const { url } = await gate(serviceOf(), serviceOf({ version: 13 }));
    const end = new AbortController();
    const onStdout = (all: string) => all.includes('version=13') && end.abort();
    const argv = ['status', 'shop', '--watch', '--admin', url];
    const options = {
      tty: true,
      env: { TERM: 'dumb' },
      signal: end.signal,
      onStdout: (all: string) => void onStdout(all),
    };
    const { stdout } = await cli(argv, options);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).not.toContain('\u001b');
  });

  test('--watch redraws on a terminal, with requests per second', async () => {
    const { url } = await gate(serviceOf());
    const end = new AbortController();
    const onStdout = (all: string) => {
      if (all.includes('\u001b[4A\u001b[J')) end.abort();
    };
    const argv = ['status', 'shop', '--watch', '--admin', url];
    const { stdout } = await cli(argv, { tty: true, signal: end.signal, onStdout });
    expect(stdout).toContain('REQ/S');
  });

  test('rollout status shows stages, evidence and history', async () => {
    const evidence = {
      guard: 'errorRate',
      kind: 'errorRate',
      verdict: 'fail',
      trials: 12,
      errors: 9,
      max: 0.01,
      confidence: 0.99,
      logE: 9,
      logThreshold: 4.6,
      summary: '9 of 12 requests failed',
    } as const;
    const rollout = rolloutOf(
      { phase: 'rolled_back', stage: 0, reason: '9 of 12 requests failed', endedAt: 1 },
      {
        guards: [evidence],
        transitions: [
          {
            at: 0,
            from: 'progressing',
            to: 'rolled_back',
            stage: 0,
            reason: 'guard',
            actor: 'tealgate',
            evidence: [evidence],
          },
        ],
      },
    );
    const { url } = await gate(serviceOf({ rollout }));
    const { stdout } = await cli(['rollout', 'status', 'shop', '--admin', url], { tty: true, env: { NO_COLOR: '1' } });
    expect(stdout.split('\n')).toEqual([
      'shop  r1 blue → green rolled back: 9 of 12 requests failed',
      '  ▶ stage 1    5 %  hold 30m',
      '    stage 2  100 %  not held',
      '  candidate  40 requests, 0 failed',
      '  errorRate  fail  9 of 12 requests failed',
      '  1970-01-01T00:00:00.000Z  progressing → rolled_back  guard (tealgate)',
      '',
    ]);
  });

  test('shows what is left of a stage, evidence against its bound, the deadline and what is kept warm', async () => {
    const judged = { trials: 12, errors: 1, max: 0.01, confidence: 0.99, logE: 2.3, logThreshold: 4.6 };
    const verdict = { guard: 'errorRate', kind: 'errorRate', verdict: 'inconclusive', summary: 'too few' } as const;
    const rollout = rolloutOf(
      { phase: 'paused', stage: 0, heldMs: 450_000, reason: 'gate', sinceAt: 1, waitedMs: 60_000 },
      { guards: [{ ...verdict, ...judged }], group: { name: 'release', id: 'g1', services: ['shop', 'cart'] } },
    );
    const plan = { ...rollout.plan, deadlineMs: 180_000 };
    const blue = upstreamOf({ name: 'blue', warm: { sinceAt: 1, leftMs: 90_000 } });
    const { url } = await gate(serviceOf({ upstreams: { blue }, rollout: { ...rollout, plan } }));
    const { stdout } = await cli(['status', 'shop', '--admin', url], { tty: true, env: { NO_COLOR: '1' } });
    expect(stdout).toContain('rollout group release r1 blue → green paused, stage 1 of 2 (5 %)');
    expect(stdout).toContain('2m to the deadline');
    expect(stdout).toContain('    █████░░░░░░░░░░░░░░░  22m30s left in the stage');
    expect(stdout).toContain('    errorRate  inconclusive  ██████████░░░░░░░░░░  evidence 2.30 of 4.60');
    expect(stdout).toContain('blue is kept warm for 1m30s more');
  });

  test('rollout status exits 1 when there never was one', async () => {
    const { url } = await gate(serviceOf());
    expect((await cli(['rollout', 'status', 'shop', '--admin', url])).code).toBe(1);
  });
});

describe('healthcheck', () => {
  test.each([
    [200, 0],
    [503, 1],
  ])('turns a %i of /readyz into exit code %i', async (status, code) => {
    const server = await adminServer((_call, response) => json(response, {}, status));
    const result = await cli(['healthcheck', '--admin', server.url]);
    await server.close();
    expect(result.code).toBe(code);
    expect(server.calls[0]?.path).toBe('/readyz');
  });
});
