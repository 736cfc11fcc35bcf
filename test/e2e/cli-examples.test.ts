import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { formatProblem, parseConfig } from '../../src/config/load.ts';
import { RunningGate, tealgate } from '../support/command.ts';
import { get, openTarget, startLoad } from '../support/gate.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

describe('the examples', () => {
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  async function directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'tealgate-e2e-'));
    open.push(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  function own<T extends AsyncDisposable>(resource: T): T {
    open.push(async () => resource[Symbol.asyncDispose]());
    return resource;
  }

  test.each(['quickstart/tealgate.yaml', 'grpc/tealgate.yaml', 'docker/tealgate.yaml'])(
    '%s is a valid configuration',
    async (name) => {
      const result = await tealgate(['check', `${EXAMPLES}${name}`], {
        env: { ADMIN_TOKEN: 'a-token-of-the-examples' },
      });
      expect(result).toMatchObject({ code: 0, stderr: '' });
    },
  );

  test('the ConfigMap for Kubernetes holds a valid configuration', async () => {
    const documents = parseAllDocuments(await readFile(`${EXAMPLES}kubernetes/tealgate.yaml`, 'utf8'));
    const text = String(documents[0]?.getIn(['data', 'tealgate.yaml']));
    // The secret is mounted in the cluster only.
    const here = text.replace(/\$\{file:[^}]*\}/, 'a-token-of-the-examples');
    const result = parseConfig(here, 'tealgate.yaml', {});
    expect(result.ok ? result.warnings.map(formatProblem) : result.problems.map(formatProblem)).toEqual([]);
  });

  /** Starts two versions on free ports; their URLs by name. */
  async function startVersions(script: string): Promise<ReadonlyMap<string, string>> {
    const versions = spawn(process.execPath, [`${EXAMPLES}${script}`, '0', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    open.push(async () => {
      const closed = once(versions, 'close');
      versions.kill();
      await closed;
    });
    const urls = new Map<string, string>();
    for await (const line of createInterface({ input: versions.stdout })) {
      const [name = '', url = ''] = line.split(' on ');
      urls.set(name, url);
      if (urls.size === 2) break;
    }
    return urls;
  }

  test('the gRPC service is called through the gate, before and after the switch, and fails as it does', async () => {
    const urls = await startVersions('grpc/greeter.js');
    const text = (await readFile(`${EXAMPLES}grpc/tealgate.yaml`, 'utf8'))
      .replace('h2c://127.0.0.1:50051', urls.get('blue') ?? '')
      .replace('h2c://127.0.0.1:50052', urls.get('green') ?? '')
      .replace(/127\.0\.0\.1:(8080|9901)/g, '127.0.0.1:0');
    const gate = own(await RunningGate.startText(text));
    const call = async (name: string): Promise<string> => {
      const child = spawn(process.execPath, [`${EXAMPLES}grpc/greeter.js`, 'call', new URL(gate.url).host, name]);
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          output += chunk.toString();
        });
      }
      const [exit] = await once(child, 'close');
      return `${exit} ${output.trim()}`;
    };
    expect(await call('Ann')).toBe('0 hello Ann, says blue');
    expect(await call('trouble')).toBe('1 INTERNAL: blue has trouble');
    expect((await gate.command('switch', 'greeter', 'green', '--wait')).code).toBe(0);
    expect(await call('Ann')).toBe('0 hello Ann, says green');
  });

  test('the quick start serves blue, and green after the switch', async () => {
    const urls = await startVersions('quickstart/versions.js');
    const text = (await readFile(`${EXAMPLES}quickstart/tealgate.yaml`, 'utf8'))
      .replace('http://127.0.0.1:3001', urls.get('blue') ?? '')
      .replace('http://127.0.0.1:4001', urls.get('green') ?? '')
      .replace(/127\.0\.0\.1:(8080|9901)/g, '127.0.0.1:0');
    const gate = own(await RunningGate.startText(text));
    expect(await get(gate.url)).toEqual({ status: 200, body: 'blue\n' });
    const { code } = await gate.command('switch', 'shop', 'green', '--wait');
    expect(code).toBe(0);
    expect(await get(gate.url)).toEqual({ status: 200, body: 'green\n' });
  });

  test.each([
    ['promotes a good version and exits 0', 200, 0, 'promoted'],
    ['exits 1 when the version is rolled back', 500, 1, 'rolled_back'],
  ])('the release script %s', async (_what, status, code, phase) => {
    const blue = own(await openTarget('blue'));
    const next = own(await openTarget((_request, response) => response.writeHead(status).end('next')));
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [] } };
    const rollout = { stages: [{ weight: 30, hold: '300ms' }, { weight: 100 }], guards: { errorRate: { max: '1%' } } };
    const gate = own(await RunningGate.start({ services: { shop: { upstreams, drain: { timeout: '1s' }, rollout } } }));
    const bin = await directory();
    await writeFile(join(bin, 'tealgate'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
    await chmod(join(bin, 'tealgate'), 0o755);

    const load = startLoad(gate.url, 4);
    const child = spawn(`${EXAMPLES}release/release.sh`, ['shop', 'green', next.url], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: `${bin}:${process.env.PATH}`, TEALGATE_ADMIN: gate.admin },
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    const [exit] = await once(child, 'close');
    await load.stop();
    expect(exit).toBe(code);
    expect(stdout).toContain(`"phase": "${phase}"`);
  });

  test('the embedded gate starts, switches and stops', async () => {
    const path = join(await directory(), 'tealgate.yaml');
    const upstreams =
      '{blue: {weight: 1, targets: ["http://127.0.0.1:9"]}, green: {weight: 0, targets: ["http://127.0.0.1:9"]}}';
    await writeFile(
      path,
      `listeners: [{address: "127.0.0.1:0"}]\nadmin: {address: "127.0.0.1:0"}\nstore: {path: ":memory:"}\nservices: {shop: {upstreams: ${upstreams}}}\n`,
    );
    const child = spawn(process.execPath, [`${EXAMPLES}embed/gate.ts`, path], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(stderr).toMatch(/^snapshot \d+: all new traffic of shop goes to green\n$/);
  });
});
