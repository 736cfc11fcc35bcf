import { BodyReader } from '../../src/http1/body-reader.ts';
import { ByteWriter } from '../../src/http1/byte-writer.ts';
import { Head } from '../../src/http1/head.ts';
import { parseRequestHead } from '../../src/http1/request-parser.ts';
import { writeRequestHead } from '../../src/http1/request-writer.ts';
import { parseResponseHead } from '../../src/http1/response-parser.ts';
import { writeResponseHead } from '../../src/http1/response-writer.ts';
import { AccessLog } from '../../src/proxy/access-log.ts';
import { countAccepted, countAnswered, countOutcome } from '../../src/proxy/accounting.ts';
import { bucket } from '../../src/traffic/bucket.ts';
import { METHODS, SERVICE, UPSTREAM } from '../../src/traffic/ledger.ts';
import { WeightedPicker } from '../../src/traffic/weighted-picker.ts';
import { browserHeaders } from '../scenarios.ts';

/** One piece of the request path; `run` does it so many times. */
export interface Piece {
  readonly name: string;
  readonly run: (operations: number) => void;
}

const SMALL_REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n');
const BROWSER_REQUEST = Buffer.from(
  `GET /catalogue?page=3 HTTP/1.1\r\nHost: shop.example.com\r\n${Object.entries(browserHeaders())
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`,
);
const RESPONSE = Buffer.from(
  'HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n' +
    'Content-Length: 43\r\nConnection: keep-alive\r\n\r\n',
);
const FORWARDING = Buffer.from(
  'Via: 1.1 tealgate-0badc0de\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n' +
    'X-Forwarded-Host: shop.example.com\r\nForwarded: for=127.0.0.1;host=shop.example.com;proto=http\r\n',
);
const CHUNK = Buffer.from(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
const CHUNKED_BODY = Buffer.concat([CHUNK, CHUNK, CHUNK, CHUNK, Buffer.from('0\r\n\r\n')]);
const MAX_FIELDS = 100;

export const PIECES: readonly Piece[] = [
  parseRequest('parse a request, 1 field', SMALL_REQUEST),
  parseRequest('parse a request, 15 fields, 800 bytes', BROWSER_REQUEST),
  { name: 'parse a response', run: parseResponses },
  writeRequest('write a request head, 1 field', SMALL_REQUEST),
  writeRequest('write a request head, 15 fields', BROWSER_REQUEST),
  { name: 'write a response head', run: writeResponses },
  pick('pick one of 2 by weight', 2),
  pick('pick one of 5 by weight', 5),
  { name: 'bucket of a client key', run: hashKeys },
  { name: 'account for a request', run: account },
  { name: 'read a chunked body, 4 × 16 KiB', run: readChunked },
  { name: 'write an access line', run: writeAccessLines },
];

function parseRequest(name: string, request: Buffer): Piece {
  const head = new Head(128);
  return {
    name,
    run(operations) {
      for (let i = 0; i < operations; i++) expectEnd(parseRequestHead(head, request, 0, request.length, MAX_FIELDS));
    },
  };
}

function parseResponses(operations: number): void {
  const head = new Head(64);
  for (let i = 0; i < operations; i++) expectEnd(parseResponseHead(head, RESPONSE, 0, RESPONSE.length));
}

function writeRequest(name: string, request: Buffer): Piece {
  const head = new Head(128);
  const writer = new ByteWriter(64 * 1024);
  const rewrite = {
    suffix: FORWARDING,
    requestId: Buffer.from('X-Request-Id: 0badc0de-0kx1-'),
    requestNumber: 46_521,
    host: null,
    maxForwards: -1,
    chunked: false,
    expectContinue: false,
    upgrade: null,
  };
  return {
    name,
    run(operations) {
      expectEnd(parseRequestHead(head, request, 0, request.length, MAX_FIELDS));
      for (let i = 0; i < operations; i++) {
        writer.begin();
        writeRequestHead(writer, head, rewrite);
        expectEnd(writer.length);
      }
    },
  };
}

function writeResponses(operations: number): void {
  const head = new Head(64);
  const writer = new ByteWriter(64 * 1024);
  expectEnd(parseResponseHead(head, RESPONSE, 0, RESPONSE.length));
  const rewrite = { framing: 'raw', keepLength: true, close: false, date: null, extra: '' } as const;
  for (let i = 0; i < operations; i++) {
    writer.begin();
    writeResponseHead(writer, head, rewrite);
    expectEnd(writer.length);
  }
}

function pick(name: string, count: number): Piece {
  const items = Array.from({ length: count }, (_, i) => ({ item: i + 1, weight: i === 0 ? 95 : 5 }));
  const picker = new WeightedPicker(items);
  return {
    name,
    run(operations) {
      for (let i = 0; i < operations; i++) expectEnd(picker.next() ?? 0);
    },
  };
}

/** The keys are made beforehand: making text is not what is measured. */
const KEYS = Array.from({ length: 1024 }, (_, i) => `client-${i * 7919}`);

function hashKeys(operations: number): void {
  let sum = 0;
  for (let i = 0; i < operations; i++) sum += bucket(KEYS[i % KEYS.length] ?? '', 'shop/rollout-1');
  expectEnd(sum);
}

function account(operations: number): void {
  const service = new Float64Array(new SharedArrayBuffer(SERVICE.size * 8));
  const upstream = new Float64Array(new SharedArrayBuffer(UPSTREAM.size * 8));
  const get = METHODS.indexOf('GET');
  for (let i = 0; i < operations; i++) {
    countAccepted(service);
    countAnswered(upstream, get, 200, 1.5 + (i % 64) / 16, 1.25);
    countOutcome(service, 'ok');
  }
}

function readChunked(operations: number): void {
  const reader = new BodyReader();
  for (let i = 0; i < operations; i++) {
    reader.reset('chunked');
    expectEnd(reader.feed(CHUNKED_BODY, 0, CHUNKED_BODY.length));
  }
}

function writeAccessLines(operations: number): void {
  let bytes = 0;
  const log = new AccessLog('0badc0de-0kx1-', (lines) => {
    bytes += lines.length;
  });
  const entry = {
    givenId: null,
    client: '127.0.0.1',
    method: 'GET',
    host: 'shop.example.com',
    path: '/catalogue',
    status: 200,
    bytes: 1024,
    durationMs: 12.3456,
    upstreamMs: 12.0451,
    service: 'shop',
    upstream: 'blue',
    target: 'http://127.0.0.1:3000',
    retries: 0,
    outcome: 'ok',
  } as const;
  for (let number = 0; number < operations; number++) log.write({ ...entry, number });
  log.close();
  expectEnd(bytes);
}

/** A use of the result, so that nothing is optimised away, and a check that the piece did its work. */
function expectEnd(end: number): void {
  if (!(end > 0)) throw new Error('a piece of the micro benchmark failed');
}
