import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonBody } from '../../src/admin/json-body.ts';

const parse = (text: string | Buffer) => parseJsonBody(Buffer.from(text));

describe('a request body', () => {
  it('is read as JSON; nothing at all is undefined', () => {
    expect(parse('{"blue": 95, "käse": [1, "[[[", "\\"{"]}')).toEqual({ blue: 95, käse: [1, '[[[', '"{'] });
    expect(parse('')).toBeUndefined();
  });

  it.each([
    ['{"a": 1', /not JSON/],
    ['{a: 1}', /not JSON/],
    ['{"a": 1}x', /not JSON/],
    ['NaN', /not JSON/],
    ['{"__proto__": {"role": "operator"}}', /__proto__/],
    ['{"a": [{"constructor": {"prototype": {}}}]}', /constructor/],
    ['{"prototype": []}', /prototype/],
    ['{"\\u005f_proto__": 1}', /__proto__/],
    ['['.repeat(30_000), /deeper than 32/],
    ['{"a":'.repeat(10_000), /deeper than 32/],
    [Buffer.from([0x22, 0xff, 0xfe, 0x22]), /not UTF-8/],
    [Buffer.from([0x22, 0xc0, 0xaf, 0x22]), /not UTF-8/],
  ])('%j is refused', (text, message) => {
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  it('may give a weight to an upstream of any name that the configuration allows', () => {
    expect(parse('{"constructor": 5, "prototype": 95}')).toEqual({ constructor: 5, prototype: 95 });
  });

  it('may be any JSON value that is not too deep', () => {
    const key = fc.string().filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, fc.string(), fc.integer(), fc.boolean(), tie('array'), tie('object')),
      array: fc.array(tie('value'), { maxLength: 4 }),
      object: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    }));
    fc.assert(
      fc.property(value, (expected) => {
        expect(parse(JSON.stringify(expected))).toEqual(expected);
      }),
      { numRuns: 200, seed: 7 },
    );
  });
});
