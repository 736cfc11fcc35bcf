import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceView } from '../../src/app/control-plane.ts';
import { startGate } from '../../src/app/gate.ts';
import { collect, type GateFile, get, openTarget, type Target, until, writeGateFile } from '../support/gate.ts';
import { type GateProcess, spawnGate } from '../support/gate-process.ts';
import { obligation } from '../support/obligations.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function file(blue: Target, green: Target): GateFile {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return { services: { shop: { upstreams, pins: { by: 'cookie', name: 'pin' } } } };
}

const shopOf = async (gate: GateProcess) => (await gate.ask('/v1/services/shop')) as ServiceView;

describe('after kill -9', () => {
  it('in the middle of a stage the rollout goes on in it: phase, stage, hold so far, weights and pins', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const configPath = await writeGateFile(directory, file(blue, green));
    await using first = await spawnGate(configPath);
    await first.command('POST', '/v1/services/shop/rollouts', {
      to: 'green',
      stages: [{ weight: 20 }, { weight: 50, hold: '1h' }],
    });
    await untilShop(first, ({ rollout }) => rollout?.position.phase === 'progressing' && rollout.position.stage === 1);
    const pinned = await pinTo('green', first.url);
    // Holds are written down once a second; wait for the first that is not zero.
    await untilShop(first, ({ rollout }) => rollout?.position.phase === 'progressing' && rollout.position.heldMs > 0);
    const before = await shopOf(first);
    await first.kill('SIGKILL');

    await using second = await spawnGate(configPath);
    const after = await shopOf(second);
    expect(after.rollout).toMatchObject({ id: before.rollout?.id, position: { phase: 'progressing', stage: 1 } });
    expect(heldMs(after)).toBeGreaterThanOrEqual(heldMs(before));
    expect(heldMs(after)).toBeLessThan(3_600_000);
    expect(after.upstreams).toMatchObject({ blue: { weight: 50 }, green: { weight: 50 } });
    for (let n = 0; n < 5; n++) {
      expect((await get(second.url, { headers: { cookie: pinned } })).body).toBe('green');
    }
  });

  it(obligation('S19-kill', 'what operators changed'), async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const configPath = await writeGateFile(directory, file(blue, green));
    await using first = await spawnGate(configPath);
    await first.command('POST', '/v1/services/shop/switch', { to: 'green' });
    await first.kill('SIGKILL');
    await using second = await spawnGate(configPath);
    expect((await get(second.url)).body).toBe('green');
    expect(await shopOf(second)).toMatchObject({ stable: 'green', overrides: ['weights', 'stable'] });
  });

  it('a rollout whose candidate was taken out of the file is ended, and the gate serves', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const configPath = await writeGateFile(directory, file(blue, green));
    await using first = await spawnGate(configPath);
    await first.command('POST', '/v1/services/shop/rollouts', { to: 'green', stages: [{ weight: 50, hold: '1h' }] });
    await untilShop(first, ({ rollout }) => rollout?.position.phase === 'progressing');
    await first.kill('SIGKILL');
    const only = { blue: { weight: 100, targets: [blue.url] } };
    await writeGateFile(directory, { services: { shop: { upstreams: only } } });
    await using second = await spawnGate(configPath);
    expect(await shopOf(second)).toMatchObject({ stable: 'blue', rollout: { position: { phase: 'aborted' } } });
    expect((await get(second.url)).body).toBe('blue');
  });
});

describe('a service that is not in the file while its rollout is under way', () => {
  it('comes back with it ended where its candidate is gone', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const other = { hosts: ['other.test'], upstreams: { one: { weight: 1, targets: [blue.url] } } };
    const configPath = await writeGateFile(directory, file(blue, green));
    await using first = await spawnGate(configPath);
    await first.command('POST', '/v1/services/shop/rollouts', {
      to: 'green',
      stages: [{ weight: 50, hold: '1h' }, { weight: 100 }],
    });
    await untilShop(first, ({ rollout }) => rollout?.position.phase === 'progressing');
    await first.kill('SIGTERM');
    await writeGateFile(directory, { services: { other } });
    await using second = await spawnGate(configPath);
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, red: { weight: 0, targets: [green.url] } };
    await writeGateFile(directory, { services: { other, shop: { upstreams } } });
    await second.command('POST', '/v1/reload', {});
    const { stable, rollout, upstreams: now, overrides } = await shopOf(second);
    expect(rollout).toMatchObject({ to: 'green', position: { phase: 'aborted' } });
    expect({ stable, overrides }).toEqual({ stable: 'blue', overrides: [] });
    expect(now).toMatchObject({ blue: { weight: 100, admin: 'enabled' }, red: { weight: 0 } });
    expect((await get(second.url)).body).toBe('blue');
  });
});

describe('a start is refused', () => {
  const start = async (configPath: string) => {
    const gate = await startGate({ configPath, stdout: collect([]) });
    await gate.stop();
  };

  it(obligation('S19-kill', 'a damaged file'), async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const configPath = await writeGateFile(directory, file(blue, green));
    await start(configPath);
    const path = join(directory, 'state.db');
    await truncate(path, (await readFile(path)).length / 2);
    await expect(start(configPath)).rejects.toMatchObject({
      code: 'store_corrupt',
      message: expect.stringContaining(`${path}.corrupt-`),
    });
    expect(await readdir(directory)).toContainEqual(expect.stringMatching(/^state\.db\.corrupt-/));
  });

  it('when the state was written by something else, which is left alone', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const configPath = await writeGateFile(directory, file(blue, green));
    await writeFile(join(directory, 'state.db'), 'these are my notes, keep them\n'.repeat(300));
    await expect(start(configPath)).rejects.toMatchObject({ name: 'TealgateError' });
  });

  it.each([1, 2])('when a port is in use, and says which (workers: %i)', async (workers) => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const listeners = [{ address: `127.0.0.1:${green.port}` }];
    const configPath = await writeGateFile(directory, { ...file(blue, blue), listeners, workers });
    await expect(start(configPath)).rejects.toMatchObject({
      code: 'address_in_use',
      message: expect.stringContaining(`127.0.0.1:${green.port}`),
    });
    const adminTaken = { ...file(blue, blue), admin: { address: `127.0.0.1:${green.port}` } };
    await writeGateFile(directory, adminTaken);
    await expect(start(configPath)).rejects.toMatchObject({ code: 'address_in_use' });
    // Nothing is left behind by the failures: the same directory starts once the file is right.
    await writeGateFile(directory, file(blue, green));
    await start(configPath);
  });

  it('when the file is wrong, with every problem', async () => {
    const configPath = await writeGateFile(directory, { services: { shop: { upstreams: {}, wieght: 1 } } });
    await expect(start(configPath)).rejects.toMatchObject({
      code: 'invalid_config',
      details: { problems: expect.arrayContaining([expect.stringContaining('wieght')]) },
    });
  });
});

function heldMs({ rollout }: ServiceView): number {
  return rollout?.position.phase === 'progressing' ? rollout.position.heldMs : Number.NaN;
}

async function untilShop(gate: GateProcess, check: (shop: ServiceView) => boolean): Promise<void> {
  await until(async () => check(await shopOf(gate)), 'the rollout');
}

/** A cookie that pins its client to an upstream. */
async function pinTo(upstream: string, url: string): Promise<string> {
  for (let n = 0; n < 50; n++) {
    const answer = await fetch(url);
    const cookie = answer.headers.get('set-cookie')?.split(';')[0];
    if ((await answer.text()) === upstream && cookie !== undefined) return cookie;
  }
  throw new Error(`no client was pinned to ${upstream}`);
}
