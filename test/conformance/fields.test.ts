import { describe, expect } from 'vitest';
import { row, useLab } from '../support/lab.ts';
import { head, values } from '../support/message.ts';

const lab = useLab();

const get = (...fields: string[]): Buffer => head('GET /fields HTTP/1.1', 'Host: gate.test', ...fields);

describe('B. Field syntax', () => {
  for (const line of ['X-Bad : 1', 'X-Bad\t: 1', 'Host2 : a', 'Content-Length : 5']) {
    row('B01-sp-before-colon', () => lab.refused(get(line), 400), JSON.stringify(line));
  }

  for (const lines of ['X-A: a\r\n b', 'X-A: a\r\n\tb', 'X-A:\r\n b', 'X-A: a\r\n \r\n b']) {
    row(
      'B02-obs-fold',
      async () => {
        const { forwarded } = await lab.attack(get(lines));
        for (const request of forwarded) expect(values(request, 'x-a').join().replace(/ +/g, ' ')).toMatch(/^(a )?b$/);
      },
      JSON.stringify(lines),
    );
  }

  for (const line of [' X-Bad: y', '\tX-Bad: y', ' Host: evil.test']) {
    row(
      'B03-ws-first-line',
      async () => {
        const { forwarded } = await lab.attack(head('GET /fields HTTP/1.1', line, 'Host: gate.test'));
        for (const request of forwarded) {
          expect(values(request, 'x-bad')).toEqual([]);
          expect(values(request, 'host')).toEqual(['gate.test']);
        }
      },
      JSON.stringify(line),
    );
  }

  const control: readonly [id: string, line: string][] = [
    ['B04-nul', 'X-A: a\x00b'],
    ['B04-nul', 'X-A: \x00'],
    ['B05-bare-cr', 'X-A: a\rb'],
    ['B05-bare-cr', 'X-A: a\r'],
    ['B06-bare-cr-inject', 'X-A: a\rX-Injected: 1'],
    ['B06-bare-cr-inject', 'X-A: a\r\rX-Injected: 1'],
    ['B15-ctl-value', 'X-A: a\x07b'],
    ['B15-ctl-value', 'X-A: a\x1b[31m'],
    ['B15-ctl-value', 'X-A: a\x7fb'],
  ];
  for (const [id, line] of control) {
    row(
      id,
      async () => {
        const { forwarded } = await lab.attack(get(line));
        for (const request of forwarded) expect(values(request, 'x-injected')).toEqual([]);
      },
      JSON.stringify(line),
    );
  }

  for (const [what, bytes] of [
    ['everywhere', 'GET /fields HTTP/1.1\nHost: gate.test\nX-A: b\n\n'],
    ['after the request line', 'GET /fields HTTP/1.1\nHost: gate.test\r\n\r\n'],
    ['after a field', 'GET /fields HTTP/1.1\r\nHost: gate.test\nX-A: b\r\n\r\n'],
    ['as the empty line', 'GET /fields HTTP/1.1\r\nHost: gate.test\r\n\n'],
    ['inside a value', 'GET /fields HTTP/1.1\r\nHost: gate.test\r\nX-A: b\nX-B: c\r\n\r\n'],
  ] as const) {
    row('B07-bare-lf', async () => void (await lab.attack(bytes)), what);
  }

  const names: readonly [id: string, line: string][] = [
    ['B08-empty-name', ': x'],
    ['B08-empty-name', ':'],
    ['B09-no-colon', 'X-Bad'],
    ['B09-no-colon', 'GET /x HTTP/1.1'],
    ['B10-bracket-name', 'X[bad]: 1'],
    ['B10-bracket-name', '[x]: 1'],
    ['B10-bracket-name', 'X(bad): 1'],
    ['B10-bracket-name', 'X"bad": 1'],
    ['B11-nonascii-name', 'X-B\xe9d: 1'],
    ['B11-nonascii-name', 'Conte\xf1t-Length: 1'],
    ['B12-name-nul', 'X-B\x00d: 1'],
    ['B13-name-tab', 'X\tbad: 1'],
    ['B13-name-tab', 'X bad: 1'],
  ];
  for (const [id, line] of names) {
    row(
      id,
      async () => {
        const { forwarded } = await lab.attack(get(line, 'X-Good: 1'));
        for (const request of forwarded) {
          expect(values(request, 'x-good')).toEqual(['1']);
          expect(request.fields.map((field) => field.name.toLowerCase()).join()).not.toContain('bad');
        }
      },
      JSON.stringify(line),
    );
  }

  for (const tail of ['\r\n\rX', '\r\n\rGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n', '\r\n\r\rX-A: b\r\n\r\n']) {
    row('B14-crcrX', () => lab.refused(`GET /fields HTTP/1.1\r\nHost: gate.test${tail}`), JSON.stringify(tail));
  }

  row('B16-obs-text', async () => {
    const octets = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 128 + i));
    const { forwarded } = await lab.attack(get(`X-Obs: a${octets}b`));
    for (const request of forwarded) expect(values(request, 'x-obs')).toEqual([`a${octets}b`]);
  });

  row('B17-proto', async () => {
    const names = [
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'toString',
      'prototype',
      'valueOf',
      '__defineGetter__',
    ];
    const { forwarded } = await lab.attack(get(...names.map((name) => `${name}: polluted`)));
    for (const request of forwarded) {
      for (const field of request.fields) if (names.includes(field.name)) expect(field.value).toBe('polluted');
    }
  });

  row('B18-order', async () => {
    const request = await lab.served(get('X-Order: 1', 'X-Else: a', 'x-order: 2', 'X-ORDER: 3'));
    expect(values(request, 'x-order').join().replaceAll(' ', '')).toBe('1,2,3');
  });

  row('B19-cookies', async () => {
    const request = await lab.served(get('Cookie: a=1; b=2', 'X-Else: a', 'Cookie: c=3'));
    expect(values(request, 'cookie').join('; ')).toBe('a=1; b=2; c=3');
  });

  row(
    'B19-cookies',
    async () => {
      const request = await lab.served(get('Cookie:', 'Cookie: a=1', 'Cookie: ', 'Cookie: b=2'));
      expect(values(request, 'cookie')).toEqual(['a=1; b=2']);
    },
    'without a cookie in some of the lines',
  );

  for (const line of ['X-Empty:', 'X-Empty: ', 'X-Empty:\t \t']) {
    row(
      'B20-empty-value',
      async () => expect(values(await lab.served(get(line)), 'x-empty')).toEqual(['']),
      JSON.stringify(line),
    );
  }
});

describe('B. Size', () => {
  row('B21-hdr-64k', () => lab.refused(get(`X-Large: ${'a'.repeat(128 * 1024)}`), 431, 400));

  row(
    'B21-hdr-64k',
    () => lab.refused(get(...Array.from({ length: 60 }, (_, i) => `X-${i}: ${'a'.repeat(1024)}`)), 431, 400),
    '60 fields of 1 KiB',
  );

  row('B21-hdr-64k', () => lab.refused(get(`X-${'a'.repeat(128 * 1024)}: 1`), 431, 400), 'in the name');

  row('B22-hdr-5000', () => lab.refused(get(...Array.from({ length: 5_000 }, (_, i) => `X-${i}: 1`)), 431, 400));

  row('B23-uri-100k', () =>
    lab.refused(head(`GET /${'a'.repeat(100_000)} HTTP/1.1`, 'Host: gate.test'), 414, 431, 400),
  );

  row('B23-uri-100k', () => lab.refused(`GET /${'a'.repeat(100_000)}`, 414, 431, 400), 'never ended');

  row('B24-uri-8000', async () => {
    const target = `/${'a'.repeat(3_999)}?${'b'.repeat(3_999)}`;
    const request = await lab.served(head(`GET ${target} HTTP/1.1`, 'Host: gate.test'));
    expect(request.target).toBe(target);
  });
});
