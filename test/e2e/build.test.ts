import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningGate, tealgate } from '../support/command.ts';
import { get, openTarget, type Target } from '../support/gate.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** The package as it would be installed, built from these sources. */
let directory: string;
let main: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tealgate-build-'));
  main = join(directory, 'bin/tealgate.js');
  for (const part of ['bin', 'package.json']) await cp(join(ROOT, part), join(directory, part), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const rolldown = join(ROOT, 'node_modules/rolldown/bin/cli.mjs');
  await promisify(execFile)(process.execPath, [rolldown, '-c', '-d', join(directory, 'dist')], { cwd: ROOT });
});

afterAll(() => rm(directory, { recursive: true }));

async function builtFiles(): Promise<string[]> {
  const dist = join(directory, 'dist');
  const files = await readdir(dist, { recursive: true });
  return files.filter((file) => file.endsWith('.js')).map((file) => join(dist, file));
}

describe('what is built', () => {
  test('needs no package but those that are installed with it', async () => {
    const { dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const texts = await Promise.all((await builtFiles()).map((file) => readFile(file, 'utf8')));
    const needed = texts.flatMap((text) =>
      [...text.matchAll(/^(?:import|export) (?:[^;]*? from )?"([^".][^"]*)";$|\bimport\("([^".][^"]*)"\)/gm)].map(
        ([, still, late]) => still ?? late ?? '',
      ),
    );
    const packages = new Set(needed.filter((name) => !name.startsWith('node:')));
    expect([...packages].toSorted()).toEqual(Object.keys(dependencies).toSorted());
  });

  test('holds the parts that are found by their place', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    expect(await tealgate(['--version'], { main })).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('keeps the names of the sources, so that a stack trace can be read', async () => {
    const gate = await readFile(join(directory, 'dist/chunks/gate.js'), 'utf8');
    const wanted = ['Core = class', 'changeService(', '// src/app/core.ts'];
    expect(wanted.filter((text) => !gate.includes(text))).toEqual([]);
  });

  test('is a library with what its types declare', async () => {
    const library = await import(join(directory, 'dist/index.js'));
    const sources = await import('../../src/index.ts');
    expect(Object.keys(library).toSorted()).toEqual(Object.keys(sources).toSorted());
  });
});

describe('a gate from the build', () => {
  let target: Target;
  let gate: RunningGate;

  beforeAll(async () => {
    target = await openTarget('blue');
    const upstreams = { blue: { weight: 1, targets: [target.url] } };
    gate = await RunningGate.start({ services: { shop: { upstreams, stable: 'blue' } } }, { main });
  });

  afterAll(async () => {
    await gate[Symbol.asyncDispose]();
    await target.close();
  });

  test('serves', async () => {
    expect(await get(gate.url)).toMatchObject({ status: 200, body: 'blue' });
  });

  test('shows its dashboard, whole', async () => {
    const page = await get(gate.admin);
    expect(page.status).toBe(200);
    expect(page.body).toMatch(/<script nonce="[^"]+">/);
    expect(page.body).toMatch(/<\/script><\/body><\/html>\s*$/);
  });

  test('shows its metrics', async () => {
    const metrics = await get(`${gate.admin}/metrics`);
    expect(metrics.body).toContain('tealgate_requests_total{service="shop",upstream="blue"');
  });

  test('answers the command line, and stops', async () => {
    const status = await tealgate(['status', 'shop', '--json'], { main, env: { TEALGATE_ADMIN: gate.admin } });
    expect(JSON.parse(status.stdout)).toMatchObject({ name: 'shop', stable: 'blue' });
    expect(await gate.end('SIGTERM')).toBe(0);
  });
});
