import { createPrivateKey, X509Certificate } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import type { TlsConfig } from '../../src/config/config.ts';
import { describeChanges } from '../../src/config/diff.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import { type LoadResult, parseConfig } from '../../src/config/load.ts';
import { refused, top } from '../support/config-text.ts';
import { FIXTURES, pem } from '../support/tls.ts';

const directory = mkdtempSync(join(tmpdir(), 'tealgate-tls-'));
afterAll(() => rmSync(directory, { recursive: true }));

function listener(tls: string): string {
  return top(`listeners: [{address: ":1", tls: ${tls}}]`);
}

function parsed(tls: string, directory = FIXTURES): LoadResult {
  return parseConfig(listener(tls), `${directory}/tealgate.yaml`, {});
}

function tlsOf(tls: string): TlsConfig | null | undefined {
  const result = parsed(tls);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.config.listeners[0]?.tls;
}

/** The warnings, each as `column path: message`. */
function warnings(tls: string): string[] {
  const result = parsed(tls);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.warnings.map(({ column, path, message }) => `${column} ${path}: ${message}`);
}

describe('a listener with TLS', () => {
  it('has its certificate, the names in it and its key, read relative to the configuration', () => {
    expect(tlsOf('{cert: gate.crt, key: ./gate.key}')).toEqual({
      minVersion: 'TLSv1.2',
      certificates: [
        {
          file: `${FIXTURES}/gate.crt`,
          cert: pem('gate.crt'),
          key: pem('gate.key'),
          names: ['gate.test', 'localhost'],
          fingerprint: new X509Certificate(pem('gate.crt')).fingerprint256,
          expiresAt: Date.UTC(2125, 0, 1),
        },
      ],
    });
  });

  it('may have several certificates, and a lowest version', () => {
    const tls = tlsOf(
      '{certificates: [{cert: gate.crt, key: gate.key}, {cert: wildcard.crt, key: wildcard.key}], minVersion: TLSv1.3}',
    );
    expect(tls?.minVersion).toBe('TLSv1.3');
    expect(tls?.certificates.map(({ names }) => names)).toEqual([
      ['gate.test', 'localhost'],
      ['*.shop.test', 'shop.test'],
    ]);
  });

  it('may have both in one file', () => {
    writeFileSync(join(directory, 'both.pem'), pem('gate.key') + pem('gate.crt'));
    expect(parsed('{cert: both.pem, key: both.pem}', directory)).toMatchObject({ ok: true, warnings: [] });
  });

  it('names its files as parts of the configuration, whether or not they can be read', () => {
    const files = ['gate.crt', 'none.key'].map((name) => join(FIXTURES, name));
    expect(parsed('{cert: gate.crt, key: none.key}')).toMatchObject({ ok: false, files });
  });
});

describe('of the keys', () => {
  it.each([
    ['{}', ['5:34 listeners[0].tls: names no certificate; give `cert` and `key`, or `certificates`']],
    ['{cert: a}', ['5:29 listeners[0].tls.key: is missing; name the PEM file of the private key']],
    ['{key: a}', ['5:29 listeners[0].tls.cert: is missing; name the PEM file of the certificate']],
    [
      '{cert: a, key: b, certificates: [{cert: a, key: b}]}',
      ['5:41 listeners[0].tls.cert: stands beside `certificates`; move it in there'],
    ],
    ['{certificates: []}', ['5:49 listeners[0].tls.certificates: is empty; give at least one']],
    [
      '{certificates: [{cert: a}]}',
      ['5:50 listeners[0].tls.certificates[0].key: is missing; write one such as ./shop.key'],
    ],
    [
      '{cert: a, key: b, minVersion: TLSv1.1}',
      ['5:64 listeners[0].tls.minVersion: "TLSv1.1" is not one of TLSv1.2, TLSv1.3; did you mean TLSv1.2?'],
    ],
    [
      '{cert: a, kye: b}',
      [
        '5:29 listeners[0].tls.key: is missing; name the PEM file of the private key',
        '5:44 listeners[0].tls.kye: is not a known key; did you mean key?',
      ],
    ],
    ['true', ['5:34 listeners[0].tls: is true; give a map of keys']],
  ])('%s is refused', (tls, problems) => {
    expect(refused(listener(tls))).toEqual(problems);
  });

  it('none may hold PEM itself, which is not shown', () => {
    const text = listener(`{cert: gate.crt, key: ${JSON.stringify(pem('gate.key'))}}`);
    const [problem, ...others] = refused(text, { file: `${FIXTURES}/f.yaml` });
    expect(problem).toMatch(/listeners\[0\]\.tls\.key: is PEM itself; write it to a file and name that$/);
    expect(others).toEqual([]);
  });
});

describe('of the files', () => {
  const key = createPrivateKey(pem('gate.key'));
  const chain = pem('gate.crt');
  const second = chain.indexOf('-----BEGIN', 1);
  const files: Record<string, string | Buffer> = {
    'gate.crt': chain,
    'gate.key': pem('gate.key'),
    'other.key': pem('exact.key'),
    'empty.pem': '',
    'der.crt': new X509Certificate(chain).raw,
    'cut.crt': `${chain.slice(0, 200)}\n-----END CERTIFICATE-----\n`,
    'wrong-order.crt': chain.slice(second) + chain.slice(0, second),
    'encrypted.key': key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
    'cut.key': `${pem('gate.key').slice(0, 80)}\n-----END PRIVATE KEY-----\n`,
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);

  it.each([
    [
      'none.crt',
      'none.key',
      [
        '5:41 listeners[0].tls.cert: the file none.crt does not exist; check the path',
        '5:56 listeners[0].tls.key: the file none.key does not exist; check the path',
      ],
    ],
    ['.', 'gate.key', ['5:41 listeners[0].tls.cert: the file . is a directory; name a file']],
    [
      'empty.pem',
      'gate.key',
      [expect.stringContaining('5:41 listeners[0].tls.cert: the file empty.pem holds no cert')],
    ],
    ['der.crt', 'gate.key', [expect.stringContaining('the file der.crt holds no certificate in PEM')]],
    ['gate.key', 'gate.key', [expect.stringContaining('the file gate.key holds no certificate in PEM')]],
    ['cut.crt', 'gate.key', [expect.stringContaining('has a certificate that cannot be read (number 1 in it)')]],
    ['gate.crt', 'gate.crt', [expect.stringContaining('the file gate.crt holds no private key in PEM')]],
    [
      'gate.crt',
      'encrypted.key',
      [expect.stringContaining('the file encrypted.key is encrypted; give the key without')],
    ],
    ['gate.crt', 'cut.key', [expect.stringContaining('the file cut.key has a private key that cannot be read')]],
    ['gate.crt', 'other.key', ['5:56 listeners[0].tls.key: is not the key of the certificate in gate.crt']],
    ['wrong-order.crt', 'gate.key', [expect.stringContaining('tls.cert: begins with another certificate than that')]],
  ])('%s with %s is refused where it is named', (cert, key, problems) => {
    expect(refused(listener(`{cert: ${cert}, key: ${key}}`), { file: join(directory, 'f.yaml') })).toEqual(problems);
  });

  it('those of a later certificate are refused where they are named', () => {
    const text = listener('{certificates: [{cert: gate.crt, key: gate.key}, {cert: gate.crt, key: other.key}]}');
    expect(refused(text, { file: join(directory, 'f.yaml') })).toEqual([
      '5:105 listeners[0].tls.certificates[1].key: is not the key of the certificate in gate.crt',
    ]);
  });
});

describe('a warning', () => {
  it.each([
    [
      '{cert: expired.crt, key: expired.key}',
      ['41 listeners[0].tls.cert: expired on 2021-01-01; clients will refuse it'],
    ],
    [
      '{cert: future.crt, key: future.key}',
      ['41 listeners[0].tls.cert: is not valid before 2100-01-01; clients will refuse it until then'],
    ],
    ['{cert: nameless.crt, key: nameless.key}', []],
    [
      '{certificates: [{cert: gate.crt, key: gate.key}, {cert: nameless.crt, key: nameless.key}]}',
      [expect.stringContaining('certificates[1].cert: is never chosen: it names no host')],
    ],
    [
      '{certificates: [{cert: gate.crt, key: gate.key}, {cert: renewed.crt, key: renewed.key}]}',
      [expect.stringContaining('certificates[1].cert: is never chosen: others before it have all of its host names')],
    ],
  ])('for %s: %j', (tls, expected) => {
    expect(warnings(tls)).toEqual(expected);
  });
});

describe('a change', () => {
  const changesOf = (before: string, after: string): readonly string[] => {
    const [from, to] = [parsed(before), parsed(after)];
    if (!from.ok || !to.ok) throw new Error('refused');
    return describeChanges(from.config, to.config);
  };

  it('of certificates is told by file, and never shows a key', () => {
    const one = '{cert: gate.crt, key: gate.key}';
    const two = '{certificates: [{cert: exact.crt, key: exact.key}, {cert: gate.crt, key: gate.key}]}';
    expect(changesOf(one, two)).toEqual([
      `listener 0.0.0.0:1: certificate ${FIXTURES}/exact.crt added`,
      `listener 0.0.0.0:1: default certificate ${FIXTURES}/gate.crt → ${FIXTURES}/exact.crt`,
    ]);
    expect(changesOf(one, '{cert: gate.crt, key: gate.key, minVersion: TLSv1.3}')).toEqual([
      'listener 0.0.0.0:1: TLS minimum version TLSv1.2 → TLSv1.3',
    ]);
  });

  it('of the content of a file is told by names, end and fingerprint', () => {
    const at = mkdtempSync(join(directory, 'change-'));
    const load = (name: string) => {
      copyFileSync(`${FIXTURES}/${name}.crt`, join(at, 'a.crt'));
      copyFileSync(`${FIXTURES}/${name}.key`, join(at, 'a.key'));
      const result = parsed('{cert: a.crt, key: a.key}', at);
      if (!result.ok) throw new Error('refused');
      return result.config;
    };
    const print = (name: string) => new X509Certificate(pem(`${name}.crt`)).fingerprint256.slice(0, 11);
    expect(describeChanges(load('gate'), load('exact'))).toEqual([
      `listener 0.0.0.0:1: certificate ${at}/a.crt: gate.test, localhost until 2125-01-01 (${print('gate')}) → www.shop.test until 2125-01-01 (${print('exact')})`,
    ]);
  });
});

describe('the lines on TLS in full.yaml', () => {
  it('are right once they are no comments', () => {
    const text = readFileSync(new URL('../../config/full.yaml', import.meta.url), 'utf8');
    const commented = /^ {4}# {1,3}(tls|certificates|minVersion):/;
    const lines = text.split('\n').filter((line) => commented.test(line));
    expect(lines).toHaveLength(4);
    const [first, ...several] = lines.map((line) => line.replace('# ', ''));
    const schema = z.fromJSONSchema(configJsonSchema());
    for (const tls of [[first], several]) {
      const document = parse(top(['listeners:', '  - address: ":1"', ...tls].join('\n')));
      expect(schema.safeParse(document).error?.issues).toBeUndefined();
      expect(document.listeners[0].tls).toBeTypeOf('object');
    }
  });
});
