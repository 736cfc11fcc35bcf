import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceView } from '../../src/app/control-plane.ts';
import type { Replay } from '../../src/rollout/replay.ts';
import { cli } from '../support/cli.ts';
import { type GateFile, get, openTarget, startLoad, type Target, until, writeGateFile } from '../support/gate.ts';
import { type GateProcess, spawnGate } from '../support/gate-process.ts';
import { openReceiver } from '../support/receiver.ts';

let directory: string;
let store: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
  store = join(directory, 'state.db');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function file(blue: Target, green: Target): GateFile {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return { services: { shop: { upstreams, stable: 'blue' } } };
}

const shopOf = async (gate: GateProcess) => (await gate.ask('/v1/services/shop')) as ServiceView;

const untilShop = (gate: GateProcess, holds: (shop: ServiceView) => boolean, what: string) =>
  until(async () => holds(await shopOf(gate)), what);

/** Replays what the store holds, in this process and without the gate. */
async function replayed(path: string, ...more: readonly string[]) {
  const { code, stdout, stderr } = await cli(['replay', '--store', path, '--json', ...more]);
  if (stdout === '') throw new Error(stderr);
  const { replays } = JSON.parse(stdout) as { readonly replays: readonly Replay[] };
  return { code, replays };
}

/** A rollout that was killed in its second stage, taken up again, paused, resumed, and rolled back for errors. */
async function eventfulRollout(): Promise<void> {
  await using blue = await openTarget('blue');
  let isGood = true;
  await using green = await openTarget((_request, response) => response.writeHead(isGood ? 200 : 500).end('green'));
  const configPath = await writeGateFile(directory, file(blue, green));
  await using first = await spawnGate(configPath);
  await first.command('POST', '/v1/services/shop/rollouts', {
    to: 'green',
    stages: [{ weight: 20 }, { weight: 50, hold: '1h' }],
  });
  await untilShop(first, ({ upstreams }) => upstreams.green?.weight === 50, 'the second stage');
  for (let n = 0; n < 20; n++) await get(first.url);
  await untilShop(first, ({ rollout }) => (rollout?.counts.candidate.trials ?? 0) > 4, 'requests to be counted');
  await first.kill('SIGKILL');
  const killed = await replayed(store);
  expect(killed).toMatchObject({ code: 0, replays: [{ result: 'same', whole: true }] });

  await using second = await spawnGate(configPath);
  await second.command('POST', '/v1/services/shop/rollouts/current/pause', {});
  await second.command('POST', '/v1/services/shop/rollouts/current/resume', {});
  isGood = false;
  const load = startLoad(second.url, 2);
  await untilShop(second, ({ rollout }) => rollout?.position.phase === 'rolled_back', 'the rollback');
  await load.stop();
  const asked = await cli(['replay', 'shop', '--admin', second.adminUrl]);
  expect(asked.stdout).toMatch(/^r\S+ shop blue → green {2}same: \d+ inputs and \d+ verdicts computed again/);
  expect(asked.code).toBe(0);
  await second.kill('SIGKILL');
}

describe('a replay', () => {
  it('of what kill -9 left and a restart went on with comes out the same; what was tampered with does not', async () => {
    await eventfulRollout();
    const files = await readdir(directory);
    const { code, replays } = await replayed(store);
    expect(code).toBe(0);
    expect(replays).toMatchObject([{ result: 'same', whole: true, passedOver: 0, difference: null }]);
    expect(replays[0]?.recomputed).toBeGreaterThan(5);
    // Nothing was touched, and nothing was left behind.
    expect(await readdir(directory)).toEqual(files);

    const told = await cli(['explain', 'shop', '--store', store]);
    expect(told.stdout).toMatch(/^r\S+ {2}the rollout of green to shop was rolled back .*: the guard errorRate failed/);
    expect(told.stdout).toContain('by loopback: it paused in stage 2 of 2');
    expect(told.code).toBe(0);

    const forged = join(directory, 'forged.db');
    await copyFile(store, forged);
    const db = new DatabaseSync(forged);
    db.exec('UPDATE journal SET data = replace(data, \'"errors":\', \'"errors":1\') WHERE is_state = 0');
    db.close();
    const found = await replayed(forged);
    expect(found.code).toBe(1);
    expect(found.replays[0]?.result).toBe('differs');
    expect(found.replays[0]?.difference?.fields.map(({ path }) => path)).toContain('counts.candidate.errors');
    const shown = await cli(['replay', '--store', forged]);
    expect(shown.stdout).toContain('differs');
    expect(shown.stderr).toMatch(/entry \d+ of \S+: tick leads to another state than was recorded/);
  });

  it('of a rollout with guards that compare, count by themselves and look back comes out the same', async () => {
    const guards = {
      errorRate: { versus: 'stable', ratio: 1.5, by: { client: 50, per: '1s' } },
      latency: { versus: 'stable', quantile: '90%', ratio: 2 },
      collateral: {},
      business: { event: 'order' },
      paths: { kind: 'errorRate', max: '5%', match: { paths: ['/'], errors: [404] } },
    };
    await using blue = await openTarget('blue');
    let isGood = true;
    await using green = await openTarget((_request, response) => response.writeHead(isGood ? 200 : 500).end('green'));
    const { services } = file(blue, green);
    const shop = { ...services.shop, business: {} };
    const configPath = await writeGateFile(directory, { services: { shop } });
    {
      await using first = await spawnGate(configPath);
      const stages = [{ weight: 50, hold: '1h' }];
      await first.command('POST', '/v1/services/shop/rollouts', { to: 'green', stages, guards });
      const load = startLoad(first.url, 2);
      await untilShop(first, ({ rollout }) => (rollout?.counts.candidate.trials ?? 0) > 50, 'requests to be counted');
      await load.stop();
      await first.kill('SIGKILL');
    }
    await using second = await spawnGate(configPath);
    isGood = false;
    const load = startLoad(second.url, 2);
    await untilShop(second, ({ rollout }) => rollout?.position.phase === 'rolled_back', 'the rollback');
    await load.stop();
    await second.kill('SIGKILL');
    const { code, replays } = await replayed(store);
    expect(replays).toMatchObject([{ result: 'same', whole: true, passedOver: 0, difference: null }]);
    expect(code).toBe(0);
    const { stdout } = await cli(['explain', '--store', store]);
    expect(stdout).toMatch(/the guard (errorRate|collateral|business|latency) failed: /);
  });

  it('of a gate that said "not yet" ten times a second comes out the same, from an entry a second', async () => {
    await using bot = await openReceiver((_request, count) => ({ status: count <= 25 ? 202 : 204 }));
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const webhooks = { bot: { url: bot.url, secret } };
    const configPath = await writeGateFile(directory, { ...file(blue, green), webhooks });
    {
      await using gate = await spawnGate(configPath);
      const stages = [
        { weight: 20 },
        { weight: 50, hold: '1h', gate: { http: { webhook: 'bot', interval: '100ms' } } },
      ];
      await gate.command('POST', '/v1/services/shop/rollouts', { to: 'green', stages });
      await untilShop(gate, ({ rollout }) => rollout?.position.phase === 'paused', 'the gate');
      await untilShop(gate, ({ rollout }) => rollout?.position.phase === 'progressing', 'the second stage');
      await gate.kill('SIGKILL');
    }
    const ids = bot.received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(26);
    const db = new DatabaseSync(store);
    const answered =
      "SELECT at, json_extract(data, '$.event.gate.times') AS times FROM journal WHERE data LIKE '%\"gate\"%'";
    const entries = db.prepare(`${answered} AND is_state = 0 ORDER BY id`).all();
    db.close();
    expect(entries.reduce((sum, { times }) => sum + Number(times ?? 1), 0)).toBe(26);
    const [first, last] = [entries.at(0), entries.at(-1)].map((entry) => Number(entry?.at));
    // The first and the last answer are stored as they come, those between once a second.
    expect(entries.length).toBeLessThanOrEqual(2 + ((last ?? 0) - (first ?? 0)) / 1000 + 1);
    expect(await replayed(store)).toMatchObject({ code: 0, replays: [{ result: 'same', whole: true }] });
  });

  it('of a store that a gate has open is refused, and says what to do', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using gate = await spawnGate(await writeGateFile(directory, file(blue, green)));
    const { code, stderr } = await cli(['replay', '--store', store]);
    expect(code).toBe(1);
    expect(stderr).toContain('ask the gate itself, without --store');
    expect((await shopOf(gate)).stable).toBe('blue');
  });

  it('without a rollout, a store or a journal says so', async () => {
    expect(await cli(['replay', '--store', join(directory, 'none.db')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no store'),
    });
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    {
      await using gate = await spawnGate(await writeGateFile(directory, file(blue, green)));
      await gate.kill('SIGTERM');
    }
    expect(await cli(['replay', '--store', store])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there has been no rollout'),
    });
  });
});
