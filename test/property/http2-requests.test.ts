import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Head, NO_LENGTH } from '../../src/http1/head.ts';
import { parseRequestHead } from '../../src/http1/request-parser.ts';
import { isMalformed, type RequestHead, requestHead } from '../../src/http2/request-head.ts';
import { fieldsOf } from '../support/readings.ts';

/**
 * Whatever field list becomes an HTTP/1.1 head is exactly one head for our parser, with the same fields; or the parser
 * refuses it. So no field list reaches a target as something else than what it was.
 */
const CASES = Number(process.env.FUZZ_CASES ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_125);
const MAX_FIELDS = 100;

type Field = readonly [name: string, value: string];

const nasty = fc.constantFrom(
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\x7f',
  '\xff',
  '_',
  'A',
  '0',
  '/',
  '#',
  '@',
);
const word = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,8}$/);
const text = fc.oneof(
  { weight: 12, arbitrary: word },
  { weight: 2, arbitrary: fc.string({ unit: fc.oneof(word, nasty), maxLength: 4 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
);
const treated = fc.constantFrom(
  'host',
  'cookie',
  'content-length',
  'content_length',
  'transfer-encoding',
  'transfer_encoding',
  'connection',
  'te',
  'upgrade',
  'expect',
  'trailer',
  'x-request-id',
  ':path',
  ':authority',
  ':method',
  ':scheme',
  ':protocol',
);
const value = fc.oneof(
  text,
  fc.constantFrom('trailers', 'chunked', '0', '5', '00', '5, 5', 'shop.test', 'close', '/', '*', 'http://x/', ''),
  fc.nat(1e6).map(String),
);
const field: fc.Arbitrary<Field> = fc.tuple(
  fc.oneof({ weight: 3, arbitrary: text }, { weight: 2, arbitrary: treated }),
  value,
);
const pseudo = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'CONNECT', 'PURGE') },
      text,
    ),
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom('http', 'https') }, { weight: 1, arbitrary: text }),
    fc.oneof(fc.constantFrom('shop.test', 'shop.test:8443', '[::1]:80', ''), text),
    fc.oneof(
      { weight: 3, arbitrary: text.map((path) => `/${path}`) },
      text,
      fc.constantFrom('*', '/', 'http://x/', '/a?b=c'),
    ),
  )
  .map(([method, scheme, authority, path]): Field[] => [
    [':method', method],
    [':scheme', scheme],
    [':authority', authority],
    [':path', path],
  ]);
const fieldList = fc
  .tuple(pseudo, fc.array(field, { maxLength: 6 }), fc.nat(20))
  .map(([first, rest, cut]) => [...first.filter((_, i) => i !== cut), ...rest]);

const head = new Head(MAX_FIELDS);

/** What is to come out, with the fields that the mapping writes in a place of its own taken apart. */
function expected(fields: readonly Field[], made: RequestHead, ends: boolean): { line: string; fields: string[] } {
  const of = (name: string): string | undefined => fields.find((entry) => entry[0] === name)?.[1];
  const crumbs = fields.filter(([name, crumb]) => name === 'cookie' && crumb !== '').map(([, crumb]) => crumb);
  const authority = of(':authority') ?? of('host');
  return {
    line: `${of(':method')} ${of(':path')}`,
    fields: [
      ...(authority === undefined ? [] : [`host: ${authority}`]),
      ...fields
        .filter(([name]) => name[0] !== ':' && name !== 'host' && name !== 'cookie')
        .map(([name, given]) => `${name}: ${given}`),
      ...(crumbs.length === 0 ? [] : [`cookie: ${crumbs.join('; ')}`]),
      ...(made.body === 'chunked' ? ['transfer-encoding: chunked'] : []),
      ...(ends && /^(POST|PUT|PATCH)$/.test(of(':method') ?? '') && of('content-length') === undefined
        ? ['content-length: 0']
        : []),
    ],
  };
}

describe('field lists of HTTP/2', () => {
  it('become one head of HTTP/1.1 with the same fields, or none', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fieldList, fc.boolean(), (fields, ends) => {
        const made = requestHead(fields.flat(), ends);
        if (isMalformed(made)) return;
        const bytes = Buffer.from(`${made.text}tail`, 'latin1');
        const end = parseRequestHead(head, bytes, 0, bytes.length, MAX_FIELDS);
        expect(end).not.toBe(0); // it never waits for more
        if (end < 0) return;
        accepted++;
        expect(end).toBe(made.text.length);
        const want = expected(fields, made, ends);
        expect(bytes.latin1Slice(head.start, head.targetEnd)).toBe(want.line);
        expect(fieldsOf(head)).toEqual(want.fields);
        expect(head.chunked).toBe(made.body === 'chunked');
        if (made.body === 'length') expect(head.contentLength).toBe(made.length);
        if (made.body === 'none') expect([0, NO_LENGTH]).toContain(head.contentLength);
      }),
      { numRuns: CASES, seed: SEED },
    );
    expect(accepted).toBeGreaterThan(CASES / 30); // or the generator has lost its point
  });
});
