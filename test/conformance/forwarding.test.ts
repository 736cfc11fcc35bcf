import { describe, expect } from 'vitest';
import { row, useLab } from '../support/lab.ts';
import { head, values } from '../support/message.ts';

const lab = useLab();

const get = (...fields: string[]): Buffer => head('GET /forwarding HTTP/1.1', 'Host: gate.test', ...fields);

describe('F. Forwarding fields', () => {
  for (const fields of [
    [],
    ['X-Forwarded-For: 6.6.6.6'],
    ['X-Forwarded-For: 6.6.6.6, 7.7.7.7'],
    ['X-Forwarded-For: 6.6.6.6', 'x-forwarded-for: 7.7.7.7'],
    ['X-Forwarded-For: '],
  ]) {
    row(
      'F01-xff',
      async () => {
        const last = values(await lab.served(get(...fields)), 'x-forwarded-for')
          .join()
          .split(',')
          .at(-1);
        expect(last?.trim()).toBe('127.0.0.1');
      },
      fields.join(' / '),
    );
  }

  row('F02-xfp', async () => {
    const request = await lab.served(get('X-Forwarded-Proto: https', 'x-forwarded-proto: wss'));
    expect(values(request, 'x-forwarded-proto').join()).not.toMatch(/https|wss/);
  });

  row(
    'F02-xfp',
    async () => {
      const request = await lab.served(
        get('X-Forwarded-Host: evil.test', 'Forwarded: for=6.6.6.6;proto=https;host=evil.test'),
      );
      expect(values(request, 'x-forwarded-host').join()).not.toContain('evil.test');
      expect(values(request, 'forwarded').join()).not.toContain('evil.test');
    },
    'X-Forwarded-Host and Forwarded likewise',
  );

  row('F03-via', async () => {
    const request = await lab.served(get('Via: 1.1 before'));
    expect(values(request, 'via').join(', ')).toMatch(/^1\.1 before, (HTTP\/)?1\.1 \S+/);
  });

  row(
    'F03-via',
    async () => {
      const request = await lab.served(head('GET /forwarding HTTP/1.0', 'Host: gate.test'));
      expect(values(request, 'via').join()).toMatch(/^(HTTP\/)?1\.0 \S+/);
    },
    'names the version received',
  );

  for (const name of [
    'X_Forwarded_For',
    'x_forwarded_for',
    'X-Forwarded_For',
    'X_Forwarded_Proto',
    'X_Forwarded_Host',
    'X_Real_Ip',
  ]) {
    row(
      'F04-xff-underscore',
      async () => {
        const request = await lab.served(get(`${name}: 6.6.6.6`, 'X_Other_Name: kept'));
        expect(request.fields.map((field) => field.value).join()).not.toContain('6.6.6.6');
      },
      name,
    );
  }

  for (const credentials of ['Bearer a.b.c', 'Basic dXNlcjpwYXNzOndvcmQ=', 'Digest username="a", realm="b, c"']) {
    row(
      'F05-auth-kept',
      async () =>
        expect(values(await lab.served(get(`Authorization: ${credentials}`)), 'authorization')).toEqual([credentials]),
      credentials,
    );
  }

  row('F06-cond-kept', async () => {
    const conditions = [
      'If-None-Match: "a", W/"b"',
      'If-Match: *',
      'If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT',
      'If-Unmodified-Since: Sat, 29 Oct 1994 19:43:31 GMT',
      'If-Range: "a"',
      'Range: bytes=0-1, -5',
    ];
    const request = await lab.served(get(...conditions));
    for (const condition of conditions) {
      const [name = '', ...rest] = condition.split(': ');
      expect(values(request, name), name).toEqual([rest.join(': ')]);
    }
  });
});
