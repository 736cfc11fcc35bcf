import { afterEach, describe, expect, test } from 'vitest';
import { type AdminServer, adminServer, cli, json, overviewOf, serviceOf } from '../support/cli.ts';

describe('completion', () => {
  const open: AdminServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  async function complete(...words: readonly string[]): Promise<string[]> {
    const answers: Record<string, unknown> = {
      '/v1/services': overviewOf(serviceOf()),
      '/v1/groups': { groups: [{ name: 'release', services: ['shop'], rollout: null }] },
    };
    const server = await adminServer((call, response) => json(response, answers[call.path] ?? serviceOf()));
    open.push(server);
    const { stdout } = await cli(['__complete', ...words], { env: { TEALGATE_ADMIN: server.url } });
    return stdout.split('\n').filter((line) => line !== '');
  }

  test.each([
    [['sta'], ['status']],
    [
      ['rollout', 'p'],
      ['pause', 'plan', 'promote'],
    ],
    [['switch', ''], ['shop']],
    [
      ['switch', 'shop', ''],
      ['blue', 'green'],
    ],
    [['weights', 'shop', 'blue=5', 'g'], ['green=']],
    [
      ['rollout', 'start', 'shop', '--to', ''],
      ['blue', 'green'],
    ],
    [['rollout', 'start', 'shop', '--strategy', 'b'], ['blue-green']],
    [
      ['wait', 'shop', '--for', 'p'],
      ['paused', 'progressing', 'promoted', 'promoting'],
    ],
    [['wait', '--timeout', '5m', ''], ['shop']],
    [['rollout', 'promote', '--group', ''], ['release']],
    [['undo', '--g'], ['--group']],
    [['switch', 'shop', '--f'], ['--force']],
    [['--json', 'drain', 'shop', 'b'], ['blue']],
    [
      ['completion', ''],
      ['bash', 'fish', 'zsh'],
    ],
    [['check', ''], []],
    [['explain', 's'], ['shop']],
  ])('of %j is %j', async (words, candidates) => {
    expect(await complete(...words)).toEqual(candidates);
  });

  test.each(['bash', 'zsh', 'fish'])('prints a script for %s that asks for the candidates', async (shell) => {
    const { code, stdout } = await cli(['completion', shell]);
    expect(code).toBe(0);
    expect(stdout).toContain('tealgate __complete');
  });
});
