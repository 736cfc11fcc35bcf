import { createHash, randomBytes } from 'node:crypto';
import { describe, expect } from 'vitest';
import { row, useLab } from '../support/lab.ts';
import { chunked, head, response, value } from '../support/message.ts';
import type { RawClient } from '../support/raw-client.ts';

const lab = useLab();

const HOST = 'Host: gate.test';
const SIZE = 20 * 1024 * 1024;

/** Chunks of odd sizes, so that their edges meet the buffers' edges everywhere. */
function oddChunks(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, size = 1; at < body.length; size = (size * 7 + 13) % 65_521 || 1) {
    parts.push(body.subarray(at, at + size));
    at += size;
  }
  return chunked(...parts);
}

describe('L. Integrity', () => {
  row('L01-upload-20m', async () => {
    const body = randomBytes(SIZE);
    const target = await lab.target();
    const client = await lab.send(head('POST /x HTTP/1.1', HOST, `Content-Length: ${SIZE}`), body);
    expect((await client.readFinal()).status).toBe(200);
    expect(sha256((await target.request()).body.bytes)).toBe(sha256(body));
  });

  row(
    'L01-upload-20m',
    async () => {
      const body = randomBytes(SIZE / 8);
      const target = await lab.target();
      const client = await lab.send(head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'), oddChunks(body));
      expect((await client.readFinal()).status).toBe(200);
      expect(sha256((await target.request()).body.bytes)).toBe(sha256(body));
    },
    'chunked',
  );

  row('L02-download-20m', async () => {
    const body = randomBytes(SIZE);
    await lab.target((request) => void request.send(response('200 OK', [], body)));
    const client = await lab.send(head('GET /x HTTP/1.1', HOST));
    const answer = await client.readFinal();
    expect(value(answer, 'content-length')).toBe(String(SIZE));
    expect(sha256(answer.body.bytes)).toBe(sha256(body));
  });

  row(
    'L02-download-20m',
    async () => {
      const body = randomBytes(SIZE / 8);
      await lab.target(
        (request) => void request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), oddChunks(body)),
      );
      const client = await lab.send(head('GET /x HTTP/1.1', HOST));
      expect(sha256((await client.readFinal()).body.bytes)).toBe(sha256(body));
    },
    'chunked',
  );

  row('L03-keepalive-300', async () => {
    const target = await lab.target();
    const client = await lab.client();
    for (let i = 0; i < 300; i++) {
      client.write(head(`GET /${i} HTTP/1.1`, HOST));
      expect((await client.readFinal()).body.bytes.toString()).toBe(`GET /${i}`);
    }
    expect(target.connections).toHaveLength(1);
  });

  row(
    'L03-keepalive-300',
    async () => {
      await lab.target();
      const client = await lab.send(...Array.from({ length: 300 }, (_, i) => head(`GET /${i} HTTP/1.1`, HOST)));
      for (let i = 0; i < 300; i++) expect((await client.readFinal()).body.bytes.toString()).toBe(`GET /${i}`);
    },
    'pipelined at once',
  );

  row('L04-300-idle', async () => {
    await lab.target();
    const open: RawClient[] = [];
    for (let i = 0; i < 300; i++) open.push(await lab.send('GET /x HTTP/1.1\r\nHost: gate.test\r\nX-'));
    const client = await lab.send(head('GET /normal HTTP/1.1', HOST));
    expect((await client.readFinal({ deadlineMs: 1_000 })).body.bytes.toString()).toBe('GET /normal');
    for (const idle of open) idle.destroy();
  });

  row('L05-1byte-writes', async () => {
    const target = await lab.target();
    const client = await lab.client();
    await client.writeByteByByte(head('GET /1 HTTP/1.1', HOST, 'X-A: b'));
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /1');
    await client.writeByteByByte(
      Buffer.concat([head('POST /2 HTTP/1.1', HOST, 'Content-Length: 5'), Buffer.from('hello')]),
    );
    expect((await client.readFinal()).body.bytes.toString()).toBe('POST /2');
    await client.writeByteByByte(
      Buffer.concat([head('POST /3 HTTP/1.1', HOST, 'Transfer-Encoding: chunked'), chunked('he', 'llo')]),
    );
    expect((await client.readFinal()).body.bytes.toString()).toBe('POST /3');
    expect(target.requests.map((request) => request.body.bytes.toString())).toEqual(['', 'hello', 'hello']);
  });

  row('L06-1byte-resp', async () => {
    await lab.target((request) =>
      request.connection.sendByteByByte(
        Buffer.concat(
          request.target === '/length'
            ? [head('HTTP/1.1 103 Early Hints', 'Link: </a>'), response('200 OK', ['X-A: b'], 'hello')]
            : [
                head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
                Buffer.from('3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: a\r\n\r\n'),
              ],
        ),
      ),
    );
    const client = await lab.client();
    for (const path of ['/length', '/chunked', '/length']) {
      client.write(head(`GET ${path} HTTP/1.1`, HOST));
      const answer = await client.readFinal();
      expect(`${answer.status} ${answer.body.bytes}`).toBe('200 hello');
    }
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
