import { afterEach, describe, expect, test } from 'vitest';
import type { Position } from '../../src/rollout/rollout.ts';
import { type AdminServer, adminServer, cli, json, problem, rolloutOf } from '../support/cli.ts';

const PROGRESSING: Position = { phase: 'progressing', stage: 0, heldMs: 0 };
const end = (phase: 'promoted' | 'rolled_back', reason: string): Position => ({ phase, stage: 0, reason, endedAt: 1 });

function groupOf(shop: Position, cart: Position, decidedBy = 'shop') {
  const phase = decidedBy === 'shop' ? shop.phase : cart.phase;
  const rollouts = { shop: rolloutOf(shop), cart: rolloutOf(cart, { service: 'cart' }) };
  return { id: 'g1', group: 'release', phase, stage: 0, reason: null, decidedBy, rollouts };
}

describe('a group', () => {
  const open: AdminServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  async function gate(...answers: readonly unknown[]): Promise<AdminServer> {
    let calls = 0;
    const server = await adminServer((_call, response) =>
      json(response, answers[Math.min(calls++, answers.length - 1)]),
    );
    open.push(server);
    return server;
  }

  test('is started with one candidate, or with one for each service', async () => {
    const server = await gate(groupOf(PROGRESSING, PROGRESSING));
    const start = (to: string) => cli(['rollout', 'start', '--group', 'release', '--to', to, '--admin', server.url]);
    expect((await start('green')).stdout).toContain('group release: shop r1 blue → green progressing');
    await start('shop=green,cart=v2');
    expect(server.calls.map(({ path, body }) => [path, body])).toEqual([
      ['/v1/groups/release/rollouts', { to: 'green' }],
      ['/v1/groups/release/rollouts', { to: { shop: 'green', cart: 'v2' } }],
    ]);
    expect((await start('shop=')).code).toBe(2);
  });

  test('that is refused something is named in what to do next', async () => {
    const server = await adminServer((_call, response) =>
      problem(response, 409, 'conflict', 'green is stable already'),
    );
    open.push(server);
    const at = ['--group', 'release', '--admin', server.url];
    for (const command of [['rollout', 'start', '--to', 'green'], ['undo']]) {
      const { code, stderr } = await cli([...command, ...at]);
      expect(code).toBe(1);
      expect(stderr).toContain('next:  tealgate rollout status --group release\n');
    }
  });

  test('--wait ends with 0 when all of it was promoted', async () => {
    const promoted = groupOf(end('promoted', 'drained'), end('promoted', 'drained'));
    const { url } = await gate(groupOf(PROGRESSING, PROGRESSING), groupOf(PROGRESSING, PROGRESSING), promoted);
    const { code, stdout } = await cli([
      'rollout',
      'start',
      '--group',
      'release',
      '--to',
      'green',
      '--wait',
      '--admin',
      url,
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('promoted');
  });

  test('wait has seen a phase that all of it was in between two readings', async () => {
    const passed = {
      at: 1,
      from: 'promoting',
      to: 'draining',
      stage: 0,
      reason: 'promoted',
      actor: 'tealgate',
      evidence: [],
    };
    const promoted = groupOf(end('promoted', 'drained'), end('promoted', 'drained'));
    const [shop, cart] = [promoted.rollouts.shop, promoted.rollouts.cart].map((rollout) => ({
      ...rollout,
      transitions: [...rollout.transitions, passed],
    }));
    const draining = ['wait', '--group', 'release', '--for', 'draining', '--admin'];
    const all = await gate(groupOf(PROGRESSING, PROGRESSING), { ...promoted, rollouts: { shop, cart } });
    expect((await cli([...draining, all.url])).code).toBe(0);
    const one = await gate(groupOf(PROGRESSING, PROGRESSING), {
      ...promoted,
      rollouts: { ...promoted.rollouts, shop },
    });
    expect((await cli([...draining, one.url])).code).toBe(1);
  });

  test('wait ends with 1 when it was taken back, and says because of whom', async () => {
    const back = groupOf(end('rolled_back', 'group'), end('rolled_back', 'error_rate'), 'cart');
    const { url } = await gate(groupOf(PROGRESSING, PROGRESSING), back);
    const { code, stderr } = await cli(['wait', '--group', 'release', '--for', 'promoted', '--admin', url]);
    expect(code).toBe(1);
    expect(stderr).toContain('group release: rolled back because of cart: error_rate');
  });

  test.each(['promote', 'abort', 'pause', 'resume'])('is operated as one: %s', async (action) => {
    const server = await gate(groupOf(PROGRESSING, PROGRESSING));
    const { code } = await cli(['rollout', action, '--group', 'release', '--admin', server.url]);
    expect(code).toBe(0);
    expect(server.calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST /v1/groups/release/rollouts/current/${action}`,
    ]);
  });

  test('is shown in a pipe as a line for each service', async () => {
    const { url } = await gate(groupOf(PROGRESSING, PROGRESSING));
    const { stdout } = await cli(['rollout', 'status', '--group', 'release', '--admin', url]);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'service=shop rollout=r1 from=blue to=green phase=progressing stage=1/2',
      'service=cart rollout=r1 from=blue to=green phase=progressing stage=1/2',
    ]);
  });

  test('is undone as one', async () => {
    const server = await gate({ name: 'release', services: ['shop', 'cart'], rollout: null });
    expect((await cli(['undo', '--group', 'release', '--admin', server.url])).stdout).toContain('shop, cart are back');
    expect(server.calls[0]?.path).toBe('/v1/groups/release/undo');
  });

  test.each([
    [['rollout', 'abort']],
    [['rollout', 'abort', 'shop', '--group', 'release']],
    [['wait', '--for', 'paused']],
    [['wait', '--group', 'release', '--for', 'healthy']],
  ])('is asked for without guessing: %j', async (words) => {
    const { code } = await cli([...words, '--admin', 'http://127.0.0.1:9']);
    expect(code).toBe(2);
  });
});
