import { describe, expect, it } from 'vitest';
import { connectFailure } from '../../src/http1/connect-failure.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { Head } from '../../src/http1/head.ts';
import { parseRequestHead } from '../../src/http1/request-parser.ts';
import { createTrust, ForwardingFields, plainAddress } from '../../src/proxy/forwarding.ts';
import { PinJar } from '../../src/proxy/pins.ts';
import { RoutingTable, type Service } from '../../src/proxy/routing-table.ts';
import type { PinPolicy } from '../../src/traffic/snapshot.ts';
import { Routes } from '../support/routes.ts';

const PINS = {
  by: 'cookie',
  name: 'pin',
  maxAgeS: 0,
  keys: [{ id: 'k1', secret: 'c2VjcmV0LW51bWJlci1vbmUtc2VjcmV0' }],
} as const satisfies PinPolicy;

function serviceWith(...names: string[]): Service {
  const upstreams = Object.fromEntries(names.map((name, i) => [name, { weight: 100, targets: [i + 1] }]));
  const snapshot = new Routes().snapshot({ shop: { upstreams, pins: PINS } });
  const table = new RoutingTable(snapshot, null, { worker: 0, deadlines: new Deadlines(), clockOffsetMs: 0 });
  const [service] = table.services.values();
  if (service === undefined) throw new Error('the snapshot has no service');
  return service;
}

describe('a pin', () => {
  it.each(['blue', 'v1.2', 'a.b.c.d', '.'])('to %s is understood by a worker that did not issue it', (name) => {
    const service = serviceWith('stable', name);
    const upstream = service.upstreams.get(name);
    if (upstream === undefined) throw new Error(`no upstream ${name}`);
    const line = new PinJar('one-').issue(service, PINS, upstream, false, 0);
    const cookie = /^Set-Cookie: ([^;]+)/.exec(line)?.[1] ?? '';
    expect(new PinJar('two-').upstreamOf(service, PINS, cookie, 0)).toBe(upstream);
    for (const forged of [cookie.slice(0, -1), `${cookie}.x`, cookie.replace(name, 'stable'), 'pin=', 'pin=....']) {
      expect(new PinJar('two-').upstreamOf(service, PINS, forged, 0)).toBeNull();
    }
  });
});

describe('plainAddress', () => {
  it.each([
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['203.0.113.7%eth0', '203.0.113.7%eth0'],
    ['unknown', 'unknown'],
  ])('of %s is %s', (address, plain) => {
    expect(plainAddress(address)).toBe(plain);
  });
});

describe('the client of a request that a trusted proxy passes on', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:4711', '192.0.2.1'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['192.0.2.1:4711, 10.0.0.2:80', '192.0.2.1'],
    ['unknown', '10.0.0.1'],
    ['[', '10.0.0.1'],
  ])('by X-Forwarded-For: %s is %s', (value, client) => {
    const head = new Head(4);
    const octets = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${value}\r\n\r\n`);
    parseRequestHead(head, octets, 0, octets.length, 4);
    const protocol = { pseudonym: 'gate', secure: false, http2: false };
    expect(new ForwardingFields('10.0.0.1', createTrust(['10.0.0.0/8']), protocol).clientAddress(head)).toBe(client);
  });
});

describe('connectFailure', () => {
  it.each([
    ['ECONNREFUSED', 'connect_refused'],
    ['EHOSTUNREACH', 'connect_failed'],
    ['ENOTFOUND', 'connect_failed'],
    ['EMFILE', 'local'],
    ['EADDRNOTAVAIL', 'local'],
  ])('%s is %s', (code, failure) => {
    expect(connectFailure(Object.assign(new Error(code), { code }), null)).toBe(failure);
  });
});
