import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAdmin, until } from '../support/admin.ts';
import { obligation } from '../support/obligations.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'admin-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const unix = (path: string) => ({ address: { kind: 'unix', path } as const });

describe('a unix socket', () => {
  it(obligation('Z01-loopback', 'a unix socket'), async () => {
    const path = join(folder, 'admin.sock');
    const before = process.umask();
    const admin = await openAdmin(unix(path));
    expect(process.umask()).toBe(before);
    expect(admin.server.address).toEqual({ path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const answer = await admin.call('PUT', '/v1/services/shop/weights', { body: { green: 5 } });
    expect(answer.status).toBe(200);
    expect(admin.gate.events(0)).toMatchObject([{ actor: 'loopback' }]);
    expect(await admin.call('GET', '/v1/services', { headers: { host: 'evil.example' } })).toMatchObject({
      status: 403,
    });
    await admin.close();
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('asks for tokens where there are some', async () => {
    const tokens = [{ name: 'ci', token: 'secret', role: 'operator' }] as const;
    const admin = await openAdmin({ ...unix(join(folder, 'admin.sock')), tokens });
    expect(await admin.call('GET', '/v1/services')).toMatchObject({ status: 401 });
    await admin.close();
  });

  it('replaces the file that a killed process left, but never one that is in use or no socket', async () => {
    const stale = join(folder, 'stale.sock');
    const left = createServer().listen(stale);
    await new Promise((resolve) => left.once('listening', resolve));
    // Renamed, the file outlives its listener as it outlives a kill.
    renameSync(stale, join(folder, 'left.sock'));
    await new Promise((resolve) => left.close(resolve));
    const admin = await openAdmin(unix(join(folder, 'left.sock')));
    await expect(openAdmin(unix(join(folder, 'left.sock')))).rejects.toMatchObject({ code: 'address_in_use' });
    expect(await admin.call('GET', '/livez')).toMatchObject({ status: 200 });
    await admin.close();
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'mine');
    await expect(openAdmin(unix(file))).rejects.toMatchObject({ code: 'address_in_use' });
    expect(statSync(file).size).toBe(4);
  });
});

describe('a TCP address', () => {
  it('is named with the port that was taken', async () => {
    const admin = await openAdmin();
    expect(admin.server.address).toEqual({ host: '127.0.0.1', port: admin.port });
    expect(admin.port).toBeGreaterThan(0);
    await admin.close();
  });

  it('in use is said so', async () => {
    const admin = await openAdmin();
    const address = { kind: 'tcp', host: '127.0.0.1', port: admin.port } as const;
    await expect(openAdmin({ address })).rejects.toMatchObject({ code: 'address_in_use' });
    await admin.close();
  });
});

describe('closing', () => {
  it('ends what waits with 503, and takes no more', async () => {
    const admin = await openAdmin();
    admin.gate.hold('shop', 'blue', 1);
    const waiting = admin.call('POST', '/v1/services/shop/switch?wait=drained', { body: { to: 'green' } });
    await until(() => admin.gate.waiting === 1);
    await admin.close();
    expect(await waiting).toMatchObject({ status: 503, json: { code: 'unavailable' } });
    await expect(admin.call('GET', '/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('twice is harmless', async () => {
    const admin = await openAdmin();
    await Promise.all([admin.close(), admin.close()]);
    await admin.close();
  });
});
