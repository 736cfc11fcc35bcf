import { spawn } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type GateFile,
  get,
  openGate,
  openTarget,
  startLoad,
  type Target,
  type TestGate,
  until,
} from '../support/gate.ts';
import { FIXTURES, ROOT } from '../support/tls.ts';

let files = '';
beforeAll(async () => {
  files = await mkdtemp(join(tmpdir(), 'tealgate-tls-'));
});
afterAll(() => rm(files, { recursive: true, force: true }));

/** Puts a fixture where the gate's certificate is. */
async function install(name: string, ...parts: ('crt' | 'key')[]): Promise<void> {
  for (const part of parts.length === 0 ? (['crt', 'key'] as const) : parts)
    await copyFile(`${FIXTURES}/${name}.${part}`, join(files, `gate.${part}`));
}

function file(target: Target, more: object = {}): GateFile {
  const tls = { cert: join(files, 'gate.crt'), key: join(files, 'gate.key') };
  return {
    services: { shop: { upstreams: { blue: { weight: 1, targets: [target.url] } } } },
    listeners: [{ address: '127.0.0.1:0', tls }],
    ...more,
  };
}

async function open(target: Target, more: object = {}): Promise<TestGate> {
  await install('gate');
  return openGate(file(target, more));
}

function portOf({ gate }: TestGate, index = 0): number {
  return gate.addresses[index]?.port ?? 0;
}

function agent(connections = 1): Agent {
  return new Agent({ ca: ROOT, servername: 'gate.test', keepAlive: true, maxSockets: connections });
}

/** Whose certificate a new client is shown. */
async function shown(port: number): Promise<string> {
  const socket = await handshake(port);
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN).replace('Tealgate test ', '');
}

async function handshake(port: number, session?: Buffer): Promise<TLSSocket> {
  const resumed = session === undefined ? {} : { session };
  const socket = connect({ port, host: '127.0.0.1', ca: ROOT, servername: 'gate.test', ...resumed });
  await once(socket, 'secureConnect');
  return socket;
}

describe('certificates whose files change', () => {
  it('are taken over under load, without a failed request or a lost connection', async () => {
    await using blue = await openTarget('blue');
    await using test = await open(blue, { workers: 2 });
    const keptAlive = agent(16);
    const opened = new Set<number>();
    keptAlive.on('free', (socket: TLSSocket) => opened.add(socket.localPort ?? 0));
    const load = startLoad(`https://127.0.0.1:${portOf(test)}`, 16, keptAlive);
    for (const name of ['renewed', 'gate', 'renewed']) {
      await until(() => load.sent > 100 && opened.size === 16, 'the load');
      const before = test.log.filter(({ event }) => event === 'config.reloaded').length;
      await install(name);
      await until(() => test.log.filter(({ event }) => event === 'config.reloaded').length > before, 'the reload');
      for (let i = 0; i < 10; i++) expect(await shown(portOf(test))).toBe(name);
    }
    await load.stop();
    expect([...load.answers.keys()]).toEqual(['blue']);
    expect(opened.size, 'connections').toBe(16);
    await until(() => test.control.service('shop').ledger.inFlight === 0, 'the end');
    expect(test.control.service('shop').ledger.accepted).toBe(load.sent);
    expect(blue.requests).toBe(load.sent);
  });

  it('are told to monitoring with the time when they expire', async () => {
    await using blue = await openTarget('blue');
    await using test = await open(blue);
    for (const name of ['gate', 'renewed']) {
      await install(name);
      await test.control.reload({ actor: 'test' });
      const { validToDate } = new X509Certificate(await readFile(join(files, 'gate.crt')));
      const labels = `listener="127.0.0.1:0",certificate="${join(files, 'gate.crt')}"`;
      const metrics = await (await fetch(`${test.adminUrl}/metrics`)).text();
      expect(metrics).toContain(
        `tealgate_certificate_expiry_timestamp_seconds{${labels}} ${validToDate.getTime() / 1000}\n`,
      );
    }
  });

  it('change nothing when they are bad, and are told like any mistake', async () => {
    await using blue = await openTarget('blue');
    await using test = await open(blue);
    await install('renewed', 'crt');
    const half = await test.control.reload({ actor: 'test' });
    expect(half.lastReloadSuccessful).toBe(false);
    expect(half.errors.join()).toMatch(/tealgate\.yaml:\d+:\d+ listeners\[0\]\.tls\.key: is not the key of/);
    expect(half.errors.join()).not.toContain('BEGIN');
    expect(await shown(portOf(test))).toBe('gate');
    await writeFile(join(files, 'gate.crt'), 'rubbish');
    expect((await test.control.reload({ actor: 'test' })).errors.join()).toMatch(/holds no certificate in PEM/);
    expect(await shown(portOf(test))).toBe('gate');
    await install('renewed');
    const whole = await test.control.reload({ actor: 'test' });
    expect(whole).toMatchObject({ lastReloadSuccessful: true, errors: [] });
    expect(whole.changes).toEqual([expect.stringMatching(/^listener 127\.0\.0\.1:0: certificate .*gate\.crt: .* → /)]);
    expect(await shown(portOf(test))).toBe('renewed');
    expect(JSON.stringify([test.log, test.control.events(0)])).not.toContain('PRIVATE KEY');
  });

  it('are served even when they have expired, with a warning', async () => {
    await using blue = await openTarget('blue');
    await using test = await open(blue);
    await install('expired');
    expect(await test.control.reload({ actor: 'test' })).toMatchObject({ lastReloadSuccessful: true });
    const warnings = test.log.filter(({ event }) => event === 'config.warning');
    expect(JSON.stringify(warnings)).toMatch(/expired on 2021-01-01/);
    await expect(handshake(portOf(test))).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
  });

  it('refuse a start when they are bad', async () => {
    await using blue = await openTarget('blue');
    await install('gate');
    await install('renewed', 'key');
    await expect(openGate(file(blue))).rejects.toMatchObject({ code: 'invalid_config' });
  });
});

describe('a listener', () => {
  it('with TLS is added beside a plain one by a reload; TLS on a plain one waits for a restart', async () => {
    await install('gate');
    await using blue = await openTarget('blue');
    const plain = { address: '127.0.0.1:0' };
    await using test = await openGate(file(blue, { listeners: [plain] }));
    const [secure] = file(blue).listeners as readonly object[];
    await test.write(file(blue, { listeners: [plain, { ...secure, address: '127.0.0.2:0' }] }));
    expect(await test.control.reload({ actor: 'test' })).toMatchObject({ lastReloadSuccessful: true });
    expect((await get(test.url)).body).toBe('blue');
    const url = `https://127.0.0.2:${portOf(test, 1)}`;
    expect((await get(url, { agent: agent() })).body).toBe('blue');
    await test.write(file(blue, { listeners: [secure, { ...secure, address: '127.0.0.2:0' }] }));
    expect((await test.control.reload({ actor: 'test' })).changes).toEqual([
      'listener 127.0.0.1:0: TLS off → on (needs a restart)',
      'listener 127.0.0.1:0: HTTP/2 off → on (needs a restart)',
    ]);
    expect((await get(test.url)).body).toBe('blue');
  });

  it('resumes sessions whichever of its workers began them', async () => {
    await using blue = await openTarget('blue');
    await using test = await open(blue, { workers: 2 });
    const first = await handshake(portOf(test));
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    for (let i = 0; i < 24; i++) {
      const again = await handshake(portOf(test), session);
      expect(again.isSessionReused()).toBe(true);
      again.destroy();
    }
  });
});

function curl(...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn('curl', ['-sS', '--max-time', '10', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (out += text));
  return new Promise((resolve) => {
    child.on('error', () => resolve({ code: null, out: 'no curl' }));
    child.on('close', (code) => resolve({ code, out }));
  });
}

const hasCurl = (await curl('--version')).code === 0;

describe.skipIf(!hasCurl)('curl', () => {
  it('is served over TLS, its certificate checked, in every way it asks', async () => {
    await using echo = await openTarget((incoming, response) => {
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => (bytes += chunk.length));
      incoming.on('end', () => response.end(`${incoming.method} ${incoming.headers['x-forwarded-proto']} ${bytes}`));
    });
    await using test = await open(echo);
    const port = portOf(test);
    const url = `https://gate.test:${port}/`;
    const trusted = ['--cacert', `${FIXTURES}/root.crt`, '--resolve', `gate.test:${port}:127.0.0.1`, '--noproxy', '*'];
    const upload = join(files, 'upload');
    await writeFile(upload, randomBytes(300_000));
    for (const [args, answer] of [
      [[], 'GET https 0'],
      [['--http2'], 'GET https 0'],
      [['--http1.0'], 'GET https 0'],
      [['--tls-max', '1.2'], 'GET https 0'],
      [['--data-binary', `@${upload}`], 'POST https 300000'],
      [['-T', upload, '-H', 'Transfer-Encoding: chunked'], 'PUT https 300000'],
    ] as const) {
      expect(await curl(...trusted, ...args, url), args.join(' ')).toEqual({ code: 0, out: answer });
    }
    expect((await curl('--resolve', `gate.test:${port}:127.0.0.1`, url)).code).toBe(60);
    expect((await curl(...trusted, `http://gate.test:${port}/`)).code).not.toBe(0);
    expect((await curl(...trusted, '-k', `https://127.0.0.1:${port}/`)).out).toBe('GET https 0');
  });
});
