import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { createProgram } from '../../src/cli/program.ts';
import { Session } from '../../src/cli/session.ts';
import { VERSION } from '../../src/platform/version.ts';
import { cli } from '../support/cli.ts';

const nowhere: Io = {
  stdout: { write: () => undefined },
  stderr: { write: () => undefined },
  env: {},
  signal: new AbortController().signal,
  serving: () => undefined,
};

describe('usage of the command-line tool', () => {
  test('prints the version', async () => {
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  });

  test('begins its help with three examples', async () => {
    const { code, stdout } = await cli(['--help']);
    expect(code).toBe(0);
    expect(
      stdout
        .split('\n')
        .slice(0, 4)
        .filter((line) => line.startsWith('  tealgate ')),
    ).toHaveLength(3);
  });

  test.each([['weights'], ['switch'], ['rollout', 'start'], ['wait'], ['drain'], ['status'], ['run'], ['check']])(
    'begins the help of %s %s with three examples',
    async (...words) => {
      const { code, stdout } = await cli([...words.filter((word) => typeof word === 'string'), '--help']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^Examples:\n( {2}tealgate .+\n){3}/);
    },
  );

  test('tells people to type only commands that there are', () => {
    const { commands } = createProgram(new Session(nowhere, false));
    const named = globSync('src/**/*.ts').flatMap((file) => {
      return [...readFileSync(file, 'utf8').matchAll(/`tealgate ([a-z]+)(?: ([a-z]+))?/g)];
    });
    expect(named.length).toBeGreaterThan(10);
    const unknown = named.filter(([, name, sub]) => {
      const command = commands.find((one) => one.name() === name);
      return (
        command === undefined || (command.commands.length > 0 && !command.commands.some((one) => one.name() === sub))
      );
    });
    expect(unknown.map(([text]) => text)).toEqual([]);
  });

  test('suggests the command that was meant', async () => {
    const { code, stdout, stderr } = await cli(['swich', 'shop', 'green']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('Did you mean switch?');
    expect(stderr).toContain('next:  tealgate --help');
  });

  test('suggests the option that was meant', async () => {
    const { code, stderr } = await cli(['switch', 'shop', 'green', '--wiat']);
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean --wait?');
  });

  test('shows help on stderr and exits 2 when the command is missing', async () => {
    const { code, stdout, stderr } = await cli([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: tealgate');
  });

  test.each([
    [['weights', 'shop', 'green'], 'green: not a weight'],
    [['weights', 'shop', 'green=-5'], 'green=-5: not a weight'],
    [['weights', 'shop', 'green=5', 'green=6'], 'green is given twice'],
    [['weights', 'shop', 'green=5', '--if-version', 'x'], '--if-version x: not a version'],
    [['rollout', 'start', 'shop', '--to', 'green', '--stage', '500'], '--stage 500: not a stage'],
    [['rollout', 'start', 'shop', '--to', 'green', '--stage', '5:30'], '30 has no unit'],
    [['rollout', 'start', 'shop'], "required option '--to <upstream>' not specified"],
    [['wait', 'shop', '--for', 'lunch'], 'Allowed choices are promoted, rolled_back'],
    [['wait', 'shop', '--for', 'paused', '--timeout', '10'], '10 has no unit'],
    [['completion', 'tcsh'], 'tcsh: no completion'],
    [['status', '--admin', 'ftp://here'], '--admin ftp://here: not an address'],
    [['status', '--token-file', '/nowhere/token'], '--token-file /nowhere/token: cannot be read (ENOENT)'],
    [['rollout', 'start', 'shop', '--to', 'green', '--plan', '/nowhere.yaml'], '--plan /nowhere.yaml: ENOENT'],
  ])('refuses %j with exit code 2', async (argv, message) => {
    const { code, stdout, stderr } = await cli(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('reports a usage error as JSON on stderr with --json', async () => {
    const { code, stderr } = await cli(['weights', 'shop', 'green', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'usage',
        message: 'green: not a weight',
        hint: 'tealgate weights SERVICE blue=95 green=5',
        exit: 2,
      },
    });
  });

  test('colours errors on a terminal, and not when NO_COLOR is set', async () => {
    const coloured = await cli(['nonsense'], { tty: true });
    const plain = await cli(['nonsense'], { tty: true, env: { NO_COLOR: '1' } });
    expect(coloured.stderr).toContain('\u001b[');
    expect(plain.stderr).not.toContain('\u001b[');
  });
});
