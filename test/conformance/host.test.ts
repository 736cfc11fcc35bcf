import { describe, expect } from 'vitest';
import { row, useLab } from '../support/lab.ts';
import { head, values } from '../support/message.ts';

const lab = useLab();

describe('C. Host and authority', () => {
  const invalid: readonly [id: string, ...fields: string[]][] = [
    ['C01-host-missing'],
    ['C01-host-missing', 'X-Host: gate.test'],
    ['C02-host-dup-diff', 'Host: a.test', 'Host: b.test'],
    ['C02-host-dup-diff', 'Host: a.test', 'X-Between: 1', 'host: b.test'],
    ['C03-host-dup-same', 'Host: a.test', 'Host: a.test'],
    ['C04-host-userinfo', 'Host: user@a.test'],
    ['C04-host-userinfo', 'Host: user:password@a.test'],
    ['C05-host-path', 'Host: a.test/path'],
    ['C05-host-path', 'Host: a.test?q'],
    ['C05-host-path', 'Host: http://a.test'],
    ['C05-host-path', 'Host: a.test#f'],
    ['C05-host-path', 'Host: a.test\\b'],
    ['C06-host-space', 'Host: a b'],
    ['C06-host-space', 'Host: a.test\tb'],
    ['C07-host-comma', 'Host: a.test, b.test'],
    ['C07-host-comma', 'Host: a.test,b.test'],
    ['C08-host-bad-port', 'Host: a.test:80a'],
    ['C08-host-bad-port', 'Host: a.test:-1'],
    ['C08-host-bad-port', 'Host: a.test:80:80'],
    ['C08-host-bad-port', 'Host: a.test:99999'],
    ['C08-host-bad-port', 'Host: [::1]x'],
    ['C08-host-bad-port', 'Host: [::1'],
  ];
  for (const [id, ...fields] of invalid) {
    row(id, () => lab.refused(head('GET /host HTTP/1.1', ...fields), 400), fields.join(' / '));
  }

  row('C09-host-http10', async () => {
    const request = await lab.served(head('GET /host HTTP/1.0'));
    expect(request.target).toBe('/host');
  });

  for (const host of [
    'gate.test:8443',
    'GATE.test',
    '127.0.0.1:80',
    '[::1]:8080',
    'xn--bcher-kva.test',
    'under_score.test',
  ]) {
    row(
      'C10-host-kept',
      async () => expect(values(await lab.served(head('GET /host HTTP/1.1', `Host: ${host}`)), 'host')).toEqual([host]),
      host,
    );
  }

  for (const target of ['http://other.test/abs?q=1', 'HTTP://other.test/abs?q=1', 'http://other.test:80/abs?q=1']) {
    row(
      'C11-absolute-form',
      async () => {
        const request = await lab.served(head(`GET ${target} HTTP/1.1`, 'Host: gate.test'));
        expect(request.target).toBe('/abs?q=1');
        expect(values(request, 'host').join()).toMatch(/^other\.test(:80)?$/);
      },
      target,
    );
  }

  row(
    'C11-absolute-form',
    async () => {
      const request = await lab.served(head('GET http://other.test?q=1 HTTP/1.1', 'Host: gate.test'));
      expect(request.target).toBe('/?q=1');
    },
    'no path: the target gets /',
  );

  row(
    'C11-absolute-form',
    () => lab.refused(head('GET http://other.test/abs HTTP/1.1'), 400),
    'a Host is still owed in HTTP/1.1',
  );
});
