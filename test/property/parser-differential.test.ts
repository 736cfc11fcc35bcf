import { createServer, type IncomingMessage, METHODS, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BodyReader } from '../../src/http1/body-reader.ts';
import { Head, NO_LENGTH } from '../../src/http1/head.ts';
import { parseRequestHead } from '../../src/http1/request-parser.ts';
import { keepInCorpus, mutate, readCorpus } from '../support/corpus.ts';
import { excerpt } from '../support/inbox.ts';
import { generateRequest, hasFramingTrailer, Random } from '../support/message-generator.ts';
import { dataOf, fieldsOf, linesOf, trailersOf } from '../support/readings.ts';

/**
 * Whatever our parser accepts, Node's own (llhttp, strict) must accept with the same method, target, fields and body:
 * then no server behind the gate that reads like it can see another message than we did. `FUZZ_CASES` sets how many
 * messages are tried, `FUZZ_SEED` which.
 */
const CASES = Number(process.env.FUZZ_CASES ?? 3_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_122);
/** Accepted messages sent on one connection of the reference server. */
const BATCH = 400;
const MAX_FIELDS = 100;

interface Reading {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** `name: value` lines in order, octets as Latin-1. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

interface Accepted {
  /** Exactly the octets that our parser took for one message. */
  readonly bytes: Buffer;
  readonly reading: Reading;
  /** The reference server will close behind it. */
  readonly last: boolean;
}

const head = new Head(MAX_FIELDS);
const reader = new BodyReader();

/** What our wire layer makes of the bytes; null where it refuses them or waits for more. */
function readOurs(bytes: Buffer): Accepted | null {
  const end = parseRequestHead(head, bytes, 0, bytes.length, MAX_FIELDS);
  if (end <= 0) return null;
  const framing = head.chunked ? 'chunked' : head.contentLength === NO_LENGTH ? 'none' : 'length';
  reader.reset(framing, Math.max(head.contentLength, 0));
  const behind = reader.feed(bytes, end, bytes.length);
  if (behind < 0 || !reader.done) return null;
  const trailers = trailersOf(reader);
  if (trailers === null || hasFramingTrailer(trailers)) return null;
  const text = (from: number, to: number): string => bytes.toString('latin1', from, to);
  const fields = fieldsOf(head);
  const method = text(head.start, head.methodEnd);
  // The target as it was given: of an absolute form, checkTarget has moved its start behind the authority.
  const targetStart = head.methodEnd + 1;
  return {
    bytes: bytes.subarray(head.start, behind),
    reading: {
      method,
      target: text(targetStart, head.targetEnd),
      version: `1.${head.minor}`,
      fields,
      body: dataOf(reader, bytes),
      trailers,
    },
    last: head.close || head.minor === 0 || head.upgradeToken || closesElsewhere([...fields, ...trailers]),
  };
}

/** llhttp also heeds `close` in Proxy-Connection, and in trailers; we remove the one and the other. */
function closesElsewhere(lines: readonly string[]): boolean {
  return lines.some((line) => /^(proxy-)?connection:/i.test(line) && /close/i.test(line));
}

describe('our request parser against the one of node:http', () => {
  let server: Server;
  let port = 0;
  /** What the reference server read, in order, of the connection in hand. */
  let readings: Reading[] = [];
  let onReading = (): void => {};

  beforeAll(async () => {
    const read = (request: IncomingMessage, response: ServerResponse): void => {
      const parts: Buffer[] = [];
      request.on('data', (chunk: Buffer) => parts.push(chunk));
      request.on('end', () => {
        readings.push(readingOf(request, Buffer.concat(parts)));
        response.writeHead(204).end();
        onReading();
      });
    };
    server = createServer({ insecureHTTPParser: false, maxHeaderSize: 1 << 20, keepAliveTimeout: 60_000 }, read);
    server.on('checkContinue', read);
    server.on('checkExpectation', read);
    server.maxHeadersCount = 0;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  /**
   * Sends messages on one connection, and behind them one that makes the server close, unless the last of them does that
   * or leaves HTTP; resolves with all that it read of them.
   */
  async function readByNode(messages: readonly Accepted[]): Promise<Reading[]> {
    readings = [];
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    // A server that waits for more than we sent has read another framing: it must not keep us.
    const stuck = setTimeout(() => socket.destroy(), 5_000);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const ends = messages.at(-1)?.last === true;
    onReading = () => {
      stuck.refresh();
      if (ends && readings.length === messages.length) socket.destroySoon();
    };
    socket.write(Buffer.concat([...messages.map(forReference), ends ? NOTHING : LAST]));
    socket.resume();
    await closed;
    clearTimeout(stuck);
    if (readings.at(-1)?.target === '/last') readings.pop();
    return readings;
  }

  async function check(messages: readonly Accepted[]): Promise<void> {
    const theirs = await readByNode(messages);
    const same =
      messages.every((message, i) => isSame(message.reading, theirs[i])) && theirs.length === messages.length;
    if (same) return;
    // Find the one at fault, each on a connection of its own.
    for (const message of messages) {
      const alone = await readByNode([message]);
      if (!isSame(message.reading, alone[0]) || alone.length !== 1) keepInCorpus('requests', message.bytes);
      expect(alone, `of ${excerpt(message.bytes, 2_000)}`).toEqual([forComparison(message.reading)]);
    }
    throw new Error(
      `the readings differ only in sequence: ${excerpt(Buffer.concat(messages.map(forReference)), 5_000)}`,
    );
  }

  it(`accepts nothing that it reads differently (${CASES} messages, seed ${SEED})`, {
    timeout: Math.max(300_000, CASES),
  }, async () => {
    const random = new Random(SEED);
    let accepted = 0;
    let batch: Accepted[] = [];
    for (let i = 0; i < CASES; i++) {
      const message = readOurs(generateRequest(random));
      if (message === null) continue;
      accepted++;
      batch.push(message);
      if (batch.length < BATCH && !message.last) continue;
      await check(batch);
      batch = [];
    }
    await check(batch);
    // A generator that is refused throughout, or never, would test nothing.
    expect(accepted / CASES).toBeGreaterThan(0.2);
    expect(accepted / CASES).toBeLessThan(0.8);
  });

  it('accepts nothing that it reads differently of what parsers are known to disagree on, and of what is near to it', {
    timeout: Math.max(300_000, CASES),
  }, async () => {
    const corpus = readCorpus('requests');
    const random = new Random(SEED + 2);
    let batch: Accepted[] = [];
    for (let i = 0; i < corpus.length + CASES; i++) {
      const message = readOurs(corpus[i] ?? mutate(random.of(corpus), random));
      if (message === null) continue;
      batch.push(message);
      if (batch.length < BATCH && !message.last) continue;
      await check(batch);
      batch = [];
    }
    await check(batch);
  });

  it('reads the same whatever segments a message comes in', () => {
    const random = new Random(SEED + 1);
    for (let i = 0; i < Math.min(CASES, 5_000); i++) {
      const message = readOurs(generateRequest(random));
      if (message === null) continue;
      const { bytes, reading } = message;
      const headEnd = bytes.indexOf('\r\n\r\n') + 4;
      for (let n = 0; n < 3; n++) {
        const cut = random.below(headEnd);
        expect(parseRequestHead(head, bytes, 0, cut, MAX_FIELDS), excerpt(bytes.subarray(0, cut), 2_000)).toBe(0);
      }
      expect(bodyInSegments(bytes, headEnd, random)).toBe(reading.body);
    }
  });

  function bodyInSegments(bytes: Buffer, headEnd: number, random: Random): string {
    parseRequestHead(head, bytes, 0, bytes.length, MAX_FIELDS);
    const framing = head.chunked ? 'chunked' : head.contentLength === NO_LENGTH ? 'none' : 'length';
    reader.reset(framing, Math.max(head.contentLength, 0));
    let body = '';
    for (let at = headEnd; at < bytes.length && !reader.done; ) {
      const segment = bytes.subarray(at, at + 1 + random.below(7));
      const end = reader.feed(segment, 0, segment.length);
      expect(end, excerpt(bytes, 2_000)).toBe(segment.length);
      body += dataOf(reader, segment);
      at += segment.length;
    }
    expect(reader.done, excerpt(bytes, 2_000)).toBe(true);
    return body;
  }
});

const NOTHING = Buffer.alloc(0);
const LAST = Buffer.from('GET /last HTTP/1.1\r\nHost: last.test\r\nConnection: close\r\n\r\n');
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

/** Node refuses methods it has no name for; we forward any token. The rest of such a message is compared under GET. */
function forReference({ bytes, reading }: Accepted): Buffer {
  if (KNOWN_METHODS.has(reading.method)) return bytes;
  return Buffer.concat([Buffer.from('GET'), bytes.subarray(reading.method.length)]);
}

function forComparison(reading: Reading): Reading {
  return KNOWN_METHODS.has(reading.method) ? reading : { ...reading, method: 'GET' };
}

function isSame(ours: Reading, theirs: Reading | undefined): boolean {
  return theirs !== undefined && JSON.stringify(forComparison(ours)) === JSON.stringify(theirs);
}

function readingOf(request: IncomingMessage, body: Buffer): Reading {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    version: request.httpVersion,
    fields: linesOf(request.rawHeaders),
    body: body.toString('latin1'),
    trailers: linesOf(request.rawTrailers),
  };
}
