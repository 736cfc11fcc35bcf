import { describe, expect, it } from 'vitest';
import { Head } from '../../src/http1/head.ts';
import { parseRequestHead } from '../../src/http1/request-parser.ts';
import { requestFields, trailerFields } from '../../src/http2/request-fields.ts';
import { readResponseFields } from '../../src/http2/response-head.ts';

const AS_IT_IS = { unsized: false, empty: false };

function read(fields: readonly string[], change = AS_IT_IS): string | null {
  const head = new Head(4);
  return readResponseFields(head, fields, change) ? head.buf.toString('latin1') : null;
}

describe('a response of HTTP/2 as a head of HTTP/1.1', () => {
  it('has its fields in their order, repeated ones and octets beyond ASCII included', () => {
    expect(read([':status', '200', 'a', '1', 'b', 'é', 'a', '2'])).toBe(
      'HTTP/1.1 200 OK\r\na: 1\r\nb: é\r\na: 2\r\n\r\n',
    );
  });

  it('is none when a field would be more than one, or end the head', () => {
    expect(read([':status', '200', 'a', '1\r\nb: 2'])).toBeNull();
    expect(read([':status', '200', 'a', '1\r\n\r\nHTTP/1.1 200 OK'])).toBeNull();
    expect(read([':status', '200', 'a: b\r\nc', '1'])).toBeNull();
    expect(read([':status', '200', 'a b', '1'])).toBeNull();
    expect(read([':status', '200 OK\r\na: 1\r\nb:', 'c', '1'])).toBeNull();
    expect(read(['a', '1'])).toBeNull();
  });

  it('has no length before trailers, and the length 0 where nothing follows', () => {
    const fields = [':status', '200', 'content-length', '5'];
    expect(read(fields, { unsized: true, empty: false })).toBe('HTTP/1.1 200 OK\r\n\r\n');
    expect(read([':status', '200'], { unsized: false, empty: true })).toContain('content-length: 0\r\n');
    expect(read(fields, { unsized: false, empty: true })).toContain('content-length: 5\r\n');
  });
});

describe('a request of HTTP/1.1 in fields of HTTP/2', () => {
  it('has Host as its authority, names in lower case, and no field of the connection', () => {
    const octets = Buffer.from(
      'GET /a?b HTTP/1.1\r\nHost: shop.test\r\nConnection: TE\r\nTE: trailers\r\nX-A: é\r\nUpgrade: x\r\nx-a: 2\r\n\r\n',
      'latin1',
    );
    const head = new Head(4);
    expect(parseRequestHead(head, octets, 0, octets.length, 0)).toBe(octets.length);
    const pseudo = [':method', 'GET', ':scheme', 'https', ':authority', 'shop.test', ':path', '/a?b'];
    expect(requestFields(head, 'https', false)).toEqual([...pseudo, 'x-a', 'é', 'x-a', '2']);
    expect(requestFields(head, 'https', true)).toEqual([...pseudo, 'x-a', 'é', 'x-a', '2', 'te', 'trailers']);
  });
});

describe('the lines of a trailer section in fields of HTTP/2', () => {
  it('are gathered by name, whatever the name', () => {
    const fields = trailerFields(Buffer.from('X-A: 1\r\n__proto__: 2\r\nconstructor: 3\r\nx-a: 4\r\n'));
    expect(Object.entries(fields)).toEqual([
      ['x-a', ['1', '4']],
      ['__proto__', ['2']],
      ['constructor', ['3']],
    ]);
  });
});
