import { Agent, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BodyReader, type Framing } from '../../src/http1/body-reader.ts';
import { Head, NO_LENGTH } from '../../src/http1/head.ts';
import { parseResponseHead, REASON_OFFSET } from '../../src/http1/response-parser.ts';
import { relayableTrailers } from '../../src/http1/trailers.ts';
import { excerpt } from '../support/inbox.ts';
import { generateResponse, hasFramingTrailer, Random } from '../support/message-generator.ts';

/** As parser-differential.test.ts, for responses: what we accept of a target, Node's client reads alike. */
const CASES = Number(process.env.FUZZ_CASES ?? 2_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_123);
const CONNECTIONS = 4;

interface Reading {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly string[];
  readonly body: string;
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
  if (behind < 0 || (!reader.done && framing !== 'close') || relayableTrailers(reader.trailer) === 'malformed')
    return null;
  if (hasFramingTrailer(reader.trailer)) return null;
  const text = (from: number, to: number): string => bytes.toString('latin1', from, to);
  let body = '';
  for (let i = 0; i < reader.runCount; i++)
    body += text(reader.runs[2 * i] as number, reader.runs[2 * i + 1] as number); // runCount runs
  const fields: string[] = [];
  for (let i = 0; i < head.count; i++) {
    fields.push(`${text(head.nameStart(i), head.nameEnd(i))}: ${text(head.valueStart(i), head.valueEnd(i))}`);
  }
  const reason = text(head.start + REASON_OFFSET, head.fieldsStart - 2).replace(/^ /, '');
  return {
    bytes: bytes.subarray(0, behind),
    reading: { status: head.status, reason, fields, body },
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
  const queue: Accepted[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

  beforeAll(async () => {
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        const message = queue[Number(/^GET \/(\d+) /.exec(chunk.toString('latin1'))?.[1])];
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

  function readByNode(i: number): Promise<Reading | string> {
    const { promise, resolve } = Promise.withResolvers<Reading | string>();
    const { port } = server.address() as AddressInfo;
    const sent = request(
      { host: '127.0.0.1', port, path: `/${i}`, agent, maxHeaderSize: 1 << 20, timeout: 2_000 },
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

  it(`accepts nothing that it reads differently (${CASES} messages, seed ${SEED})`, {
    timeout: Math.max(300_000, CASES),
  }, async () => {
    const random = new Random(SEED);
    for (let i = 0; i < CASES; i++) {
      const message = readOurs(generateResponse(random));
      if (message !== null) queue.push(message);
    }
    expect(queue.length / CASES).toBeGreaterThan(0.2);
    let next = 0;
    const drive = async (): Promise<void> => {
      while (next < queue.length) {
        const i = next++;
        const message = queue[i] as Accepted; // next < length
        expect(await readByNode(i), `of ${excerpt(message.bytes, 2_000)}`).toEqual(message.reading);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, drive));
  });
});

function readingOf(response: IncomingMessage, body: Buffer): Reading {
  const fields: string[] = [];
  for (let i = 0; i < response.rawHeaders.length; i += 2)
    fields.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`);
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    fields,
    body: body.toString('latin1'),
  };
}
