import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from '../support/cli.ts';
import { get, openGate, openTarget, type Target, until } from '../support/gate.ts';

function services(blue: Target, green: Target) {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return { shop: { upstreams, stable: 'blue' } };
}

describe('tealgate rollout plan', () => {
  it('shows what each stage can see and what could stop it, and starts nothing', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const command = ['rollout', 'plan', 'shop', '--to', 'green', '--rate', '40', '--stage', '5:30m', '--stage', '100'];
    const { code, stdout, stderr } = await cli([...command, '--admin', test.adminUrl]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'shop  blue → green, canary, 40 req/s',
      '  stage 1    5 %  hold 30m, about 3600 requests',
      '      errorRate can see a doubling of 1 % after about 22m, hardly less, and one that fails all after 2 requests (1s)',
      '  stage 2  100 %  not held',
      '      no time to see anything',
      '  what could stop it',
      '    the guard errorRate, when it fails: rolled back',
      '    an operator',
      '',
    ]);
    expect(test.control.service('shop').rollout).toBeNull();
    expect(test.control.events(0).filter(({ type }) => type.startsWith('rollout.'))).toEqual([]);
  });

  it('tells each mistake in a plan once, and as its own problem to programs', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const path = join(test.directory, 'plan.yaml');
    await writeFile(path, 'stages: [{weight: 500}]\nstratgy: canary\n');
    const command = ['rollout', 'plan', 'shop', '--to', 'green', '--plan', path, '--admin', test.adminUrl];
    const { code, stderr } = await cli(command);
    expect(code).toBe(2);
    expect(stderr.match(/stages\[0\]\.weight: 500 is too large|stratgy: is not a known key/g)).toHaveLength(2);
    const answer = await fetch(`${test.adminUrl}/v1/services/shop/upstreams/green/targets`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '["nonsense", "http://a b"]',
    });
    expect(await answer.json()).toMatchObject({
      problems: [
        expect.stringMatching(/^\[0\]: "nonsense" is not a URL/),
        expect.stringMatching(/^\[1\]: has a blank/),
      ],
    });
  });

  it('of a shadow names what can end it: neither guards on requests, which it has none of, nor its own end', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const plan = { strategy: 'shadow', watch: '1h', mirror: { compare: {} }, guards: { compare: {} } };
    const { stops } = await test.control.previewRollout('shop', 'green', plan, {});
    expect(stops).toEqual([
      'the guard compare, when it fails: rolled back',
      'the end of the copies: paused until somebody promotes or aborts it',
      'an operator',
    ]);
  });

  it('reckons with the traffic of the last minute, and says why it would be refused', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    await green.close();
    const plan = async () => test.control.previewRollout('shop', 'green', {}, {});
    await until(async () => {
      await get(test.url);
      return (await plan()).power.requestsPerSecond !== null;
    }, 'a second of traffic');
    const { power, obstacles } = await plan();
    expect(power.requestsPerSecond).toBeGreaterThan(1);
    expect(power.stableErrorRate).toBe(0);
    expect(obstacles).toEqual([expect.stringContaining('no target of green can take traffic')]);
    const shown = await cli(['rollout', 'plan', 'shop', '--to', 'green', '--admin', test.adminUrl]);
    expect(shown.code).toBe(1);
    expect(shown.stdout).toContain('would be refused now: no target of green');
    const wrong = await cli(['rollout', 'plan', 'shop', '--to', 'green', '--rate', 'many', '--admin', test.adminUrl]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--rate many') });
  });

  it('is told with the answer to a start, beside the data', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const command = ['rollout', 'start', 'shop', '--to', 'green', '--stage', '5:30m', '--admin', test.adminUrl];
    const { code, stdout, stderr } = await cli(command);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^shop: rollout \S+ blue → green/);
    expect(stderr).toMatch(/^stage 1: at 5 % of .* errorRate .*; it holds 30m\n$/);
  });

  it('is told of in an event when a rollout is created, and of each stage in the log', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const { id } = await test.control.startRollout(
      'shop',
      'green',
      { stages: [{ weight: 5, hold: '1h' }] },
      { actor: 'test' },
    );
    const told = () => test.control.events(0).find(({ type }) => type === 'rollout.power');
    await until(() => told() !== undefined, 'the event');
    expect(told()).toMatchObject({ service: 'shop', actor: 'tealgate', data: { rollout: id, warnings: [] } });
    expect(told()?.data.stages).toEqual([expect.stringMatching(/^at 5 % of .*errorRate/)]);
    const logged = () => test.log.find(({ event, stage }) => event === 'rollout.power' && stage === 0);
    await until(() => logged() !== undefined, 'the line of the log');
    expect(logged()).toMatchObject({ service: 'shop', rollout: id, summary: expect.stringContaining('it holds 1h') });
  });
});
