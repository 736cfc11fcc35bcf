import { describe, expect, it } from 'vitest';
import { isHttp2 } from '../../src/http2/preface.ts';
import { isMalformed, requestHead, trailerLines } from '../../src/http2/request-head.ts';

type Fields = readonly (readonly [name: string, value: string])[];

const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'shop.test'],
  [':path', '/a?b'],
];

function headOf(fields: Fields, ends = true): string {
  const head = requestHead(fields.flat(), ends);
  return isMalformed(head) ? `${head.status} ${head.detail}` : head.text;
}

/** GET with another value, or without the pseudo-header field. */
function but(name: string, value?: string): Fields {
  return GET.flatMap((field) => (field[0] !== name ? [field] : value === undefined ? [] : [[name, value] as const]));
}

describe('the HTTP/1.1 form of an HTTP/2 request', () => {
  it('has Host for :authority and keeps the fields in their order', () => {
    const fields: Fields = [...GET, ['b', '1'], ['a', '2 3'], ['b', ''], ['x-obs', '\xe9']];
    expect(headOf(fields)).toBe('GET /a?b HTTP/1.1\r\nhost: shop.test\r\nb: 1\r\na: 2 3\r\nb: \r\nx-obs: \xe9\r\n\r\n');
  });

  it('joins cookies that came in crumbs', () => {
    const fields: Fields = [...GET, ['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2'], ['cookie', 'c=3']];
    expect(headOf(fields)).toBe('GET /a?b HTTP/1.1\r\nhost: shop.test\r\nx: y\r\ncookie: a=1; b=2; c=3\r\n\r\n');
  });

  it('takes Host where there is no :authority, and one of them where they agree', () => {
    const only = 'GET /a?b HTTP/1.1\r\nhost: shop.test\r\n\r\n';
    expect(headOf([...but(':authority'), ['host', 'shop.test']])).toBe(only);
    expect(headOf([...GET, ['host', 'SHOP.test']])).toBe(only);
  });

  it('announces a body by its length, or else in chunks', () => {
    const put = but(':method', 'PUT');
    expect(requestHead([...put, ['content-length', '3']].flat(), false)).toEqual({
      text: 'PUT /a?b HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 3\r\n\r\n',
      body: 'length',
      length: 3,
    });
    expect(headOf(put, false)).toContain('\r\ntransfer-encoding: chunked\r\n\r\n');
    expect(headOf(put, true)).toContain('\r\ncontent-length: 0\r\n\r\n');
    expect(headOf(GET, true)).not.toContain('content-length');
  });

  it('keeps TE that asks for trailers', () => {
    expect(headOf([...GET, ['te', 'trailers']])).toContain('te: trailers\r\n');
  });

  it.each<[string, Fields]>([
    ['no :method', but(':method')],
    ['no :scheme', but(':scheme')],
    ['no :path', but(':path')],
    ['an empty :path', but(':path', '')],
    ['an empty :method', but(':method', '')],
    ['a :path that is an absolute form', but(':path', 'http://shop.test/')],
    ['a :path with a space', but(':path', '/a b')],
    ['a :path with a line feed', but(':path', '/a\nb')],
    ['a :path with a carriage return', but(':path', '/a\rb')],
    ['a :path with NUL', but(':path', '/a\0b')],
    ['a :method with a line feed', but(':method', 'GET\n')],
    ['a :method with a space', but(':method', 'GET /x')],
    ['a :scheme that is not HTTP', but(':scheme', 'ftp')],
    ['an :authority with a line feed', but(':authority', 'shop.test\nx: y')],
    ['a second :path', [...GET, [':path', '/']]],
    ['a second :method', [...GET, [':method', 'GET']]],
    ['a second :authority', [...GET, [':authority', 'shop.test']]],
    ['a pseudo-header field of responses', [...GET, [':status', '200']]],
    ['an extended CONNECT', [...GET, [':protocol', 'websocket']]],
    ['a pseudo-header field behind others', [['x', 'y'], ...GET]],
    ['a Host that differs', [...GET, ['host', 'other.test']]],
    ['a second Host', [...GET, ['host', 'shop.test'], ['host', 'shop.test']]],
    ['Connection', [...GET, ['connection', 'close']]],
    ['Transfer-Encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['Keep-Alive', [...GET, ['keep-alive', 'timeout=5']]],
    ['Proxy-Connection', [...GET, ['proxy-connection', 'close']]],
    ['Upgrade', [...GET, ['upgrade', 'h2c']]],
    ['TE with more than trailers', [...GET, ['te', 'trailers, gzip']]],
    ['a name in upper case', [...GET, ['X', 'y']]],
    ['an empty name', [...GET, ['', 'y']]],
    ['a name with a colon', [...GET, ['x:y', 'z']]],
    ['a name with a space', [...GET, ['x ', 'y']]],
    ['a name with a line feed', [...GET, ['x\n', 'y']]],
    ['a name of other octets', [...GET, ['\xe9', 'y']]],
    ['a value with a line feed', [...GET, ['x', 'y\nz']]],
    ['a value with a carriage return', [...GET, ['x', 'y\rz']]],
    ['a value with NUL', [...GET, ['x', 'y\0z']]],
    ['a value that begins with a space', [...GET, ['x', ' y']]],
    ['a value that ends with a tab', [...GET, ['x', 'y\t']]],
    ['two lengths', [...GET, ['content-length', '0'], ['content-length', '0']]],
    ['a length that is no number', [...GET, ['content-length', '+1']]],
    ['a length without a body', [...GET, ['content-length', '5']]],
  ])('is refused for %s', (_, fields) => {
    expect(headOf(fields)).toMatch(/^400 /);
  });

  it('is refused for CONNECT, which has neither scheme nor path', () => {
    expect(
      headOf([
        [':method', 'CONNECT'],
        [':authority', 'shop.test:80'],
      ]),
    ).toBe('405 CONNECT is not served');
  });
});

describe('trailers of an HTTP/2 request', () => {
  it('become whole lines', () => {
    expect(trailerLines(['x-a', '1', 'x-b', '2'])).toBe('x-a: 1\r\nx-b: 2\r\n');
  });

  it.each([
    ['a pseudo-header field', [':path', '/']],
    ['a line feed', ['x', 'y\nz: 1']],
    ['Transfer-Encoding', ['transfer-encoding', 'chunked']],
  ])('are refused for %s', (_, fields) => {
    expect(trailerLines(fields)).toMatchObject({ status: 400 });
  });
});

describe('the preface', () => {
  const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

  it('is known once it is whole, and once it cannot be it', () => {
    for (let i = 1; i < PREFACE.length; i++) expect(isHttp2(Buffer.from(PREFACE.slice(0, i)))).toBe(null);
    expect(isHttp2(Buffer.from(PREFACE))).toBe(true);
    expect(isHttp2(Buffer.from(`${PREFACE}more`))).toBe(true);
    expect(isHttp2(Buffer.from('POST / HTTP/1.1\r\n'))).toBe(false);
    expect(isHttp2(Buffer.from('PRI * HTTP/1.1\r\n'))).toBe(false);
  });
});
