import { spawnSync } from 'node:child_process';
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

  test('asks the gate that the line names, with its token', async () => {
    const server = await adminServer((_call, response) => json(response, overviewOf(serviceOf())));
    open.push(server);
    const line = [`--admin=${server.url}`, '--token', 'secret', 'switch', ''];
    expect((await cli(['__complete', ...line])).stdout).toBe('shop\n');
    expect(server.calls[0]?.headers.authorization).toBe('Bearer secret');
  });

  test.each([
    ['tealgate --admin http://127.0.0.1:9901 switch sh', ['--admin', 'http://127.0.0.1:9901', 'switch', 'sh'], 'shop'],
    ['tealgate weights shop ', ['weights', 'shop', ''], 'green='],
    [
      'tealgate status --admin=unix:/run/',
      ['status', '--admin=unix:/run/'],
      '/run/admin.sock',
      '--admin=unix:/run/admin.sock',
    ],
  ])('in bash hands on the words of %j whole', async (line, words, offered, candidate = offered) => {
    const { stdout } = await cli(['completion', 'bash']);
    // The program is stood in for: it tells what it was asked and answers with one candidate.
    const tealgate = `tealgate() { printf '%s\\n' "$@" >&3; echo '${candidate}'; }`;
    const ask = `COMP_LINE='${line}' COMP_POINT=${line.length}; _tealgate 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const bash = spawnSync('bash', ['-c', `${tealgate}\n${stdout}\n${ask}`], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    expect(bash.output[3]).toBe(`__complete\n${words.map((word) => `${word}\n`).join('')}`);
    expect(bash.stdout).toBe(`${offered}\n`);
  });

  test.each(['bash', 'zsh', 'fish'])('prints a script for %s that asks for the candidates', async (shell) => {
    const { code, stdout } = await cli(['completion', shell]);
    expect(code).toBe(0);
    expect(stdout).toContain('tealgate __complete');
  });
});
