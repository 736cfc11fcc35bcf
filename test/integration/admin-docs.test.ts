import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openAdmin } from '../support/admin.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';

const run = promisify(execFile);
const TEXT = readFileSync(new URL('../../docs/admin-api.md', import.meta.url), 'utf8');
const EXAMPLES = [...TEXT.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code]) => code ?? '');

describe('docs/admin-api.md', () => {
  it.skipIf(!existsSync('/usr/bin/curl'))('has examples that work when pasted', async () => {
    const admin = await openAdmin();
    const env = { ...process.env, ADMIN: `http://127.0.0.1:${admin.port}` };
    const calls = EXAMPLES.filter((code) => code.includes('curl') && !code.includes('curl -sSN'));
    expect(calls.length).toBeGreaterThan(10);
    for (const code of calls) {
      const { stdout, stderr } = await run('/bin/bash', ['-euo', 'pipefail', '-c', code], { env });
      expect(stderr, code).toBe('');
      expect(stdout, code).not.toBe('');
      expect(stdout.includes('urn:tealgate:error'), `${code}${stdout}`).toBe(code.includes('# refused'));
    }
    await admin.close();
  });

  it('lists every metric, with its labels', async () => {
    const admin = await openAdmin();
    admin.gate.count('shop', 'blue');
    admin.gate.ejected = [{ service: 'shop', upstream: 'blue', reason: 'share', count: 1 }];
    await admin.gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    const families = parsePrometheusText((await admin.call('GET', '/metrics')).text);
    const ours = [...families.values()].filter(({ name }) => name.startsWith('tealgate_'));
    const rows = [...TEXT.matchAll(/^\| `(tealgate_\w+)` \| (\w+)[^|]*\| (.*?)\|$/gm)];
    expect(rows.map(([, name]) => name).toSorted()).toEqual(ours.map(({ name }) => name).toSorted());
    for (const [, name = '', type, labels = ''] of rows) {
      const family = families.get(name);
      expect(family?.type, name).toBe(type);
      const named = [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label);
      expect(
        Object.keys(family?.samples[0]?.labels ?? {})
          .filter((label) => label !== 'le')
          .toSorted(),
        name,
      ).toEqual(named.toSorted());
    }
    await admin.close();
  });
});
