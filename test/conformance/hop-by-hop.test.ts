import { describe, expect } from 'vitest';
import { row, useLab } from '../support/lab.ts';
import { head, response, value, values } from '../support/message.ts';

const lab = useLab();

const get = (...fields: string[]): Buffer => head('GET /hop HTTP/1.1', 'Host: gate.test', ...fields);

describe('E. Hop-by-hop, requests', () => {
  for (const connection of ['X-Hop', 'x-hop', 'keep-alive, X-Hop', ' , X-HOP ,, other']) {
    row(
      'E01-conn-token',
      async () => {
        const request = await lab.served(get(`Connection: ${connection}`, 'X-Hop: 1', 'X-Hop-Not: 2', 'x-hop: 3'));
        expect(values(request, 'x-hop')).toEqual([]);
        expect(values(request, 'x-hop-not')).toEqual(['2']);
        expect(values(request, 'connection').join().toLowerCase()).not.toContain('x-hop');
      },
      JSON.stringify(connection),
    );
  }

  row(
    'E01-conn-token',
    async () => {
      const request = await lab.served(get('Connection: X-One', 'X-One: 1', 'X-Two: 2', 'Connection: X-Two'));
      expect([...values(request, 'x-one'), ...values(request, 'x-two')]).toEqual([]);
    },
    'over two Connection lines',
  );

  for (const name of ['X-Forwarded-For', 'x-forwarded-for', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'Forwarded']) {
    row(
      'E02-conn-xff',
      async () => {
        const request = await lab.served(get(`Connection: close, ${name}`, `${name}: 6.6.6.6`));
        expect(values(request, 'x-forwarded-for').join()).toMatch(/127\.0\.0\.1$/);
      },
      name,
    );
  }

  row(
    'E02-conn-xff',
    async () => {
      const request = await lab.served(get('Connection: Host, Via, Authorization', 'Authorization: Basic eDp5'));
      expect(value(request, 'host')).toBe('gate.test');
    },
    'Host',
  );

  row(
    'E01-conn-token',
    async () => {
      const request = await lab.served(get('Connection: X-Request-Id', 'X-Request-Id: of-this-connection'));
      expect(value(request, 'x-request-id')).toMatch(/^(?!of-this-connection$)/);
    },
    'a request id is replaced, not lost',
  );

  row('E03-std-hop', async () => {
    const request = await lab.served(
      get(
        'Connection: keep-alive',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'TE: gzip',
        'Upgrade: foo/1',
        'Proxy-Authorization: Basic eDp5',
        'Proxy: http://evil.test',
      ),
    );
    for (const name of ['keep-alive', 'proxy-connection', 'te', 'upgrade', 'proxy-authorization']) {
      expect(values(request, name), name).toEqual([]);
    }
  });

  for (const fields of [
    ['TE: trailers'],
    ['TE: trailers', 'Connection: TE'],
    ['TE: trailers, deflate;q=0.5', 'Connection: te'],
  ]) {
    row(
      'E04-te-trailers',
      async () => {
        const request = await lab.served(get(...fields));
        if (values(request, 'te').length === 0) return;
        expect(value(request, 'te')).toBe('trailers');
        expect(value(request, 'connection')?.toLowerCase() ?? '').toContain('te');
      },
      fields.join(' / '),
    );
  }

  for (const fields of [
    ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'],
    ['Connection: Upgrade', 'Upgrade: h2c'],
    ['Connection: upgrade', 'Upgrade: H2C, websocket'],
  ]) {
    row(
      'E05-h2c',
      async () => {
        const target = await lab.target();
        const client = await lab.send(get(...fields));
        const answer = await client.readFinal();
        expect(answer.status).not.toBe(101);
        for (const request of target.requests) {
          expect(values(request, 'upgrade').join().toLowerCase()).not.toContain('h2c');
          expect(values(request, 'http2-settings')).toEqual([]);
        }
      },
      fields.join(' / '),
    );
  }

  row('E08-upgrade-alone', async () => {
    const request = await lab.served(get('Upgrade: websocket', 'Sec-WebSocket-Key: x'));
    expect(values(request, 'upgrade')).toEqual([]);
  });
});

describe('E. Hop-by-hop, responses', () => {
  row('E06-resp-conn', async () => {
    await lab.target(async (request) => {
      if (!(await request.whole)) return;
      const fields = [
        'Connection: X-Hop',
        'X-Hop: 1',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'X-Stays: 1',
      ];
      request.send(response('200 OK', fields, 'hello'));
    });
    const client = await lab.send(get());
    const answer = await client.readFinal();
    for (const name of ['x-hop', 'keep-alive', 'proxy-connection']) expect(values(answer, name), name).toEqual([]);
    expect(values(answer, 'connection').join().toLowerCase()).not.toContain('x-hop');
    expect(values(answer, 'x-stays')).toEqual(['1']);
  });

  row('E07-conn-close-not-leaked', async () => {
    const target = await lab.target(async (request) => {
      if (!(await request.whole)) return;
      request.send(response('200 OK', ['Connection: close'], request.target));
      request.connection.end();
    });
    const client = await lab.client();
    for (const path of ['/1', '/2', '/3']) {
      client.write(head(`GET ${path} HTTP/1.1`, 'Host: gate.test'));
      const answer = await client.readFinal();
      expect(answer.body.bytes.toString()).toBe(path);
      expect(values(answer, 'connection')).toEqual([]);
    }
    expect(target.connections).toHaveLength(3);
  });
});
