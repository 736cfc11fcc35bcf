import { describe, expect, test } from 'vitest';
import { parseSpawnFile, portVariable } from '../../src/loadtest/spawn-file.ts';

describe('the file of --spawn', () => {
  test('names a gate by the path of its configuration, from where the file is', () => {
    const file = parseSpawnFile('gate: conf/gate.yaml\nupstreams: {blue: {command: run}}', '/ci/loadtest.yaml');
    expect(file).toEqual({
      directory: '/ci',
      gate: '/ci/conf/gate.yaml',
      upstreams: [{ name: 'blue', command: 'run', health: null, port: null, env: {} }],
    });
  });

  test('may hold the configuration itself, and words instead of a line', () => {
    const text = `
gate: {services: {shop: {paths: [/]}}}
upstreams:
  blue-1: {command: [node, "my app.js", "{port}"], health: /healthz, port: 3001, env: {COLOUR: blue}}
`;
    expect(parseSpawnFile(text, '/ci/loadtest.yaml')).toMatchObject({
      gate: { services: { shop: { paths: ['/'] } } },
      upstreams: [
        {
          name: 'blue-1',
          command: ['node', 'my app.js', '{port}'],
          health: '/healthz',
          port: 3001,
          env: { COLOUR: 'blue' },
        },
      ],
    });
  });

  test('tells every mistake with its line', () => {
    const text = 'upstreams:\n  blue: {comand: run, port: 0}\n  green: {command: run, health: healthz}\n';
    expect(mistakes(text)).toEqual([
      'loadtest.yaml:1:1 gate: give the path of a configuration, or a configuration',
      'loadtest.yaml:2:3 upstreams.blue.command: give a command, or a list of its words',
      'loadtest.yaml:2:10 upstreams.blue.comand: is not a known key; did you mean command?',
      'loadtest.yaml:2:29 upstreams.blue.port: 0 is too small; at least 1',
      'loadtest.yaml:3:33 upstreams.green.health: "healthz" is not a path; it begins with /',
    ]);
  });

  test('that is not YAML is refused with the place', () => {
    expect(() => parseSpawnFile('gate: [', 'loadtest.yaml')).toThrow(/^loadtest\.yaml:1:\d+ is not valid YAML/);
  });

  test.each([
    ['blue', 'BLUE_PORT'],
    ['blue-1.a', 'BLUE_1_A_PORT'],
  ])('%s is found by %s', (name, variable) => {
    expect(portVariable(name)).toBe(variable);
  });
});

/** The first line of each mistake. */
function mistakes(text: string): string[] {
  try {
    parseSpawnFile(text, 'loadtest.yaml');
    return [];
  } catch (error) {
    return String(error instanceof Error ? error.message : error)
      .split('\n')
      .filter((line) => line.startsWith('loadtest.yaml:'));
  }
}
