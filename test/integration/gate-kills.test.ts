import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Rollout } from '../../src/rollout/rollout.ts';
import { openTarget, writeGateFile } from '../support/gate.ts';
import { type GateProcess, spawnGate } from '../support/gate-process.ts';

/** Of real processes, by SIGKILL; those of which there are a thousand are in test/property/rollout-kill-points.test.ts. */
const KILLS = 24;
const STAGES = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
const HOLD_MS = 150;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Shop {
  readonly upstreams: Readonly<Record<string, { readonly weight: number }>>;
  readonly rollout: Rollout | null;
}

describe('a gate whose process is killed during a rollout', () => {
  it('goes on where it was, with the weights of the plan', { timeout: 600_000 }, async () => {
    await using target = await openTarget('ok');
    const upstreams = { blue: { weight: 100, targets: [target.url] }, green: { weight: 0, targets: [target.url] } };
    const services = { shop: { upstreams, drain: { timeout: '100ms' } } };
    const configPath = await writeGateFile(directory, { services });
    const plan = { guards: 'none', stages: STAGES.map((weight) => ({ weight, hold: `${HOLD_MS}ms` })) };
    let kills = 0;
    for (let rollouts = 0; kills < KILLS; rollouts++) {
      kills += await ordeal(configPath, { to: rollouts % 2 === 0 ? 'green' : 'blue', ...plan }, kills);
    }
  });
});

/** A rollout whose process dies again and again, until it has ended; how often it died. */
async function ordeal(configPath: string, rollout: { readonly to: string }, seed: number): Promise<number> {
  let gate = await spawnGate(configPath);
  try {
    await gate.command('POST', '/v1/services/shop/rollouts', rollout);
    for (let kills = 0; ; kills++) {
      // A stage or two, so that it dies in another one, and at another moment of it, each time.
      await sleep(HOLD_MS * (0.4 + (((seed + kills) * 7) % 10) / 5));
      const shop = await planned(gate, rollout.to);
      if (shop.rollout?.position.phase === 'promoted') {
        expect(trailOf(shop)).toEqual([
          'checking',
          ...STAGES.map((_, i) => `progressing ${i}`),
          'promoting',
          'draining',
          'promoted',
        ]);
        return kills;
      }
      await gate.kill('SIGKILL');
      gate = await spawnGate(configPath);
      await planned(gate, rollout.to);
    }
  } finally {
    await gate.kill('SIGKILL');
  }
}

/** The service, whose weights are those that its rollout asks for where it is. */
async function planned(gate: GateProcess, to: string): Promise<Shop> {
  const shop = (await gate.ask('/v1/services/shop')) as Shop;
  const { upstreams, rollout } = shop;
  const position = rollout?.position ?? { phase: 'pending' };
  const weight = position.phase === 'progressing' ? STAGES[position.stage] : 'stage' in position ? 100 : 0;
  expect(upstreams[to]?.weight).toBe(weight);
  expect(Object.values(upstreams).reduce((sum, upstream) => sum + upstream.weight, 0)).toBe(100);
  return shop;
}

function trailOf({ rollout }: Shop): readonly string[] {
  return (rollout?.transitions ?? []).map(({ to, stage }) => (to === 'progressing' ? `${to} ${stage}` : to));
}
