import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AccessEntry, AccessLog } from '../../src/proxy/access-log.ts';

const ENTRY: AccessEntry = {
  givenId: null,
  number: 46_521,
  client: '127.0.0.1',
  method: 'GET',
  host: 'shop.example.com',
  path: '/catalogue',
  status: 200,
  bytes: 1024,
  durationMs: 12.3456,
  upstreamMs: 12.0451,
  service: 'shop',
  upstream: 'blue',
  target: 'http://127.0.0.1:3000',
  retries: 0,
  outcome: 'ok',
};

let sent: Uint8Array[];
let log: AccessLog;

beforeEach(() => {
  sent = [];
  log = new AccessLog('0badc0de-0-', (lines) => sent.push(lines));
});

afterEach(() => log.close());

function lines(): Record<string, unknown>[] {
  log.flush();
  const text = Buffer.concat(sent).toString();
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

describe('the access log', () => {
  it('writes a line of JSON for a request', () => {
    log.write(ENTRY);
    const [line] = lines();
    expect(line).toMatchObject({
      level: 'info',
      event: 'access',
      requestId: '0badc0de-0-zw9',
      status: 200,
      bytes: 1024,
    });
    expect(line).toMatchObject({ client: '127.0.0.1', method: 'GET', host: 'shop.example.com', path: '/catalogue' });
    expect(line).toMatchObject({ service: 'shop', upstream: 'blue', target: 'http://127.0.0.1:3000', retries: 0 });
    expect(line).toMatchObject({ durationMs: 12.346, upstreamMs: 12.045, overheadMs: 0.301, outcome: 'ok' });
    expect(Date.parse(String(line?.time))).toBeGreaterThan(Date.now() - 60_000);
  });

  it('keeps apart the values of one line and the next', () => {
    const hosts = ['a.test', 'b.test', 'b.test', '', 'a.test'];
    for (const host of hosts) log.write({ ...ENTRY, host, service: host.slice(0, 1) });
    expect(lines().map(({ host }) => host)).toEqual(hosts);
    expect(lines().map(({ service }) => service)).toEqual(hosts.map((host) => host.slice(0, 1)));
  });

  it('keeps them apart for any number of clients, targets and outcomes', () => {
    const entries = Array.from({ length: 5000 }, (_, i): AccessEntry => {
      const upstream = i % 3 === 0 ? 'green' : 'blue';
      const outcome = i % 7 === 0 ? 'server_error' : 'ok';
      return { ...ENTRY, client: `c${i % 1500}`, target: `t${i % 1100}`, upstream, outcome, status: 200 + (i % 5) };
    });
    for (const entry of entries) log.write(entry);
    const told = lines();
    expect(told).toHaveLength(entries.length);
    for (const [i, { client, target, upstream, outcome, status }] of entries.entries()) {
      expect(told[i]).toMatchObject({ client, target, upstream, outcome, status });
    }
  });

  it('writes what could break a line as JSON has it', () => {
    const odd = '"\\","level":"error';
    log.write({ ...ENTRY, givenId: odd, path: odd, method: odd, host: odd, service: 'größe', client: odd });
    expect(lines()).toEqual([expect.objectContaining({ requestId: odd, path: odd, method: odd, client: odd })]);
    expect(lines()[0]).toMatchObject({ host: odd, service: 'größe', level: 'info' });
  });

  it('has three places of a millisecond, whatever the time', () => {
    const times = [0, 0.001, 0.0104, 0.1, 1, 9.999, 59_999.9994, 3_600_000];
    for (const durationMs of times) log.write({ ...ENTRY, durationMs, upstreamMs: 0 });
    expect(lines().map(({ durationMs }) => durationMs)).toEqual([0, 0.001, 0.01, 0.1, 1, 9.999, 59_999.999, 3_600_000]);
    expect(lines().map(({ overheadMs }) => overheadMs)).toEqual(lines().map(({ durationMs }) => durationMs));
  });

  it('loses none where lines are long and many', () => {
    const paths = Array.from({ length: 400 }, (_, i) => `/${'x'.repeat((i * 97) % 9000)}/${i}`);
    for (const path of paths) log.write({ ...ENTRY, path });
    expect(sent.length, 'they were handed on in batches').toBeGreaterThan(2);
    expect(lines().map(({ path }) => path)).toEqual(paths);
  });
});
