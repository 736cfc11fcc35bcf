import { Agent, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BodyReader, type Framing } from '../../src/http1/body-reader.ts';
import { Head, NO_LENGTH } from '../../src/http1/head.ts';
import { parseResponseHead, REASON_OFFSET } from '../../src/http1/response-parser.ts';
import { keepInCorpus, mutate, readCorpus } from '../support/corpus.ts';
import { excerpt } from '../support/inbox.ts';
import { generateResponse, hasFramingTrailer, Random } from '../support/message-generator.ts';
import { dataOf, fieldsOf, linesOf, trailersOf } from '../support/readings.ts';

/** As parser-differential.test.ts, for responses: what we accept of a target, Node's client reads alike. */
const CASES = Number(process.env.FUZZ_CASES ?? 2_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_123);
const CONNECTIONS = 4;

interface Reading {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

interface Accepted {
  readonly bytes: Buffer;
  readonly reading: Reading;
  /** The end of the connection is the end of the body. */
  readonly byClose: boolean;
}

const head = new Head(8);
const reader = new BodyReader();

function readOurs(bytes: Buffer): Accepted | null {
  const end = parseResponseHead(head, bytes, 0, bytes.length);
  if (end <= 0 || head.status < 200) return null;
  const framing = framingOf(head);
  reader.reset(framing, Math.max(head.contentLength, 0));
  const behind = reader.feed(bytes, end, bytes.length);
  if (behind < 0 || (!reader.done && framing !== 'close')) return null;
  const trailers = trailersOf(reader);
  if (trailers === null || hasFramingTrailer(trailers)) return null;
  const reason = bytes.toString('latin1', head.start + REASON_OFFSET, head.fieldsStart - 2).replace(/^ /, '');
  return {
    bytes: bytes.subarray(0, behind),
    reading: { status: head.status, reason, fields: fieldsOf(head), body: dataOf(reader, bytes), trailers },
    byClose: framing === 'close',
  };
}

/** RFC 9112 §6.3, for a GET. */
function framingOf(response: Head): Framing {
  if (response.status === 204 || response.status === 304) return 'none';
  if (response.chunked) return 'chunked';
  return response.contentLength === NO_LENGTH ? 'close' : 'length';
}

describe('our response parser against the one of node:http', () => {
  let server: Server;
  /** What the server is to answer, by the number in the path. */
  const answers = new Map<string, Accepted>();
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

  beforeAll(async () => {
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        const message = answers.get(/^GET \/(\d+) /.exec(chunk.toString('latin1'))?.[1] ?? '');
        socket.write(message?.bytes ?? '');
        if (message?.byClose === true) socket.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(() => {
    agent.destroy();
    server.close();
  });

  function readByNode(id: string): Promise<Reading | string> {
    const { promise, resolve } = Promise.withResolvers<Reading | string>();
    const { port } = server.address() as AddressInfo;
    const sent = request(
      { host: '127.0.0.1', port, path: `/${id}`, agent, maxHeaderSize: 1 << 20, timeout: 2_000 },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (chunk: Buffer) => parts.push(chunk));
        response.on('end', () => resolve(readingOf(response, Buffer.concat(parts))));
        response.on('error', (error) => resolve(`cut: ${error.message}`));
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('it waits for more')));
    sent.on('error', (error) => resolve(`refused: ${error.message}`));
    sent.end();
    return promise;
  }

  let ids = 0;

  async function check(message: Accepted): Promise<void> {
    const id = `${++ids}`;
    answers.set(id, message);
    const theirs = await readByNode(id);
    if (!isDeepStrictEqual(theirs, message.reading)) {
      keepInCorpus('responses', message.bytes);
      expect(theirs, `of ${excerpt(message.bytes, 2_000)}`).toEqual(message.reading);
    }
    answers.delete(id);
  }

  it(`accepts nothing that it reads differently (${CASES} messages, seed ${SEED})`, {
    timeout: Math.max(300_000, CASES),
  }, async () => {
    const random = new Random(SEED);
    let [tried, accepted] = [0, 0];
    const drive = async (): Promise<void> => {
      while (tried++ < CASES) {
        const message = readOurs(generateResponse(random));
        if (message === null) continue;
        accepted++;
        await check(message);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, drive));
    expect(accepted / CASES).toBeGreaterThan(0.2);
  });

  it('accepts nothing that it reads differently of what parsers are known to disagree on, and of what is near to it', {
    timeout: Math.max(300_000, CASES),
  }, async () => {
    const corpus = readCorpus('responses');
    const random = new Random(SEED + 2);
    let tried = 0;
    const drive = async (): Promise<void> => {
      while (tried < corpus.length + CASES) {
        const message = readOurs(corpus[tried++] ?? mutate(random.of(corpus), random));
        if (message !== null) await check(message);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, drive));
  });
});

function readingOf(response: IncomingMessage, body: Buffer): Reading {
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    fields: linesOf(response.rawHeaders),
    body: body.toString('latin1'),
    trailers: linesOf(response.rawTrailers),
  };
}
