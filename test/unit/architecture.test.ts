import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** Folders that hold no clock, no randomness, no I/O: `node:*` may not be imported there. */
const PURE = ['traffic/', 'rollout/statistics/'];
/** Layers from top to bottom: an import may only point down, or stay in its folder. `config/config.ts` is types. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  cli: ['app', 'admin', 'config', 'loadtest', 'platform', 'rollout', 'store', 'telemetry', 'traffic'],
  loadtest: ['config', 'platform'],
  app: ['admin', 'config', 'proxy', 'rollout', 'store', 'telemetry', 'traffic', 'platform'],
  admin: ['app', 'config', 'rollout', 'store', 'telemetry', 'traffic', 'platform'],
  telemetry: ['app', 'traffic', 'platform', 'rollout'],
  rollout: ['config', 'store', 'traffic', 'platform'],
  config: ['platform'],
  store: ['platform'],
  proxy: ['http2', 'http1', 'traffic', 'platform'],
  http2: ['http1', 'traffic', 'platform'],
  http1: ['traffic', 'platform'],
  traffic: ['platform'],
  platform: [],
};
/** The one thing that may be imported upwards: types of the interface that the composition root implements. */
const PORT = /^app\/(control-plane|desired)\.ts$/;

interface Import {
  readonly file: string;
  readonly line: string;
  readonly to: string;
}

function imports(): Import[] {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.flatMap((file) =>
    [...readFileSync(join(SRC, file), 'utf8').matchAll(/^(?:import|export)\s[^;]*?from '([^']+)';/gms)].map(
      (match) => ({
        file,
        line: match[0],
        to: match[1] ?? '',
      }),
    ),
  );
}

const folderOf = (file: string): string => file.split('/')[0] ?? '';
const targetOf = ({ file, to }: Import): string => relative(SRC, resolve(SRC, dirname(file), to));

describe('imports', () => {
  const all = imports();

  it('point down the layers only', () => {
    const wrong = all.filter((entry) => {
      if (!entry.to.startsWith('.') || !entry.file.includes('/')) return false;
      const from = folderOf(entry.file);
      const target = targetOf(entry);
      if (from === folderOf(target)) return false;
      if (PORT.test(target)) return !/^(import|export) type/.test(entry.line);
      return folderOf(target) === 'app' ? from !== 'cli' : !(MAY_IMPORT[from] ?? []).includes(folderOf(target));
    });
    expect(wrong.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
  });

  it('of values reach node:http in one place only, since an import of it loads much more than it', () => {
    const direct = all.filter(({ to, line }) => /^(node:)?http$/.test(to) && !line.startsWith('import type'));
    expect(direct.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
  });

  it('of the pure folders reach neither Node nor a package', () => {
    const wrong = all.filter(({ file, to }) => PURE.some((folder) => file.startsWith(folder)) && !to.startsWith('.'));
    expect(wrong.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
  });
});
