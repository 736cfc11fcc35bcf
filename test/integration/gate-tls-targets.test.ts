import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type GateFile, get, openGate, type TestGate, until } from '../support/gate.ts';
import { FIXTURES, pem, TARGET_FIXTURES } from '../support/tls.ts';

const BY = { actor: 'test' };

/** A server with a certificate of `root.crt` for 127.0.0.1, that answers with its name. */
async function secureTarget(name: string) {
  const server = createServer({ cert: pem('gate.crt'), key: pem('gate.key') }, (_, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A directory with one authority, which can be replaced. */
async function authority(from: string) {
  const directory = await mkdtemp(join(tmpdir(), 'tealgate-ca-'));
  const file = join(directory, 'ca.crt');
  await copyFile(from, file);
  return { file, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

const RIGHT = `${FIXTURES}/root.crt`;
const WRONG = `${TARGET_FIXTURES}/authority.crt`;

function file(targets: { blue: string; green?: string }, more: object = {}): GateFile {
  const { blue, green } = targets;
  const upstreams = {
    blue: { weight: 1, targets: [blue] },
    ...(green === undefined ? {} : { green: { weight: 0, targets: [green] } }),
  };
  return { services: { shop: { upstreams, ...more } } };
}

const observed = ({ control }: TestGate) => control.service('shop').upstreams.blue?.targets[0];

describe('a gate with https: targets', () => {
  it('takes over an authority whose file changes, and keeps the one it has when the new one cannot be read', async () => {
    await using blue = await secureTarget('blue');
    await using ca = await authority(WRONG);
    await using test = await openGate(file({ blue: blue.url }, { tls: { ca: ca.file } }));
    expect((await get(test.url)).status).toBe(502);
    await copyFile(RIGHT, ca.file);
    await until(() => test.control.overview().config.changes.length > 0, 'the change to be seen');
    expect(test.control.overview().config.changes).toEqual(['service shop: tls: authorities changed']);
    expect((await get(test.url)).body).toBe('blue');
    await writeFile(ca.file, 'no certificate');
    await until(() => !test.control.overview().config.lastReloadSuccessful, 'the mistake to be seen');
    expect((await get(test.url)).body).toBe('blue');
    await copyFile(WRONG, ca.file);
    await until(() => test.control.overview().config.lastReloadSuccessful, 'the mend to be seen');
    expect((await get(test.url)).status).toBe(502);
  });

  it('checks their health by the same rules, and says what is wrong with a certificate', async () => {
    await using blue = await secureTarget('blue');
    await using ca = await authority(WRONG);
    const health = { path: '/', interval: '50ms', rise: 1, fall: 1 };
    await using test = await openGate(file({ blue: blue.url }, { health, tls: { ca: ca.file } }));
    await until(() => observed(test)?.health === 'unhealthy', 'the failure to be seen');
    expect(observed(test)?.probes[0]).toMatchObject({ ok: false, detail: expect.stringMatching(/certificate/) });
    await copyFile(RIGHT, ca.file);
    await test.control.reload(BY);
    await until(() => observed(test)?.health === 'healthy', 'the recovery');
    expect((await get(test.url)).body).toBe('blue');
  });

  it('switches to those only that it can verify', async () => {
    await using blue = await secureTarget('blue');
    await using green = await secureTarget('green');
    await using ca = await authority(WRONG);
    await using test = await openGate(file({ blue: blue.url, green: green.url }, { tls: { ca: ca.file } }));
    const refusal = await test.control.switchTo('shop', 'green', BY).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'conflict', message: expect.stringMatching(/certificate/) });
    await copyFile(RIGHT, ca.file);
    await test.control.reload(BY);
    await test.control.switchTo('shop', 'green', BY);
    expect((await get(test.url)).body).toBe('green');
  });

  it('starts rollouts by the same rules, smoke requests included', async () => {
    await using blue = await secureTarget('blue');
    await using green = await secureTarget('green');
    await using ca = await authority(WRONG);
    const rollout = { strategy: 'blue-green', smoke: [{ path: '/', expect: { status: 200, body: 'green' } }] };
    await using test = await openGate(file({ blue: blue.url, green: green.url }, { rollout, tls: { ca: ca.file } }));
    const refusal = await test.control.startRollout('shop', 'green', {}, BY).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'conflict', message: expect.stringMatching(/certificate/) });
    await copyFile(RIGHT, ca.file);
    await test.control.reload(BY);
    const phase = () => test.control.service('shop').rollout?.position.phase;
    await test.control.startRollout('shop', 'green', {}, BY);
    await until(() => phase() === 'promoted', 'the promotion');
    expect((await get(test.url)).body).toBe('green');
  });
});
