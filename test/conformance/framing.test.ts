import { describe, expect } from 'vitest';
import { row, SMUGGLED, useLab, type Verdict } from '../support/lab.ts';
import { chunked, head, value, values } from '../support/message.ts';

const lab = useLab();

const post = (...fields: string[]): Buffer => head('POST /upload HTTP/1.1', 'Host: gate.test', ...fields);
const join = (...parts: (Buffer | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

/** A served message carried exactly this body. */
function expectBodyIfServed({ kind, forwarded }: Verdict, body: string): void {
  if (kind === 'served') expect(forwarded[0]?.body.bytes.toString('latin1')).toBe(body);
}

describe('A. Content-Length', () => {
  row('A01-cl-te', async () => {
    const verdict = await lab.attack(
      join(post('Content-Length: 6', 'Transfer-Encoding: chunked'), '0\r\n\r\n', SMUGGLED),
    );
    expectBodyIfServed(verdict, '');
    if (verdict.kind === 'served') await verdict.client.readUntilClosed();
  });

  row('A02-te-cl', async () => {
    const body = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
    const verdict = await lab.attack(join(post('Transfer-Encoding: chunked', 'Content-Length: 4'), body, SMUGGLED));
    expectBodyIfServed(verdict, SMUGGLED);
    if (verdict.kind === 'served') await verdict.client.readUntilClosed();
  });

  const invalid: readonly [id: string, ...fields: string[]][] = [
    ['A03-cl-dup-diff', 'Content-Length: 5', 'Content-Length: 6'],
    ['A03-cl-dup-diff', 'Content-Length: 0', 'Content-Length: 5'],
    ['A03-cl-dup-diff', 'Content-Length: 5', 'X-Between: 1', 'CONTENT-LENGTH: 05'],
    ['A04-cl-list-diff', 'Content-Length: 5, 6'],
    ['A04-cl-list-diff', 'Content-Length: 6,5'],
    ['A05-cl-plus', 'Content-Length: +5'],
    ['A06-cl-minus', 'Content-Length: -5'],
    ['A06-cl-minus', 'Content-Length: -0'],
    ['A07-cl-hex', 'Content-Length: 0x5'],
    ['A08-cl-sp-inside', 'Content-Length: 5 5'],
    ['A08-cl-sp-inside', 'Content-Length: 0\t5'],
    ['A09-cl-exp', 'Content-Length: 5e0'],
    ['A10-cl-dec', 'Content-Length: 5.0'],
    ['A11-cl-empty', 'Content-Length:'],
    ['A11-cl-empty', 'Content-Length: \t '],
    ['A12-cl-comma-suffix', 'Content-Length: 5,'],
    ['A12-cl-comma-suffix', 'Content-Length: ,5'],
    ['A13-cl-overflow', 'Content-Length: 18446744073709551621'],
    ['A13-cl-overflow', 'Content-Length: 9223372036854775813'],
    ['A13-cl-overflow', `Content-Length: ${'9'.repeat(400)}`],
    ['A14-cl-vt', 'Content-Length: \x0b5'],
    ['A14-cl-vt', 'Content-Length: 5\x0c'],
    ['A15-cl-nul', 'Content-Length: 5\x00'],
    ['A16-cl-underscore', 'Content-Length: 0_5'],
    ['A17-cl-alpha', 'Content-Length: 5a'],
    ['A17-cl-alpha', 'Content-Length: a'],
    ['A17-cl-alpha', 'Content-Length: \xb2'],
  ];
  for (const [id, ...fields] of invalid) {
    row(
      id,
      () => lab.refused(join(post(...fields), 'hello', SMUGGLED)),
      JSON.stringify(fields.join(' / ').slice(0, 60)),
    );
  }

  for (const [id, ...fields] of [
    ['A18-cl-dup-same', 'Content-Length: 5', 'Content-Length: 5'],
    ['A19-cl-list-same', 'Content-Length: 5, 5'],
  ] as const) {
    row(id, async () => {
      const verdict = await lab.attack(join(post(...fields), 'hello'));
      expectBodyIfServed(verdict, 'hello');
      if (verdict.kind === 'served')
        expect(values(verdict.forwarded[0] ?? { fields: [] }, 'content-length')).toEqual(['5']);
    });
  }
});

describe('A. Transfer-Encoding', () => {
  const variants: readonly [id: string, ...lines: string[]][] = [
    ['A20-te-not-final', 'Transfer-Encoding: chunked, identity'],
    ['A20-te-not-final', 'Transfer-Encoding: chunked, gzip'],
    ['A20-te-not-final', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    ['A21-te-unknown', 'Transfer-Encoding: xchunked'],
    ['A21-te-unknown', 'Transfer-Encoding: identity'],
    ['A21-te-unknown', 'Transfer-Encoding: chunke'],
    ['A22-te-double', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['A22-te-double', 'Transfer-Encoding: chunked, chunked'],
    ['A23-te-gzip-chunked', 'Transfer-Encoding: gzip, chunked'],
    ['A23-te-gzip-chunked', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'],
    ['A24-te-quoted', 'Transfer-Encoding: "chunked"'],
    ['A24-te-quoted', "Transfer-Encoding: 'chunked'"],
    ['A25-te-param', 'Transfer-Encoding: chunked;q=1'],
    ['A26-te-vtab', 'Transfer-Encoding: \x0bchunked'],
    ['A26-te-vtab', 'Transfer-Encoding:\x0cchunked'],
    ['A27-te-nul', 'Transfer-Encoding: chunked\x00'],
    ['A27-te-nul', 'Transfer-Encoding: \x00chunked'],
    ['A28-te-empty', 'Transfer-Encoding:'],
    ['A28-te-empty', 'Transfer-Encoding: ,chunked'],
    ['A29-te-sp-colon', 'Transfer-Encoding : chunked'],
    ['A29-te-sp-colon', 'Transfer-Encoding\t: chunked'],
    ['A30-te-obs-fold', 'Transfer-Encoding:\r\n chunked'],
    ['A30-te-obs-fold', 'X-Other: a\r\n Transfer-Encoding: chunked'],
    ['A31-te-ff', 'Transfer-Encoding: \xffchunked'],
    ['A31-te-ff', 'Transfer-Encoding: chunked\xa0'],
  ];
  const body = `0\r\n\r\n${SMUGGLED}`;
  for (const [id, ...lines] of variants) {
    const shown = JSON.stringify(lines.join(' / '));
    row(id, async () => void (await lab.attack(join(post(...lines), body))), shown);
    row(
      id,
      async () => {
        const verdict = await lab.attack(join(post(`Content-Length: ${body.length}`, ...lines), body));
        if (verdict.kind === 'served') expect(verdict.forwarded[0]?.body.framing).not.toBe('none');
      },
      `${shown} with Content-Length`,
    );
  }

  row('A32-te-http10', async () => {
    const request = head(
      'POST /upload HTTP/1.0',
      'Host: gate.test',
      'Connection: keep-alive',
      'Transfer-Encoding: chunked',
    );
    const verdict = await lab.attack(join(request, '0\r\n\r\n', SMUGGLED));
    await verdict.client.readUntilClosed();
  });

  for (const coding of ['ChUnKeD', 'CHUNKED', 'chunkeD  ']) {
    row(
      'A33-te-case',
      async () => {
        const request = await lab.served(join(post(`Transfer-Encoding: ${coding}`), chunked('he', 'llo')));
        expect(request.body.bytes.toString()).toBe('hello');
      },
      coding.trim(),
    );
  }
});

describe('A. Chunks', () => {
  const malformed: readonly [id: string, body: string][] = [
    ['A34-chunk-size-0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['A34-chunk-size-0x', '5\r\nhello\r\n0x0\r\n\r\n'],
    ['A35-chunk-size-neg', '-5\r\nhello\r\n0\r\n\r\n'],
    ['A35-chunk-size-neg', '5\r\nhello\r\n-0\r\n\r\n'],
    ['A36-chunk-size-plus', '+5\r\nhello\r\n0\r\n\r\n'],
    ['A37-chunk-size-underscore', '0_5\r\nhello\r\n0\r\n\r\n'],
    ['A38-chunk-size-overflow', '10000000000000005\r\nhello\r\n0\r\n\r\n'],
    ['A38-chunk-size-overflow', '100000005\r\nhello\r\n0\r\n\r\n'.replace('100000005', `${'f'.repeat(16)}`)],
    ['A38-chunk-size-overflow', `1${'0'.repeat(32)}5\r\nhello\r\n0\r\n\r\n`],
    ['A39-chunk-size-empty', '\r\nhello\r\n0\r\n\r\n'],
    ['A39-chunk-size-empty', ';ext=1\r\nhello\r\n0\r\n\r\n'],
    ['A40-chunk-size-lead-sp', ' 5\r\nhello\r\n0\r\n\r\n'],
    ['A40-chunk-size-lead-sp', '\t5\r\nhello\r\n0\r\n\r\n'],
    ['A41-chunk-no-crlf-after-data', '5\r\nhello0\r\n\r\n'],
    ['A41-chunk-no-crlf-after-data', '5\r\nhello5\r\nworld\r\n0\r\n\r\n'],
    ['A42-chunk-spill', '5\r\nhelloX\r\n0\r\n\r\n'],
    ['A42-chunk-spill', '3\r\nhello\r\n0\r\n\r\n'],
    ['A43-chunk-bare-cr-term', '5\rXhello\r\n0\r\n\r\n'],
    ['A43-chunk-bare-cr-term', '5\rhello\r\n0\r\n\r\n'],
    ['A43-chunk-bare-cr-term', '5\r\nhello\rX0\r\n\r\n'],
    ['A44-chunk-ext-nul', '5;a\x00b\r\nhello\r\n0\r\n\r\n'],
    ['A45-chunk-ext-cr', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
    ['A45-chunk-ext-cr', '5;\r0\r\nhello\r\n0\r\n\r\n'],
    ['A46-chunk-double-crlf', '5\r\n\r\nhello\r\n0\r\n\r\n'],
    ['A46-chunk-double-crlf', '5\r\nhello\r\n\r\n0\r\n\r\n'],
  ];
  for (const [id, body] of malformed) {
    row(
      id,
      () => lab.refused(join(post('Transfer-Encoding: chunked'), body, SMUGGLED)),
      JSON.stringify(body.slice(0, 40)),
    );
  }

  const lenient: readonly [id: string, body: string][] = [
    ['A47-chunk-size-sp', '5 \r\nhello\r\n0\r\n\r\n'],
    ['A47-chunk-size-sp', '5\t;a\r\nhello\r\n0\r\n\r\n'],
    ['A48-chunk-lf-term', '5\nhello\r\n0\r\n\r\n'],
    ['A49-chunk-data-lf', '5\r\nhello\n0\r\n\r\n'],
    ['A50-chunk-ext-lf', '5;\nhello\r\n0\r\n\r\n'],
    ['A50-chunk-ext-lf', '5;a\nhello\r\n0\r\n\r\n'],
    ['A51-chunk-ext.term', `5;a\n\r\nhello\r\n0\r\n\r\n`],
    ['A52-chunk-final-lf', '5\r\nhello\r\n0\n\r\n'],
    ['A52-chunk-final-lf', '5\r\nhello\r\n0\r\n\n'],
    ['A53-chunk-trailer-lf', '5\r\nhello\r\n0\r\nX-T: a\n\r\n'],
    ['A54-chunk-ext-bare-semicolon', '5;\r\nhello\r\n0\r\n\r\n'],
    ['A54-chunk-ext-bare-semicolon', '5;;;\r\nhello\r\n0;\r\n\r\n'],
  ];
  for (const [id, body] of lenient) {
    const attack = async (): Promise<void> => {
      expectBodyIfServed(await lab.attack(join(post('Transfer-Encoding: chunked'), body)), 'hello');
    };
    row(id, attack, JSON.stringify(body));
  }

  for (const line of ['no field', 'X-T : a', 'X-T: a\r\n folded', ': a', 'Transfer-Encoding: gzip']) {
    const attack = (): Promise<void> =>
      lab.refused(join(post('Transfer-Encoding: chunked'), `5\r\nhello\r\n0\r\n${line}\r\n\r\n`, SMUGGLED), 400);
    row('A57-trailer-forbidden', attack, `malformed: ${JSON.stringify(line)}`);
  }

  row('A55-chunk-ext-ignored', async () => {
    const body = '5;name=value;q="a b"\r\nhello\r\n1;x\r\n!\r\n0;last=1\r\n\r\n';
    const request = await lab.served(join(post('Transfer-Encoding: chunked'), body));
    expect(request.body.bytes.toString()).toBe('hello!');
  });

  row('A56-chunk-ext-64k', async () => {
    const body = `5;${'a'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`;
    expectBodyIfServed(await lab.attack(join(post('Transfer-Encoding: chunked'), body)), 'hello');
  });

  row(
    'A56-chunk-ext-64k',
    async () => {
      const body = `${'1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n'.repeat(2_000)}0\r\n\r\n`;
      expectBodyIfServed(await lab.attack(join(post('Transfer-Encoding: chunked'), body)), 'x'.repeat(2_000));
    },
    '62 KiB of extensions, spread over chunks of one octet',
  );

  row('A57-trailer-forbidden', async () => {
    const forbidden = [
      'Content-Length: 1',
      'Host: evil.test',
      'X-Forwarded-For: 6.6.6.6',
      'Authorization: Basic ZXZpbA==',
    ];
    const body = `5\r\nhello\r\n0\r\n${forbidden.join('\r\n')}\r\n\r\n`;
    const { kind, forwarded } = await lab.attack(join(post('Transfer-Encoding: chunked'), body));
    if (kind === 'rejected') return;
    const request = forwarded[0];
    expect(request?.body.bytes.toString()).toBe('hello');
    expect(request && value(request, 'host')).toBe('gate.test');
    expect(request && value(request, 'authorization')).toBeUndefined();
    expect(request && values(request, 'x-forwarded-for').join()).not.toContain('6.6.6.6');
    expect(request?.body.trailers).toEqual([]);
  });
});

describe('A. Bodies where none is expected, and framing fields out of sight', () => {
  for (const [id, method] of [
    ['A58-body-on-GET', 'GET'],
    ['A59-body-on-HEAD', 'HEAD'],
    ['A60-body-on-DELETE', 'DELETE'],
    ['A61-body-on-OPTIONS', 'OPTIONS'],
  ] as const) {
    row(id, async () => {
      const target = await lab.target(async (request) => {
        if (await request.whole) request.send(head('HTTP/1.1 200 OK', 'Content-Length: 0'));
      });
      const client = await lab.send(
        head(`${method} /x HTTP/1.1`, 'Host: a', `Content-Length: ${SMUGGLED.length}`),
        SMUGGLED,
      );
      const answer = await client.readFinal({ method });
      if (answer.status >= 400) await client.readUntilClosed();
      await lab.probe(target);
      expect(target.requests.map((request) => request.target)).not.toContain('/smuggled');
      if (answer.status < 400) expect(target.requests[0]?.body.bytes.toString()).toBe(SMUGGLED);
    });
  }

  row('A62-get-chunked-body', async () => {
    const request = head('GET /x HTTP/1.1', 'Host: gate.test', 'Transfer-Encoding: chunked');
    expectBodyIfServed(await lab.attack(join(request, chunked(SMUGGLED))), SMUGGLED);
  });

  const filler = Array.from({ length: 2_100 }, (_, i) => `X${i}: 1`);
  for (const [id, method] of [
    ['A63-header-trunc-2100', 'POST'],
    ['A64-header-trunc-get', 'GET'],
  ] as const) {
    row(id, async () => {
      const request = head(`${method} /x HTTP/1.1`, 'Host: a', ...filler, `Content-Length: ${SMUGGLED.length}`);
      expectBodyIfServed(await lab.attack(join(request, SMUGGLED)), SMUGGLED);
    });
  }

  row('A65-connection-content-length', async () => {
    const verdict = await lab.attack(
      join(post('Connection: Content-Length', `Content-Length: ${SMUGGLED.length}`), SMUGGLED),
    );
    expectBodyIfServed(verdict, SMUGGLED);
  });

  row('A66-connection-te', async () => {
    const verdict = await lab.attack(
      join(post('Connection: Transfer-Encoding', 'Transfer-Encoding: chunked'), chunked(SMUGGLED)),
    );
    expectBodyIfServed(verdict, SMUGGLED);
  });

  for (const name of ['Transfer_Encoding', 'transfer_encoding', 'TRANSFER_ENCODING']) {
    row(
      'A67-underscore-te',
      async () => {
        const verdict = await lab.attack(join(post(`${name}: chunked`, 'Content-Length: 5'), '0\r\n\r\n'));
        expectBodyIfServed(verdict, '0\r\n\r\n');
        for (const request of verdict.forwarded) expect(value(request, 'transfer-encoding')).toBeUndefined();
      },
      name,
    );
  }

  row(
    'A67-underscore-te',
    async () => {
      const verdict = await lab.attack(join(post('Content_Length: 5', 'Content-Length: 3'), 'abc'));
      expectBodyIfServed(verdict, 'abc');
    },
    'Content_Length',
  );
});
