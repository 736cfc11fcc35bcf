import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeGateFile } from '../support/gate.ts';

const CHILD = fileURLToPath(new URL('../support/loaded-child.ts', import.meta.url));
const SERVICES = { shop: { stable: 'blue', upstreams: { blue: { weight: 1, targets: ['http://127.0.0.1:9'] } } } };

let directory: string;
/** Files and built-in modules that the control plane had loaded when it listened. */
let loaded: readonly string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tealgate-start-'));
  const file = await writeGateFile(directory, { services: SERVICES, store: { path: ':memory:' } });
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, file]);
  loaded = JSON.parse(stdout);
});

afterAll(() => rm(directory, { recursive: true }));

const isLoaded = (name: string): boolean => loaded.some((module) => module.includes(`/node_modules/${name}/`));

describe('a gate that listens', () => {
  it('has loaded the framework of its admin API', () => {
    expect(isLoaded('fastify')).toBe(true);
  });

  it.each(['undici', 'prom-client', 'ajv', 'autocannon'])('has not loaded %s, which it may never need', (name) => {
    expect(isLoaded(name)).toBe(false);
  });

  it('has not loaded the client behind fetch', () => {
    expect(loaded).toContain('NativeModule _http_server');
    expect(loaded).not.toContain('NativeModule internal/deps/undici/undici');
  });
});
