import { describe, expect } from 'vitest';
import { row, useLab } from '../support/lab.ts';
import { head, response } from '../support/message.ts';
import { echo } from '../support/scripted-target.ts';

const lab = useLab();

const HOST = 'Host: gate.test';
const MIB = 1024 * 1024;
/** More than this taken without being asked for is not back-pressure; the kernel's own buffers hold a good part of it. */
const MOST_BUFFERED = 32 * MIB;

/** Calls `offer` until what was taken no longer grows, and returns that. */
async function settledAt(taken: () => number): Promise<number> {
  for (let before = -1, same = 0; same < 4; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    same = taken() === before ? same + 1 : 0;
    before = taken();
  }
  return taken();
}

describe('I. Aborts', () => {
  for (const leave of ['reset', 'destroy'] as const) {
    row(
      'I01-abort-upload',
      async () => {
        const target = await lab.target();
        const client = await lab.send(head('POST /upload HTTP/1.1', HOST, 'Content-Length: 100'), 'half');
        const request = await target.request();
        await request.connection.inbox.wait('half of the body', () => (request.body.length === 4 ? true : undefined));
        client[leave]();
        expect(await request.whole).toBe(false);
        await lab.probe(target);
      },
      leave,
    );

    row(
      'I02-abort-chunked',
      async () => {
        const target = await lab.target();
        const client = await lab.send(
          head('POST /upload HTTP/1.1', HOST, 'Transfer-Encoding: chunked'),
          '5\r\nhello\r\n',
        );
        const request = await target.request();
        await request.connection.inbox.wait('the first chunk', () =>
          request.body.bytes.length === 5 ? true : undefined,
        );
        client[leave]();
        expect(await request.whole).toBe(false);
        expect(request.connection.inbox.bytes.toString()).not.toContain('0\r\n\r\n');
        await lab.probe(target);
      },
      leave,
    );
  }

  row('I03-cancel', async () => {
    const target = await lab.target((request) => (request.target === '/slow' ? undefined : echo(request)));
    const client = await lab.send(head('GET /slow HTTP/1.1', HOST));
    const request = await target.request();
    client.reset();
    await request.connection.closed(3_000);
    await lab.probe(target);
  });

  row(
    'I03-cancel',
    async () => {
      const target = await lab.target((request) => {
        if (request.target !== '/slow') return echo(request);
        request.send(head('HTTP/1.1 200 OK', 'Content-Length: 100'), 'some');
        return;
      });
      const client = await lab.send(head('GET /slow HTTP/1.1', HOST));
      await client.peekHead();
      client.reset();
      await (await target.request()).connection.closed(3_000);
      await lab.probe(target);
    },
    'inside the answer',
  );
});

describe('I. Back-pressure', () => {
  for (const framing of ['Content-Length: 134217728', 'Transfer-Encoding: chunked']) {
    row(
      'I04-slow-reader',
      async () => {
        const block = framing.startsWith('C')
          ? Buffer.alloc(MIB)
          : Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MIB), Buffer.from('\r\n')]);
        let offered = 0;
        const target = await lab.target(async (request) => {
          if (request.target !== '/bulk') return echo(request);
          request.send(head('HTTP/1.1 200 OK', framing));
          while (offered < 128 * MIB && request.connection.inbox.ended === null) {
            request.send(block);
            offered += MIB;
            await request.connection.drained();
          }
        });
        const client = await lab.client();
        client.pause();
        client.write(head('GET /bulk HTTP/1.1', HOST));
        const { connection } = await target.request();
        expect(await settledAt(() => offered - connection.unsentBytes)).toBeLessThan(MOST_BUFFERED);
        await lab.probe(target);
        client.reset();
        await connection.closed();
      },
      framing.split(':')[0],
    );
  }

  for (const framing of ['Content-Length: 134217728', 'Transfer-Encoding: chunked']) {
    row(
      'I05-slow-upstream',
      async () => {
        const target = await lab.target((request) => {
          if (request.target !== '/bulk') return echo(request);
          request.connection.pause();
          return;
        });
        const client = await lab.send(head('POST /bulk HTTP/1.1', HOST, framing));
        const { connection } = await target.request();
        const block = framing.startsWith('C')
          ? Buffer.alloc(MIB)
          : Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MIB), Buffer.from('\r\n')]);
        for (let i = 0; i < 64; i++) client.write(block);
        expect(await settledAt(() => 64 * block.length - client.unsentBytes)).toBeLessThan(MOST_BUFFERED);
        await lab.probe(target);
        connection.reset();
        client.reset();
      },
      framing.split(':')[0],
    );
  }
});

describe('I. Slowness', () => {
  for (const bytes of ['GET /x HTTP/1.1\r\nHost: gate.test\r\nX-A: ', 'GET', 'GET /x HTTP/1.1\r\nHost: a\r\n']) {
    row(
      'I06-slowloris',
      async () => {
        const target = await lab.target();
        const client = await lab.send(bytes);
        await client.readUntilClosed();
        if (client.receivedBytes > 0) expect((await client.readResponse()).status).toBe(408);
        expect(target.connections).toHaveLength(0);
      },
      JSON.stringify(bytes),
    );
  }

  row(
    'I06-slowloris',
    async () => {
      await lab.target();
      const client = await lab.send('GET /x HTTP/1.1\r\nHost: gate.test\r\n');
      // A byte now and then must not buy more time.
      const drip = setInterval(() => client.write('X-A: b\r\n'), 100);
      await client.readUntilClosed().finally(() => clearInterval(drip));
    },
    'a field every 100 ms',
  );

  row('I07-half-close', async () => {
    const release = Promise.withResolvers<void>();
    const target = await lab.target(async (request) => {
      if (request.target !== '/slow') return echo(request);
      await release.promise;
      request.send(response('200 OK', [], 'hello'));
    });
    const client = await lab.send(head('GET /slow HTTP/1.1', HOST));
    client.halfClose();
    await target.request();
    await lab.probe(target);
    release.resolve();
    expect((await client.readFinal()).body.bytes.toString()).toBe('hello');
    expect(await client.readUntilClosed()).toBe('fin');
  });

  row(
    'I07-half-close',
    async () => {
      await lab.target();
      const client = await lab.send(
        head('POST /1 HTTP/1.1', HOST, 'Content-Length: 2'),
        'ab',
        head('GET /2 HTTP/1.1', HOST),
      );
      client.halfClose();
      expect((await client.readFinal()).body.bytes.toString()).toBe('POST /1');
      expect((await client.readFinal()).body.bytes.toString()).toBe('GET /2');
      expect(await client.readUntilClosed()).toBe('fin');
    },
    'behind pipelined requests',
  );

  row(
    'I07-half-close',
    async () => {
      const target = await lab.target();
      const client = await lab.send('GET /x HTTP/1.1\r\nHos');
      client.halfClose();
      await client.readUntilClosed(1_500);
      await lab.probe(target);
    },
    'inside a head ends the connection',
  );

  for (const left of [
    'GET /x HTTP/1.1\r\nHos',
    '\r\n',
    'POST /x HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 5\r\n\r\nab',
  ]) {
    row(
      'I07-half-close',
      async () => {
        const release = Promise.withResolvers<void>();
        const target = await lab.target(async (request) => {
          if (request.target !== '/slow') return;
          await release.promise;
          request.send(response('200 OK', [], 'hello'));
        });
        const client = await lab.send(head('GET /slow HTTP/1.1', HOST), left);
        client.halfClose();
        await target.request();
        await lab.probe(target);
        release.resolve();
        expect((await client.readFinal()).body.bytes.toString()).toBe('hello');
        await client.readUntilClosed(1_500);
        expect(client.rest.toString()).toBe('');
      },
      `what is left behind the answer ends the connection: ${JSON.stringify(left.slice(0, 8))}`,
    );
  }
});
