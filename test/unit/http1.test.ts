import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyReader } from '../../src/http1/body-reader.ts';
import { F } from '../../src/http1/fields.ts';
import { Head, REFUSED } from '../../src/http1/head.ts';
import { parseRequestHead } from '../../src/http1/request-parser.ts';
import { parseResponseHead } from '../../src/http1/response-parser.ts';
import { relayableTrailers } from '../../src/http1/trailers.ts';
import { FrameBoundary } from '../../src/proxy/upgrade/frame-boundary.ts';

const head = new Head(16);
const octets = (text: string): Buffer => Buffer.from(text, 'latin1');
const request = (text: string): number => parseRequestHead(head, octets(text), 0, text.length, 16);
const response = (text: string): number => parseResponseHead(head, octets(text), 0, text.length);

describe('parseRequestHead', () => {
  it('finds the parts of a request', () => {
    const text =
      'POST /a?b=c HTTP/1.1\r\nHost: example.com:80\r\nX-Any:  some value \r\nContent-Length: 5\r\n\r\nhello';
    expect(request(text)).toBe(text.length - 5);
    expect(head.buf.toString('latin1', head.targetStart, head.targetEnd)).toBe('/a?b=c');
    expect(head.buf.toString('latin1', head.hostStart, head.hostEnd)).toBe('example.com:80');
    expect(head.value(1)).toBe('some value');
    expect(head.contentLength).toBe(5);
    expect(head.has(F.contentLength)).toBe(true);
    expect(head.has(F.transferEncoding)).toBe(false);
  });

  it('is incomplete at every octet before the last, and then whole', () => {
    const text = '\r\nGET http://h/ HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, x\r\n\r\n';
    for (let end = 0; end < text.length; end++) expect(parseRequestHead(head, octets(text), 0, end, 16)).toBe(0);
    expect(request(text)).toBe(text.length);
    expect(head.absolute).toBe(true);
    expect(head.namesFields).toBe(true);
  });

  it('takes as many fields as it may, however many', () => {
    const small = new Head(4);
    const parse = (fields: number): number => {
      const text = `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(fields - 1)}\r\n`;
      return parseRequestHead(small, octets(text), 0, text.length, 500);
    };
    expect(parse(500)).toBeGreaterThan(0);
    expect(small.count).toBe(500);
    expect(small.value(499)).toBe('y');
    expect(parse(501)).toBe(REFUSED.tooManyFields);
  });

  it.each([
    ['GET / HTTP/1.1\nHost: a\r\n\r\n', REFUSED.syntax],
    ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', REFUSED.syntax],
    ['GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n', REFUSED.syntax],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', REFUSED.syntax],
    ['GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n', REFUSED.syntax],
    ['GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', REFUSED.syntax],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', REFUSED.version],
    ['GET / HTTP/1.2\r\nHost: a\r\n\r\n', REFUSED.version],
    ['GET / HTTP/1.1\r\n\r\n', REFUSED.host],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', REFUSED.host],
    ['GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', REFUSED.host],
    ['GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n', REFUSED.host],
    ['GET / HTTP/1.1\r\nHost: [::1\r\n\r\n', REFUSED.host],
    ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', REFUSED.method],
    ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', REFUSED.framing],
    ['POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', REFUSED.framing],
    ['POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', REFUSED.framing],
    ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n', REFUSED.framing],
    ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', REFUSED.framing],
  ])('refuses %j', (text, reason) => {
    expect(request(text)).toBe(reason);
  });

  it('marks names that only differ by an underscore from those it treats', () => {
    expect(request('GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nX_Mine: 1\r\n\r\n')).toBeGreaterThan(0);
    expect(head.chunked).toBe(false);
    expect([...head.ids.subarray(0, 3)]).toEqual([F.host, 255, 0]);
  });

  it('never throws and never claims more than it was given', () => {
    const piece = fc.constantFrom(
      'GET ',
      '/',
      ' HTTP/1.1',
      '\r\n',
      'Host: a',
      '\n',
      ':',
      ' ',
      '\t',
      '\0',
      'Content-Length: 1',
      'é',
      'x',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = pieces.join('');
        expect(request(text)).toBeLessThanOrEqual(text.length);
      }),
    );
  });
});

describe('parseResponseHead', () => {
  it.each([
    ['HTTP/1.1 200 OK\r\n\r\n', 200],
    ['HTTP/1.1 200 \r\n\r\n', 200],
    ['HTTP/1.1 200\r\n\r\n', 200],
    ['HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n', 404],
  ])('takes %j', (text, status) => {
    expect(response(text)).toBe(text.length);
    expect(head.status).toBe(status);
  });

  it.each([
    'HTTP/1.1 99 X\r\n\r\n',
    'HTTP/1.1 1000 X\r\n\r\n',
    'HTTP/1.1 abc X\r\n\r\n',
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'ICY 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ])('refuses %j', (text) => {
    expect(response(text)).toBeLessThan(0);
  });

  it('has room for many fields', () => {
    const fields = Array.from({ length: 300 }, (_, i) => `X-${i}: ${i}\r\n`).join('');
    expect(response(`HTTP/1.1 200 OK\r\n${fields}\r\n`)).toBeGreaterThan(0);
    expect(head.value(299)).toBe('299');
  });
});

/** Feeds `text` cut at `cuts`; returns the body, or null if it was refused. */
function readChunked(text: string, cuts: readonly number[]): { body: string; done: boolean; trailer: string } | null {
  const reader = new BodyReader();
  reader.reset('chunked');
  let body = '';
  const points = [...new Set(cuts.map((cut) => cut % text.length))].sort((a, b) => a - b);
  for (const [from, to] of [...points, text.length].map((to, i) => [i === 0 ? 0 : (points[i - 1] ?? 0), to] as const)) {
    const buf = octets(text.slice(from, to));
    if (reader.feed(buf, 0, buf.length) < 0) return null;
    for (let i = 0; i < reader.runCount; i++)
      body += buf.toString('latin1', reader.runs[2 * i], reader.runs[2 * i + 1]);
  }
  return { body, done: reader.done, trailer: reader.trailer.toString('latin1') };
}

describe('BodyReader', () => {
  it('reads chunks however they are cut', () => {
    const data = fc.array(
      fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom('a', '\r', '\n', '0', 'é') }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(data, fc.array(fc.nat(), { maxLength: 20 }), (parts, cuts) => {
        const text = `${parts.map((part) => `${part.length.toString(16)};ext=1\r\n${part}\r\n`).join('')}0\r\nX-T: 1\r\n\r\n`;
        expect(readChunked(text, cuts)).toEqual({ body: parts.join(''), done: true, trailer: 'X-T: 1\r\n' });
      }),
    );
  });

  it.each([
    '0x5\r\nhello\r\n0\r\n\r\n',
    '-5\r\nhello\r\n0\r\n\r\n',
    '+5\r\nhello\r\n0\r\n\r\n',
    ' 5\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '5\nhello\r\n0\r\n\r\n',
    '5\r\nhello0\r\n\r\n',
    '5\r\nhelloX\r\n0\r\n\r\n',
    '5\r\nhello\r\n\r\n0\r\n\r\n',
    '5;a\nhello\r\n0\r\n\r\n',
    '5;a\0\r\nhello\r\n0\r\n\r\n',
    'FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\n\n',
    '5\r\nhello\r\n0\r\nX: 1\n\r\n',
    '\r\n5\r\nhello\r\n0\r\n\r\n',
  ])('refuses %j', (text) => {
    expect(readChunked(text, [])).toBeNull();
    expect(
      readChunked(
        text,
        Array.from({ length: text.length }, (_, i) => i),
      ),
    ).toBeNull();
  });
});

describe('relayableTrailers', () => {
  it('keeps what may stand behind a body and drops what frames, routes or authenticates', () => {
    const section = 'X-Checksum: 1\r\nAuthorization: a\r\nHost: b\r\nX-Forwarded-For: c\r\nGrpc-Status: 0\r\n';
    expect(String(relayableTrailers(octets(section)))).toBe('X-Checksum: 1\r\nGrpc-Status: 0\r\n');
    expect(relayableTrailers(octets('Host: b\r\n'))).toBeNull();
    expect(relayableTrailers(octets('no colon\r\n'))).toBe('malformed');
    expect(relayableTrailers(octets('Content-Length: 5\r\n'))).toBeNull();
  });
});

describe('FrameBoundary', () => {
  it('is at a boundary exactly between frames', () => {
    const payload = (size: number): Buffer => {
      if (size < 126) return Buffer.concat([Buffer.from([0x82, size]), Buffer.alloc(size, 0x88)]);
      if (size < 65_536)
        return Buffer.concat([Buffer.from([0x82, 126, size >> 8, size & 255]), Buffer.alloc(size, 0x88)]);
      const header = Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
      header.writeUInt32BE(size, 6);
      return Buffer.concat([header, Buffer.alloc(size)]);
    };
    for (const size of [0, 1, 125, 126, 300, 70_000]) {
      const boundary = new FrameBoundary();
      const frame = payload(size);
      expect(boundary.atBoundary).toBe(true);
      boundary.feed(frame.subarray(0, 1));
      expect(boundary.atBoundary).toBe(false);
      boundary.feed(frame.subarray(1, frame.length - 1));
      expect(boundary.atBoundary).toBe(frame.length < 2);
      boundary.feed(frame.subarray(frame.length - 1));
      expect(boundary.atBoundary).toBe(true);
    }
  });
});
