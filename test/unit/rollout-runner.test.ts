import { beforeEach, describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import { operate } from '../../src/rollout/operate.ts';
import type { SmokeResult } from '../../src/rollout/rollout.ts';
import { createRunner, type Runner, type RunnerOptions } from '../../src/rollout/runner.ts';
import { ERROR_RATE } from '../support/guards.ts';
import { MemoryPorts, SERVICE } from './rollout-memory-ports.ts';

const PLAN: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: [
    { weight: 5, holdMs: 10_000 },
    { weight: 50, holdMs: 10_000 },
  ],
  guards: [ERROR_RATE],
};

let ports: MemoryPorts;
let time: { monotonicMs: number; wallMs: number };
let errors: string[];
let runner: Runner;

beforeEach(() => {
  ports = new MemoryPorts();
  time = { monotonicMs: 5_000_000, wallMs: 1_700_000_000_000 };
  errors = [];
  runner = newRunner();
});

function newRunner(smoke: RunnerOptions['smoke'] = async () => []): Runner {
  return createRunner(ports, {
    clock: { monotonicMs: () => time.monotonicMs, wallMs: () => time.wallMs },
    log: { error: ({ err }) => errors.push(String(err)) },
    smoke,
  });
}

async function pass(ms: number): Promise<void> {
  time.monotonicMs += ms;
  time.wallMs += ms;
  await runner.tick();
}

/** A process that starts, takes up what is stored, and is stopped again at once. */
async function restarted(): Promise<void> {
  ports.restart();
  runner = newRunner();
  const stop = new AbortController();
  const stopped = runner.start(stop.signal);
  stop.abort();
  await stopped;
  runner = newRunner();
}

function smokeResult(ok: boolean): SmokeResult {
  return {
    target: 'http://green.test',
    method: 'GET',
    path: '/healthz',
    ok,
    status: ok ? 200 : 500,
    durationMs: 1,
    detail: ok ? '' : 'status 500 and not 200',
  };
}

const position = () => ports.newest().position;

describe('the runner', () => {
  it('takes a good candidate from created to promoted', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    expect(position()).toEqual({ phase: 'progressing', stage: 0, heldMs: 0 });
    expect(ports.served().weights).toEqual({ blue: 95, green: 5, grey: 0 });
    await pass(9_999);
    expect(position()).toMatchObject({ stage: 0 });
    await pass(1);
    expect(position()).toMatchObject({ phase: 'progressing', stage: 1 });
    await pass(10_000);
    expect(position()).toMatchObject({ phase: 'draining' });
    expect(ports.served()).toMatchObject({ stable: 'green', draining: ['blue'], weights: { blue: 0, green: 100 } });
    await pass(50);
    expect(position()).toMatchObject({ phase: 'draining' });
    ports.empty.add('blue');
    await pass(50);
    expect(position()).toMatchObject({ phase: 'promoted' });
    expect(errors).toEqual([]);
    expect(ports.stored().events.at(-1)).toBe('rollout.promoted');
  });

  it('gives a candidate without a healthy target no more traffic, and goes on when it has one again', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    ports.ill.add('green');
    await pass(3_600_000);
    expect(position()).toMatchObject({ phase: 'progressing', stage: 0 });
    ports.ill.clear();
    await pass(50);
    expect(position()).toMatchObject({ phase: 'progressing', stage: 1 });
    ports.ill.add('green');
    await pass(3_600_000);
    expect(ports.served()).toMatchObject({ stable: 'blue', weights: { blue: 50, green: 50 } });
    ports.ill.clear();
    await pass(50);
    expect(position()).toMatchObject({ phase: 'draining' });
  });

  it('judges a candidate without a healthy target, and promotes it when an operator says so', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    ports.ill.add('green');
    await pass(10_000);
    ports.traffic('green', 2, 2);
    await pass(50);
    expect(position()).toMatchObject({ phase: 'rolled_back', reason: 'error_rate' });
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    await ports.update(SERVICE, (rollout) => rollout && operate(rollout, 'promote', 'ci', time.wallMs));
    expect(position()).toMatchObject({ phase: 'promoting' });
  });

  it('looks at once when a fuse has blown, and rolls back', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    ports.traffic('green', 2, 2);
    await runner.judge(SERVICE);
    expect(position()).toMatchObject({ phase: 'rolled_back', reason: 'error_rate' });
    expect(ports.served()).toMatchObject({ weights: { blue: 100, green: 0 }, draining: ['green'] });
  });

  it('judges counts that came while a look was under way', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    ports.traffic('green', 100, 0);
    const first = runner.judge(SERVICE);
    ports.traffic('green', 50, 50);
    await Promise.all([first, runner.judge(SERVICE)]);
    expect(position().phase).toBe('rolled_back');
  });

  it('does not count what the candidate did before its first stage', async () => {
    ports.traffic('green', 100, 100);
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    await pass(50);
    expect(ports.newest()).toMatchObject({ position: { phase: 'progressing' }, counts: { candidate: { trials: 0 } } });
  });

  it('stores progress once a second and transitions at once', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    const before = ports.commits;
    for (let i = 0; i < 60; i++) {
      ports.traffic('green', 1, 0);
      await pass(50);
    }
    expect(ports.commits - before).toBe(3);
    expect(ports.newest().counts.candidate.trials).toBe(60);
    expect(position()).toMatchObject({ heldMs: 3000 });
    await pass(7000);
    expect(ports.commits - before).toBe(4);
    expect(position()).toMatchObject({ stage: 1 });
  });

  it('runs the smoke requests against the candidate and stops at a wrong answer', async () => {
    const asked: (readonly string[])[] = [];
    runner = newRunner(async (_requests, targets) => {
      asked.push(targets);
      return [smokeResult(true), smokeResult(false)];
    });
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    expect(asked).toEqual([['http://green.test']]);
    expect(ports.newest()).toMatchObject({
      position: { phase: 'failed', reason: 'smoke' },
      smoke: [{ ok: true }, { ok: false }],
    });
    expect(ports.served().weights).toEqual({ blue: 100, green: 0, grey: 0 });
  });

  it('fails a candidate without targets', async () => {
    ports.targets = () => [];
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    expect(ports.newest()).toMatchObject({
      position: { phase: 'failed' },
      smoke: [{ detail: 'green has no targets' }],
    });
  });

  it('ends smoke requests that take longer than the deadline', async () => {
    const asked = Promise.withResolvers<readonly SmokeResult[]>();
    runner = newRunner(() => {
      time.monotonicMs += 1000;
      return asked.promise;
    });
    await ports.begin('green', { ...PLAN, deadlineMs: 2000 }, time.wallMs);
    const look = runner.judge(SERVICE);
    await untilPhase('checking');
    // The first look starts the clock of the deadline, and one of the next finds that it is over.
    while (position().phase === 'checking') {
      time.monotonicMs += 700;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await look;
    expect(position()).toMatchObject({ phase: 'aborted', reason: 'deadline' });
    asked.resolve([smokeResult(true)]);
    await pass(50);
    expect(position()).toMatchObject({ phase: 'aborted' });
    expect(errors).toEqual([]);
  });

  it('goes on with a deadline after a restart, and does not count the time in between', async () => {
    await ports.begin('green', { ...PLAN, deadlineMs: 60_000 }, time.wallMs);
    await runner.judge(SERVICE);
    await ports.update(SERVICE, (rollout) => rollout && operate(rollout, 'pause', 'ci', time.wallMs));
    await pass(50);
    await pass(40_000);
    expect(position()).toMatchObject({ phase: 'paused', waitedMs: 40_000 });
    await pass(500);
    time.wallMs += 3_600_000;
    await restarted();
    time.monotonicMs = 77;
    await pass(50);
    await pass(19_999);
    expect(position()).toMatchObject({ phase: 'paused', waitedMs: 59_999 });
    await pass(1);
    expect(position()).toMatchObject({ phase: 'aborted', reason: 'deadline' });
  });

  it('leaves an old side that does not empty to itself at the deadline', async () => {
    await ports.begin('green', { ...PLAN, deadlineMs: 60_000 }, time.wallMs);
    await runner.judge(SERVICE);
    await ports.update(SERVICE, (rollout) => rollout && operate(rollout, 'promote', 'ci', time.wallMs));
    await pass(50);
    expect(position()).toMatchObject({ phase: 'draining' });
    await pass(59_999);
    expect(position()).toMatchObject({ phase: 'draining' });
    await pass(1);
    expect(position()).toMatchObject({ phase: 'promoted', reason: 'deadline' });
    expect(ports.served()).toMatchObject({ stable: 'green', draining: ['blue'] });
  });

  it('serves every step of a ramp, and goes on with it after a restart', async () => {
    await ports.begin('green', { ...PLAN, stages: [{ weight: 50, holdMs: 10_000 }], rampMs: 1000 }, time.wallMs);
    await runner.judge(SERVICE);
    await ports.update(SERVICE, (rollout) => rollout && operate(rollout, 'abort', 'ci', time.wallMs));
    expect(ports.served().weights).toEqual({ blue: 55, green: 45, grey: 0 });
    await pass(50);
    await pass(450);
    expect(ports.served().weights.green).toBe(25);
    await restarted();
    expect(ports.served().weights.green).toBe(25);
    await pass(50);
    await pass(499);
    expect(ports.served().weights.green).toBe(0);
    expect(position()).toMatchObject({ phase: 'returning' });
    await pass(51);
    expect(position()).toMatchObject({ phase: 'aborted' });
    expect(ports.served()).toMatchObject({ weights: { blue: 100, green: 0 }, draining: ['green'] });
  });

  it('drops the answers of a smoke check whose rollout was aborted meanwhile', async () => {
    const gate = Promise.withResolvers<void>();
    runner = newRunner(async () => {
      await gate.promise;
      return [smokeResult(true)];
    });
    await ports.begin('green', PLAN, time.wallMs);
    const look = runner.judge(SERVICE);
    await untilPhase('checking');
    await ports.update(SERVICE, (rollout) => rollout && operate(rollout, 'abort', 'ci', time.wallMs));
    gate.resolve();
    await look;
    expect(position().phase).toBe('aborted');
    expect(ports.served().weights.green).toBe(0);
  });

  it('logs a failure once, tries again, and counts nothing twice or not at all', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    for (const fault of ['before_commit', 'after_commit', 'before_commit'] as const) {
      ports.traffic('green', 10, 0);
      ports.fault = fault;
      await pass(1000);
    }
    expect(errors).toEqual([
      'Error: failed before_commit',
      'Error: failed after_commit',
      'Error: failed before_commit',
    ]);
    await pass(1000);
    expect(ports.newest().counts.candidate).toMatchObject({ trials: 30, errors: 0 });
    expect(position()).toMatchObject({ heldMs: 4000 });
  });

  it('says of a look that failed that nothing is known of the verdict', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    expect(await runner.judge(SERVICE)).toBe(true);
    ports.traffic('green', 10, 10);
    ports.fault = 'before_commit';
    expect(await runner.judge(SERVICE)).toBe(false);
    expect(await runner.judge(SERVICE)).toBe(true);
    expect(position().phase).toBe('rolled_back');
  });

  it('tells of a look once it has been finished, also where one before it failed', async () => {
    const looked: string[] = [];
    const clock = { monotonicMs: () => time.monotonicMs, wallMs: () => time.wallMs };
    runner = createRunner(ports, { clock, log: { error: () => {} }, onLooked: (service) => looked.push(service) });
    await ports.begin('green', PLAN, time.wallMs);
    ports.fault = 'before_commit';
    await runner.judge(SERVICE);
    expect(looked).toEqual([]);
    await pass(50);
    expect(looked).toEqual([SERVICE]);
  });

  it('does not flood the log with a failure that stays', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    ports.counts = () => {
      throw new Error('no such upstream');
    };
    for (let i = 0; i < 150; i++) await pass(50);
    expect(errors).toHaveLength(2);
  });

  it('is not moved by a clock that jumps an hour', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    time.wallMs += 3_600_000;
    await pass(1000);
    time.wallMs -= 7_200_000;
    await pass(1000);
    expect(position()).toEqual({ phase: 'progressing', stage: 0, heldMs: 2000 });
  });
});

describe('after a restart', () => {
  it('goes on in the same stage with the hold and the counts it had', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    ports.traffic('green', 40, 0);
    await pass(10_000);
    ports.traffic('green', 40, 1);
    await pass(4_000);
    const before = ports.newest();
    expect(before.position).toEqual({ phase: 'progressing', stage: 1, heldMs: 4000 });
    time.monotonicMs += 3_600_000;
    await restarted();
    expect(ports.newest()).toEqual(before);
    expect(ports.served().weights).toEqual({ blue: 50, green: 50, grey: 0 });
    expect(ports.stored().events.at(-1)).toBe('rollout.interrupted');
    await pass(50);
    ports.traffic('green', 20, 0);
    await pass(1_000);
    expect(position()).toEqual({ phase: 'progressing', stage: 1, heldMs: 5000 });
    expect(ports.newest().counts.candidate).toMatchObject({ trials: 100, errors: 1 });
  });

  it('counts what the candidate did before the first look', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    ports.restart();
    ports.traffic('green', 3, 3);
    runner = newRunner();
    const stop = new AbortController();
    const stopped = runner.start(stop.signal);
    await untilPhase('rolled_back');
    stop.abort();
    await stopped;
    expect(ports.newest().counts.candidate).toMatchObject({ trials: 3, errors: 3 });
  });

  it('checks again what it was checking', async () => {
    let checks = 0;
    const smoke = async () => {
      checks++;
      if (checks === 1) throw new Error('killed');
      return [smokeResult(true)];
    };
    runner = newRunner(smoke);
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    expect(position().phase).toBe('checking');
    ports.restart();
    runner = newRunner(smoke);
    await runner.tick();
    expect(position()).toMatchObject({ phase: 'progressing', stage: 0 });
    expect(checks).toBe(2);
  });

  it('completes a promotion that was stored and not performed', async () => {
    await ports.begin('green', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    ports.fault = 'after_commit';
    await expect(
      ports.update(SERVICE, (rollout) => rollout && operate(rollout, 'promote', 'ci', time.wallMs)),
    ).rejects.toThrow();
    expect(position().phase).toBe('promoting');
    ports.restart();
    runner = newRunner();
    ports.empty.add('blue');
    await runner.tick();
    expect(position().phase).toBe('promoted');
    expect(ports.served()).toMatchObject({ stable: 'green', weights: { green: 100 }, draining: ['blue'] });
  });
});

describe('start', () => {
  it('drives a rollout by itself and ends with its signal', async () => {
    const stop = new AbortController();
    const stopped = runner.start(stop.signal);
    await ports.begin('green', { ...PLAN, stages: [{ weight: 100, holdMs: 0 }] }, time.wallMs);
    ports.empty.add('blue');
    await untilPhase('promoted');
    stop.abort();
    await stopped;
    const commits = ports.commits;
    await ports.begin('blue', PLAN, time.wallMs);
    await runner.judge(SERVICE);
    expect(ports.commits).toBe(commits + 1);
  });

  it('cuts a smoke request short when it is stopped, and leaves the rollout where it was', async () => {
    const asked = Promise.withResolvers<void>();
    runner = newRunner(async (_requests, _targets, { signal }) => {
      asked.resolve();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await ports.begin('green', PLAN, time.wallMs);
    const stop = new AbortController();
    const stopped = runner.start(stop.signal);
    await asked.promise;
    stop.abort();
    await stopped;
    expect(position().phase).toBe('checking');
    expect(errors).toEqual([]);
  });
});

async function untilPhase(phase: string): Promise<void> {
  while (ports.rollout()?.position.phase !== phase) await new Promise((resolve) => setImmediate(resolve));
}
