import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../support/inbox.ts';
import { row, useLab } from '../support/lab.ts';
import { head, response, value, values } from '../support/message.ts';
import { echo, type ScriptedTarget, type TargetScript } from '../support/scripted-target.ts';

const lab = useLab();

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const HANDSHAKE = head(
  'GET /ws HTTP/1.1',
  'Host: gate.test',
  'Connection: keep-alive, Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${KEY}`,
);
const SWITCHED = head(
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: Upgrade',
  `Sec-WebSocket-Accept: ${ACCEPT}`,
);

/** Switches protocols, with `early` right behind the head, and leaves the rest to the test. */
function tunnel(early = ''): TargetScript {
  return (request) => {
    if (request.target !== '/ws') return echo(request);
    request.connection.tunnel();
    request.send(SWITCHED, early);
    return;
  };
}

async function tunnelled(target: ScriptedTarget, octets: string): Promise<void> {
  const connection = await target.connection();
  const arrived = (): true | undefined => (connection.rest.toString('latin1') === octets ? true : undefined);
  await connection.inbox.wait(`${JSON.stringify(octets)} through the tunnel`, arrived);
}

/** Frames of the protocol proper, by the ws library at both ends. */
async function webSocketEcho(): Promise<{ url: string; server: WebSocketServer }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) =>
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  await lab.sut.route((server.address() as AddressInfo).port);
  return { url: `ws://127.0.0.1:${lab.sut.port}/ws`, server };
}

describe('H. Upgrades', () => {
  row('H01-ws', async () => {
    const target = await lab.target(tunnel('early'));
    const client = await lab.send(HANDSHAKE);
    const answer = await client.readFinal();
    expect([answer.status, value(answer, 'upgrade'), value(answer, 'sec-websocket-accept')]).toEqual([
      101,
      'websocket',
      ACCEPT,
    ]);
    expect(value(answer, 'connection')?.toLowerCase()).toBe('upgrade');
    expect((await client.readBytes(5)).toString()).toBe('early');
    const request = await target.request();
    expect(value(request, 'upgrade')).toBe('websocket');
    expect(value(request, 'connection')?.toLowerCase()).toBe('upgrade');
    expect(value(request, 'sec-websocket-key')).toBe(KEY);
    client.write('\x81\x02hi');
    await tunnelled(target, '\x81\x02hi');
    (await target.connection()).send('\x00\xff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n');
    expect((await client.readBytes(25)).toString('latin1')).toBe('\x00\xff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n');
  });

  row(
    'H01-ws',
    async () => {
      const { url, server } = await webSocketEcho();
      const socket = new WebSocket(url, { perMessageDeflate: true });
      await once(socket, 'open');
      for (const message of ['hello', randomBytes(70_000), 'x'.repeat(200_000)]) {
        const echoed = once(socket, 'message');
        socket.send(message);
        const [data] = await echoed;
        expect(Buffer.from(message as string).equals(data as Buffer)).toBe(true);
      }
      const closed = once(socket, 'close');
      socket.close(4001, 'done');
      expect((await closed)[0]).toBe(4001);
      server.close();
    },
    'the ws library, text, binary, compression and closing handshake',
  );

  row(
    'H01-ws',
    async () => {
      const target = await lab.target(tunnel());
      const client = await lab.send(
        head('GET /1 HTTP/1.1', 'Host: gate.test'),
        head('POST /2 HTTP/1.1', 'Host: gate.test', 'Content-Length: 2'),
        'ab',
        HANDSHAKE,
      );
      expect((await client.readFinal()).body.bytes.toString()).toBe('GET /1');
      expect((await client.readFinal()).body.bytes.toString()).toBe('POST /2');
      expect((await client.readFinal()).status).toBe(101);
      client.write('frames');
      const upgraded = target.requests[2]?.connection;
      await upgraded?.inbox.wait('the frames', () => (upgraded.rest.includes('frames') ? true : undefined));
    },
    'behind other requests on the connection',
  );

  row(
    'H01-ws',
    async () => {
      const target = await lab.target(tunnel());
      const fields = [
        'Cookie: a=1',
        'X-Order: 1',
        'Cookie: b=2',
        'X-Order: 2',
        'X-Obs: \xe9\xff',
        'Sec-WebSocket-Protocol: a, b',
      ];
      const spoofed = ['X-Forwarded-For: 6.6.6.6', 'Keep-Alive: timeout=5', 'Proxy-Authorization: Basic eDp5'];
      const handshake = HANDSHAKE.toString('latin1').replace(
        '\r\n\r\n',
        `\r\n${[...fields, ...spoofed].join('\r\n')}\r\n\r\n`,
      );
      const client = await lab.send(handshake.replace('/ws', '/ws?x=/../%2e/y'));
      await target.request();
      client.destroy();
      const request = await target.request();
      expect(request.target).toBe('/ws?x=/../%2e/y');
      expect(values(request, 'cookie').join('; ')).toBe('a=1; b=2');
      expect(values(request, 'x-order').join().replaceAll(' ', '')).toBe('1,2');
      expect(value(request, 'x-obs')).toBe('\xe9\xff');
      expect(value(request, 'sec-websocket-protocol')).toBe('a, b');
      expect(value(request, 'x-forwarded-for')).toBe('127.0.0.1');
      expect(value(request, 'via')).toBeDefined();
      expect([...values(request, 'keep-alive'), ...values(request, 'proxy-authorization')]).toEqual([]);
    },
    'a handshake is forwarded like any request',
  );

  for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    row(
      'H01-ws',
      async () => {
        const fields = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${ACCEPT}`, framing];
        const target = await lab.target(async (request) => {
          if (request.target !== '/ws') return echo(request);
          request.connection.tunnel();
          request.send(head('HTTP/1.1 101 Switching Protocols', ...fields), 'early');
          return;
        });
        const client = await lab.send(HANDSHAKE);
        const answer = await client.readFinal();
        expect([answer.status, ...values(answer, framing.split(':')[0] ?? '')]).toEqual([101]);
        expect((await client.readBytes(5)).toString()).toBe('early');
        client.write('frames');
        await tunnelled(target, 'frames');
      },
      `not told of a body, ${framing}`,
    );
  }

  row('H02-ws-eager', async () => {
    const target = await lab.target(tunnel());
    const client = await lab.send(HANDSHAKE, 'eager frames');
    expect((await client.readFinal()).status).toBe(101);
    await tunnelled(target, 'eager frames');
  });

  row('H03-ws-refused', async () => {
    const target = await lab.target(async (request) => {
      if (request.target !== '/ws') return echo(request);
      request.send(response('403 Forbidden', ['X-Why: origin'], 'not you'));
      return;
    });
    const client = await lab.send(HANDSHAKE);
    const answer = await client.readFinal();
    expect([answer.status, value(answer, 'x-why'), answer.body.bytes.toString()]).toEqual([403, 'origin', 'not you']);
    expect(Date.parse(value(answer, 'date') ?? '')).toBeLessThanOrEqual(Date.now());
    if (value(answer, 'connection') !== 'close') {
      client.write(head('GET /next HTTP/1.1', 'Host: gate.test'));
      expect((await client.readFinal()).body.bytes.toString()).toBe('GET /next');
    } else {
      await client.readUntilClosed();
    }
    await lab.probe(target);
  });

  for (const fields of [
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 777', `Sec-WebSocket-Key: ${KEY}`],
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  ]) {
    row(
      'H04-ws-smuggle',
      async () => {
        const target = await lab.target(async (request) => {
          if (request.target !== '/ws') return echo(request);
          request.send(response('426 Upgrade Required', ['Sec-WebSocket-Version: 13'], 'no'));
          return;
        });
        const client = await lab.send(head('GET /ws HTTP/1.1', 'Host: gate.test', ...fields));
        const answer = await client.readFinal();
        expect(answer.status).toSatisfy((status: number) => status >= 400 && status < 500);
        client.write(head('GET /internal HTTP/1.1', 'Host: gate.test', 'X-Forwarded-For: 6.6.6.6'));
        await lab.probe(target);
        for (const request of target.requests.filter((seen) => seen.target === '/internal')) {
          expect(values(request, 'x-forwarded-for').join()).toMatch(/127\.0\.0\.1$/);
          expect(values(request, 'via').join()).not.toBe('');
        }
      },
      fields.slice(2).join(' / '),
    );
  }

  row(
    'H04-ws-smuggle',
    async () => {
      const target = await lab.target((request) => {
        if (request.target !== '/ws') return echo(request);
        request.send(response('426 Upgrade Required', [], 'no'));
        return;
      });
      const client = await lab.send(
        HANDSHAKE,
        head('GET /internal HTTP/1.1', 'Host: gate.test', 'X-Forwarded-For: 6.6.6.6'),
      );
      expect((await client.readFinal()).status).toBe(426);
      await lab.probe(target);
      for (const request of target.requests.filter((seen) => seen.target === '/internal')) {
        expect(values(request, 'x-forwarded-for').join()).toMatch(/127\.0\.0\.1$/);
      }
    },
    'octets sent together with a handshake that is refused',
  );

  row('H05-ws-client-rst', async () => {
    const target = await lab.target(tunnel());
    const client = await lab.send(HANDSHAKE);
    await client.readFinal();
    client.reset();
    await (await target.connection()).closed(2_000);
  });

  row(
    'H05-ws-client-rst',
    async () => {
      const target = await lab.target(tunnel());
      const client = await lab.send(HANDSHAKE);
      await client.readFinal();
      client.destroy();
      await (await target.connection()).closed(2_000);
    },
    'or its FIN',
  );

  for (const how of ['fin', 'rst'] as const) {
    row(
      'H06-ws-up-close',
      async () => {
        const target = await lab.target(tunnel());
        const client = await lab.send(HANDSHAKE);
        await client.readFinal();
        const connection = await target.connection();
        connection.send('last words');
        await client.readBytes(10);
        if (how === 'fin') connection.end();
        else connection.reset();
        await client.readUntilClosed(2_000);
        expect(client.rest).toHaveLength(0);
      },
      how,
    );
  }

  row('H07-ws-bulk', async () => {
    const target = await lab.target(tunnel());
    const client = await lab.send(HANDSHAKE);
    await client.readFinal();
    const connection = await target.connection();
    const up = randomBytes(2 * 1024 * 1024);
    const down = randomBytes(2 * 1024 * 1024);
    client.write(up);
    connection.send(down);
    expect(sha256(await client.readBytes(down.length))).toBe(sha256(down));
    await eventually('all octets are through', () => connection.rest.length === up.length);
    expect(sha256(connection.rest)).toBe(sha256(up));
  });

  row('H08-101-other-proto', async () => {
    const target = await lab.target((request) => {
      if (request.target !== '/ws') return echo(request);
      request.connection.tunnel();
      request.send(head('HTTP/1.1 101 Switching Protocols', 'Upgrade: other/1', 'Connection: Upgrade'));
      return;
    });
    const client = await lab.send(HANDSHAKE);
    const answer = await client.readFinal();
    if (answer.status === 101) expect(value(answer, 'upgrade')).toBe('other/1');
    else expect(answer.status).toBe(502);
    await lab.probe(target);
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
