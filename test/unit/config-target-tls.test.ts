import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { describeChanges } from '../../src/config/diff.ts';
import { type LoadResult, parseConfig } from '../../src/config/load.ts';
import { parseTargets, parseTargetUrl } from '../../src/config/targets.ts';
import { TRUST_SYSTEM } from '../../src/platform/tls.ts';
import { FIXTURES, TARGET_FIXTURES } from '../support/tls.ts';

/** Files with what the tests of listeners and of targets have. */
const directory = mkdtempSync(join(tmpdir(), 'tealgate-target-tls-'));
beforeAll(() => {
  for (const file of ['authority.crt', 'client.crt', 'client.key', 'alone.crt', 'alone.key'])
    copyFileSync(`${TARGET_FIXTURES}/${file}`, `${directory}/${file}`);
  for (const file of ['root.crt', 'gate.key', 'expired.crt', 'expired.key'])
    copyFileSync(`${FIXTURES}/${file}`, `${directory}/${file}`);
  writeFileSync(`${directory}/empty.crt`, '\n');
});
afterAll(() => rmSync(directory, { recursive: true }));

const text = (file: string): string => readFileSync(`${directory}/${file}`, 'utf8');

/** One service with this `tls`, which stands on line 4 from column 10 on. */
function load(tls: string, target = 'https://app'): LoadResult {
  const yaml = `services:\n  shop:\n    upstreams: {blue: {weight: 1, targets: ["${target}"]}}\n    tls: ${tls}\n`;
  return parseConfig(yaml, `${directory}/f.yaml`, {});
}

function config(tls: string): Config {
  const result = load(tls);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.config;
}

function problems(tls: string): string[] {
  const result = load(tls);
  if (result.ok) throw new Error('was accepted');
  return result.problems.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

function warnings(tls: string, target?: string): string[] {
  const result = load(tls, target);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.warnings.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

describe('an h2: or h2c: target', () => {
  it('is written as any other, and is another target than that of HTTP/1.1 at the same place', () => {
    const targets = ['h2c://App', 'H2C://[::1]:8443/', 'h2://10.0.0.1', 'h2c://0x7f.1:81', 'http://app'];
    expect(parseTargets(targets, null)).toEqual([
      'h2c://app:80',
      'h2c://[::1]:8443',
      'h2://10.0.0.1:443',
      'h2c://127.0.0.1:81',
      'http://app:80',
    ]);
    expect(parseTargetUrl('h2://[::1]:8443')).toEqual({ host: '::1', port: 8443, secure: true, http2: true });
    expect(parseTargetUrl('h2c://app')).toEqual({ host: 'app', port: 80, secure: false, http2: true });
  });

  it('is never the admin endpoint, nor a metadata address', () => {
    const admin = { adminHost: 'localhost', adminPort: 9901 };
    for (const target of ['h2://127.0.0.1:9901', 'h2c://[::1]:9901', 'h2c://169.254.169.254', 'h2c://a/b', 'h2c://u@a'])
      expect(() => parseTargets([target], admin)).toThrow();
  });

  it('h2: uses what the service says about TLS, h2c: does not', () => {
    expect(warnings('{serverName: a.test}', 'h2://app')).toEqual([]);
    expect(warnings('{serverName: a.test}', 'h2c://app')).toHaveLength(1);
  });
});

describe('an https: target', () => {
  it('listens on port 443 when none is given, and keeps its scheme in its one spelling', () => {
    expect(parseTargets(['https://App', 'HTTPS://[::1]:8443/', 'https://10.0.0.1:80', 'http://a:443'], null)).toEqual([
      'https://app:443',
      'https://[::1]:8443',
      'https://10.0.0.1:80',
      'http://a:443',
    ]);
  });

  it('is never the admin endpoint', () => {
    expect(() => parseTargets(['https://127.0.0.1:9901'], { adminHost: 'localhost', adminPort: 9901 })).toThrow();
  });
});

describe('the tls of a service', () => {
  it('trusts the system when nothing is said, by the one object that all such services share', () => {
    expect(config('{}').services.shop?.tls).toBe(TRUST_SYSTEM);
    expect(config('{verify: true}').services.shop?.tls).toBe(TRUST_SYSTEM);
  });

  it('is what its files hold, read relative to the configuration, and they are watched', () => {
    const tls = '{ca: authority.crt, cert: ./client.crt, key: client.key, serverName: Shop.Internal, verify: true}';
    expect(config(tls).services.shop?.tls).toEqual({
      ca: text('authority.crt'),
      cert: text('client.crt'),
      key: text('client.key'),
      serverName: 'shop.internal',
      verify: true,
    });
    expect(load(tls).files).toEqual(
      ['authority.crt', 'client.crt', 'client.key'].map((file) => `${directory}/${file}`),
    );
  });

  it.each<[string, string, string[]]>([
    [
      'files that are missing',
      '{ca: no.crt, cert: no.pem, key: no.key}',
      [
        '4:15 services.shop.tls.ca: the file no.crt does not exist; check the path',
        '4:29 services.shop.tls.cert: the file no.pem does not exist; check the path',
        '4:42 services.shop.tls.key: the file no.key does not exist; check the path',
      ],
    ],
    [
      'an authority without a certificate',
      '{ca: empty.crt}',
      [
        '4:15 services.shop.tls.ca: the file empty.crt holds no certificate in PEM; such a file has a line -----BEGIN CERTIFICATE-----',
      ],
    ],
    [
      'a key of another certificate',
      '{cert: client.crt, key: gate.key}',
      ['4:34 services.shop.tls.key: is not the key of the certificate in client.crt'],
    ],
    [
      'a certificate without its key',
      '{cert: client.crt}',
      ['4:5 services.shop.tls.key: is missing; name the PEM file of its private key'],
    ],
    [
      'a key without its certificate',
      '{key: client.key}',
      ['4:5 services.shop.tls.cert: is missing; name the PEM file of the client certificate'],
    ],
    [
      'an address in place of a name',
      '{serverName: 10.0.0.1}',
      [
        '4:23 services.shop.tls.serverName: "10.0.0.1" is an address; give a host name, or leave it out to verify the address of the URL',
      ],
    ],
    [
      'verification that is neither on nor off',
      '{verify: none}',
      ['4:19 services.shop.tls.verify: is text; give true or false'],
    ],
    [
      'a key that is not known',
      '{cacert: authority.crt}',
      ['4:11 services.shop.tls.cacert: is not a known key; did you mean cert?'],
    ],
  ])('is refused with %s', (_, tls, expected) => {
    expect(problems(tls)).toEqual(expected);
  });

  it('warns when nothing is verified, when no target is spoken to over TLS, and of certificates out of date', () => {
    expect(warnings('{ca: authority.crt}')).toEqual([]);
    expect(warnings('{verify: false}')).toEqual([
      '4:19 services.shop.tls.verify: any certificate will do, so whoever is in between can read and change what passes; name the authority that signed them as `ca`, or the targets as `serverName`',
    ]);
    expect(warnings('{ca: authority.crt}', 'http://app')).toEqual([
      '4:5 services.shop.tls: is not used: no target is https://host:port or h2://host:port',
    ]);
    expect(warnings('{cert: expired.crt, key: expired.key}')).toEqual([
      '4:17 services.shop.tls.cert: expired on 2021-01-01; targets will refuse it',
    ]);
    expect(warnings('{ca: expired.crt}')).toEqual([
      '4:15 services.shop.tls.ca: has expired certificates only; every target will be refused',
    ]);
  });

  it('is told apart when it changes, without a word of what is secret', () => {
    const changes = (before: string, after: string) => describeChanges(config(before), config(after));
    expect(changes('{}', '{}')).toEqual([]);
    expect(changes('{}', '{ca: authority.crt, cert: client.crt, key: client.key}')).toEqual([
      'service shop: tls: authorities added',
      'service shop: tls: client certificate added',
    ]);
    expect(changes('{ca: authority.crt}', '{ca: root.crt, serverName: a.test, verify: false}')).toEqual([
      'service shop: tls: authorities changed',
      'service shop: tls: server name of the URL → a.test',
      'service shop: tls: verification on → off',
    ]);
    expect(changes('{cert: client.crt, key: client.key}', '{cert: alone.crt, key: alone.key}')).toEqual([
      'service shop: tls: client certificate changed',
    ]);
    expect(changes('{ca: authority.crt}', '{}')).toEqual(['service shop: tls: authorities removed']);
  });
});
