import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { ServiceView } from '../../src/app/control-plane.ts';
import { type AdminServer, adminServer, cli, json, rolloutOf, serviceOf, upstreamOf } from '../support/cli.ts';

describe('commands that move traffic', () => {
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0)) await close();
  });

  /** Answers each read of the service with the next of `views` (the last one again), each write with `applied`. */
  async function gate(views: readonly ServiceView[], applied: unknown = null): Promise<AdminServer> {
    let reads = 0;
    const server = await adminServer((call, response) => {
      if (call.method === 'GET') json(response, views[Math.min(reads++, views.length - 1)]);
      else json(response, applied ?? { version: 13, service: views[0] });
    });
    open.push(() => server.close());
    return server;
  }

  test('weights sends the named weights at once, guarded by the version', async () => {
    const server = await gate([serviceOf()]);
    const result = await cli(['weights', 'shop', 'blue=95', 'green=5', '--if-version', '12', '--admin', server.url]);
    expect(result).toEqual({ code: 0, stdout: 'shop: blue 95 %, green 5 % (version 13)\n', stderr: '' });
    expect(server.calls).toMatchObject([
      {
        method: 'PUT',
        path: '/v1/services/shop/weights',
        body: { blue: 95, green: 5 },
        headers: { 'if-match': '"12"' },
      },
    ]);
  });

  test('weights --dry-run shows the difference and changes nothing', async () => {
    const server = await gate([serviceOf()]);
    const result = await cli(['weights', 'shop', 'green=50', '--dry-run', '--admin', server.url]);
    expect(result.stdout).toBe('shop: blue 95 → 95\nshop: green 5 → 50\n');
    expect(server.calls.map(({ method }) => method)).toEqual(['GET']);
  });

  test('weights --dry-run refuses an upstream that does not exist', async () => {
    const server = await gate([serviceOf()]);
    const result = await cli(['weights', 'shop', 'gren=50', '--dry-run', '--admin', server.url]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('shop has no upstream gren');
    expect(result.stderr).toContain('upstreams of shop: blue, green');
  });

  test('weights knows upstreams that are named like what every object has', async () => {
    const upstreams = { toString: upstreamOf({ name: 'toString' }), constructor: upstreamOf({ name: 'constructor' }) };
    const server = await gate([serviceOf({ upstreams })]);
    expect((await cli(['weights', 'shop', 'toString=5', '--admin', server.url])).code).toBe(0);
    expect(server.calls[0]?.body).toEqual({ toString: 5 });
    const dry = await cli(['weights', 'shop', 'toString=5', '--dry-run', '--json', '--admin', server.url]);
    const { weight } = upstreams.constructor;
    expect(JSON.parse(dry.stdout)).toContainEqual({ upstream: 'constructor', from: weight, to: weight });
    expect((await cli(['weights', 'shop', 'blue=5', 'blue=6', '--admin', server.url])).stderr).toContain('given twice');
  });

  test('switch --wait returns when the other upstream has drained', async () => {
    const drain = { sinceAt: 1, deadlineAt: 2, drained: false };
    const blue = upstreamOf({ name: 'blue', admin: 'draining', drain, inFlight: 2, upgrades: 1 });
    const draining = serviceOf({ upstreams: { blue, green: upstreamOf({ name: 'green', weight: 100 }) } });
    const drained = serviceOf({
      upstreams: {
        ...draining.upstreams,
        blue: { ...blue, inFlight: 0, upgrades: 0, drain: { ...drain, drained: true } },
      },
    });
    const server = await gate([draining, drained], { version: 13, service: draining });
    const result = await cli(['switch', 'shop', 'green', '--wait', '--admin', server.url]);
    expect(result.code).toBe(0);
    expect(result.stdout).toBe('shop: blue drained\n');
    expect(result.stderr).toContain('shop: all new traffic goes to green (version 13)');
    expect(server.calls[0]).toMatchObject({ method: 'POST', path: '/v1/services/shop/switch', body: { to: 'green' } });
  });

  test('switch --wait --timeout exits 3 when the drain takes longer', async () => {
    const drain = { sinceAt: 1, deadlineAt: 2, drained: false };
    const draining = serviceOf({
      upstreams: { blue: upstreamOf({ name: 'blue', admin: 'draining', drain, inFlight: 2 }) },
    });
    const server = await gate([draining], { version: 13, service: draining });
    const result = await cli(['switch', 'shop', 'green', '--wait', '--timeout', '20ms', '--admin', server.url]);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain('timed out waiting for blue to drain');
  });

  test('switch --force says so to the gate', async () => {
    const server = await gate([serviceOf()]);
    await cli(['switch', 'shop', 'green', '--force', '--admin', server.url]);
    expect(server.calls[0]?.body).toEqual({ to: 'green', force: true });
  });

  test.each([
    ['drain', 'takes no new request'],
    ['enable', 'takes requests again'],
    ['evict', 'has let go of its pins'],
  ])('%s posts to the upstream', async (verb, words) => {
    const server = await gate([serviceOf()]);
    const result = await cli([verb, 'shop', 'blue', '--admin', server.url]);
    expect(result.stdout).toBe(`shop: blue ${words} (version 13)\n`);
    expect(server.calls[0]?.path).toBe(`/v1/services/shop/upstreams/blue/${verb}`);
  });

  test('targets replaces the targets of an upstream', async () => {
    const server = await gate([serviceOf()]);
    const urls = ['http://127.0.0.1:1', 'http://127.0.0.1:2'];
    expect((await cli(['targets', 'shop', 'green', ...urls, '--admin', server.url])).code).toBe(0);
    expect(server.calls[0]).toMatchObject({
      method: 'PUT',
      path: '/v1/services/shop/upstreams/green/targets',
      body: { targets: urls },
    });
  });

  test('undo names the upstream it went back to', async () => {
    const server = await gate([serviceOf()]);
    const result = await cli(['rollout', 'undo', 'shop', '--admin', server.url]);
    expect(result.stdout).toBe('shop: back on blue: blue 95 %, green 5 % (version 13)\n');
    expect(server.calls[0]?.path).toBe('/v1/services/shop/undo');
  });

  test('rollout start lays the options over the plan file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tealgate-cli-'));
    open.push(() => rm(directory, { recursive: true }));
    const plan = join(directory, 'plan.yaml');
    await writeFile(plan, 'strategy: canary\nguards: {errorRate: {max: 2%}}\nstages: [{weight: 1}]\n');
    const started = rolloutOf({ phase: 'progressing', stage: 0, heldMs: 0 });
    const server = await gate([serviceOf()], started);
    const argv = ['rollout', 'start', 'shop', '--to', 'green', '--plan', plan, '--stage', '5:30m', '--stage', '100'];
    const result = await cli([...argv, '--admin', server.url]);
    expect(result.stdout).toBe('shop: rollout r1 blue → green progressing, stage 1 of 2 (5 %), held 0ms of 30m\n');
    expect(server.calls[0]).toMatchObject({
      path: '/v1/services/shop/rollouts',
      body: {
        to: 'green',
        strategy: 'canary',
        guards: { errorRate: { max: '2%' } },
        stages: [{ weight: 5, hold: '30m' }, { weight: 100 }],
      },
    });
  });

  test.each(['promote', 'abort', 'pause', 'resume', 'retry'])(
    'rollout %s operates the current rollout',
    async (action) => {
      const server = await gate([serviceOf()], rolloutOf({ phase: 'promoting', stage: 1 }));
      const result = await cli(['rollout', action, 'shop', '--json', '--admin', server.url]);
      expect(JSON.parse(result.stdout)).toMatchObject({ id: 'r1', position: { phase: 'promoting' } });
      expect(server.calls[0]).toMatchObject({ method: 'POST', path: `/v1/services/shop/rollouts/current/${action}` });
    },
  );

  test('reload names what changed', async () => {
    const status = { path: 'g.yaml', lastReloadSuccessful: true, loadedAt: 1, errors: [], changes: ['a', 'b'] };
    const server = await gate([], status);
    const result = await cli(['reload', '--admin', server.url]);
    expect(result).toEqual({ code: 0, stdout: 'g.yaml: a\ng.yaml: b\n', stderr: '' });
  });

  test('reload exits 2 with the mistakes of a refused file', async () => {
    const server = await adminServer((_call, response) =>
      json(response, { detail: 'g.yaml was refused', code: 'invalid_config', problems: ['g.yaml:1:1 no'] }, 422),
    );
    open.push(() => server.close());
    const result = await cli(['reload', '--admin', server.url]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('error: g.yaml was refused\ng.yaml:1:1 no\nnext:  tealgate check FILE');
  });

  test('--quiet keeps the confirmation to itself', async () => {
    const server = await gate([serviceOf()]);
    expect(await cli(['drain', 'shop', 'blue', '-q', '--admin', server.url])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });
});
