import { afterEach, describe, expect, test } from 'vitest';
import type { ServiceView } from '../../src/app/control-plane.ts';
import type { Position, Rollout } from '../../src/rollout/rollout.ts';
import {
  type AdminServer,
  adminServer,
  cli,
  json,
  rolloutOf,
  serviceOf,
  targetOf,
  upstreamOf,
} from '../support/cli.ts';

describe('waiting for a rollout', () => {
  const open: AdminServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  async function gate(...views: readonly ServiceView[]): Promise<string> {
    let reads = 0;
    const server = await adminServer((call, response) => {
      if (call.method === 'POST') json(response, rolloutOf({ phase: 'pending' }));
      else json(response, views[Math.min(reads++, views.length - 1)]);
    });
    open.push(server);
    return server.url;
  }

  function at(position: Position): ServiceView {
    const rollout = rolloutOf(position);
    return serviceOf({ rollout, rollouts: [rollout] });
  }

  const progressing = at({ phase: 'progressing', stage: 0, heldMs: 5_000 });
  const ended = (phase: 'promoted' | 'aborted' | 'rolled_back', reason: string) =>
    at({ phase, stage: 1, reason, endedAt: 1 });

  test('exits 0 when the rollout is promoted, with one line per change on stderr', async () => {
    const admin = await gate(progressing, progressing, ended('promoted', 'every stage held'));
    const result = await cli(['wait', 'shop', '--for', 'promoted', '--admin', admin]);
    expect(result.code).toBe(0);
    expect(result.stdout).toBe('shop: rollout r1 blue → green promoted: every stage held\n');
    expect(result.stderr).toBe('shop: progressing, stage 1 of 2\n');
  });

  test('redraws its progress on a terminal', async () => {
    const admin = await gate(progressing, progressing, ended('promoted', 'done'));
    const { stderr } = await cli(['wait', 'shop', '--for', 'promoted', '--admin', admin], { tty: true });
    expect(stderr).toContain('stage 1 of 2 (5 %), held 5s of 30m; candidate: 40 requests, 0 failed');
    expect(stderr).toContain('\u001b[1A\u001b[J');
  });

  test('moves no cursor on a dumb terminal', async () => {
    const admin = await gate(progressing, progressing, ended('promoted', 'done'));
    const wait = ['wait', 'shop', '--for', 'promoted', '--admin', admin];
    const { stderr } = await cli(wait, { tty: true, env: { TERM: 'dumb' } });
    expect(stderr).toBe('shop: progressing, stage 1 of 2\n');
  });

  test('exits 1 with the reason when the rollout ended otherwise', async () => {
    const admin = await gate(progressing, ended('rolled_back', '9 of 12 failed'));
    const result = await cli(['wait', 'shop', '--for', 'promoted', '--admin', admin]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('error: shop: rollout r1 rolled back: 9 of 12 failed');
    expect(result.stderr).toContain('next:  tealgate rollout status shop');
  });

  test.each([
    ['rolled_back', ended('rolled_back', 'bad')],
    ['aborted', ended('aborted', 'by hand')],
    ['paused', at({ phase: 'paused', stage: 0, heldMs: 0, reason: 'by hand', sinceAt: 1 })],
  ])('exits 0 when %s is what was waited for', async (goal, view) => {
    const admin = await gate(view);
    expect((await cli(['wait', 'shop', '--for', goal, '--admin', admin])).code).toBe(0);
  });

  test('has seen a phase that was over between two readings, but not one from before', async () => {
    const passed = {
      at: 1,
      from: 'promoting',
      to: 'draining',
      stage: 0,
      reason: 'promoted',
      actor: 'tealgate',
      evidence: [],
    } as const;
    const later = rolloutOf({ phase: 'promoted', stage: 0, reason: 'done', endedAt: 1 });
    const end = (before: Rollout) => ({ ...later, transitions: [...before.transitions, passed] });
    const running = rolloutOf({ phase: 'progressing', stage: 0, heldMs: 5_000 });
    const admin = await gate(serviceOf({ rollout: running }), serviceOf({ rollout: end(running) }));
    expect((await cli(['wait', 'shop', '--for', 'draining', '--admin', admin])).code).toBe(0);
    const old = await gate(serviceOf({ rollout: end(running) }));
    expect((await cli(['wait', 'shop', '--for', 'draining', '--admin', old])).code).toBe(1);
  });

  test('exits 3 when it takes longer than the timeout', async () => {
    const admin = await gate(progressing);
    const result = await cli(['wait', 'shop', '--for', 'promoted', '--timeout', '20ms', '--admin', admin]);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain('timed out waiting for shop to be promoted');
  });

  test('exits 3 when the gate takes the question and does not answer', async () => {
    const server = await adminServer(() => undefined);
    open.push(server);
    const result = await cli(['wait', 'shop', '--for', 'promoted', '--timeout', '20ms', '--admin', server.url]);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain('timed out waiting for shop to be promoted');
  });

  test.each(['0s', '90d'])('sees what is so already with --timeout %s', async (timeout) => {
    const admin = await gate(ended('promoted', 'done'));
    expect((await cli(['wait', 'shop', '--for', 'promoted', '--timeout', timeout, '--admin', admin])).code).toBe(0);
  });

  test('exits 1 when there is no rollout', async () => {
    const admin = await gate(serviceOf());
    const result = await cli(['wait', 'shop', '--for', 'promoted', '--admin', admin]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('next:  tealgate rollout start shop --to UPSTREAM');
  });

  test('waits until every target is healthy', async () => {
    const sick = upstreamOf({ name: 'green', targets: [targetOf({ health: 'unknown' })] });
    const admin = await gate(serviceOf({ upstreams: { green: sick } }), serviceOf());
    const result = await cli(['wait', 'shop', '--for', 'healthy', '--admin', admin]);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain('not healthy yet: green http://127.0.0.1:3001');
  });

  test('waits for the targets of one upstream only', async () => {
    const sick = upstreamOf({ name: 'green', targets: [targetOf({ health: 'unhealthy' })] });
    const admin = await gate(serviceOf({ upstreams: { blue: upstreamOf({ name: 'blue' }), green: sick } }));
    const argv = ['wait', 'shop', '--for', 'healthy', '--admin', admin, '--upstream'];
    expect((await cli([...argv, 'blue'])).code).toBe(0);
    expect((await cli([...argv, 'green', '--timeout', '20ms'])).code).toBe(3);
    expect((await cli([...argv, 'red'])).code).toBe(2);
  });

  test('rollout start --wait follows the rollout it started, not another', async () => {
    const other = rolloutOf({ phase: 'progressing', stage: 0, heldMs: 0 }, { id: 'r2' });
    const mine = rolloutOf({ phase: 'aborted', stage: 0, reason: 'by hand', endedAt: 1 });
    const admin = await gate(serviceOf({ rollout: other, rollouts: [other, mine] }));
    const result = await cli(['rollout', 'start', 'shop', '--to', 'green', '--wait', '--admin', admin]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('rollout r1 aborted: by hand');
  });

  test('goes on when the gate is away for a moment', async () => {
    let reads = 0;
    const server = await adminServer((_call, response) => {
      reads++;
      if (reads === 2) response.destroy();
      else json(response, reads === 1 ? progressing : ended('promoted', 'done'));
    });
    open.push(server);
    expect((await cli(['wait', 'shop', '--for', 'promoted', '--admin', server.url])).code).toBe(0);
  });
});
