import { createHash, randomBytes } from 'node:crypto';
import { describe, expect } from 'vitest';
import { row, SMUGGLED, useLab } from '../support/lab.ts';
import { chunked, head, type ParsedResponse, response, value, values } from '../support/message.ts';
import type { RawClient } from '../support/raw-client.ts';
import { echo, type ScriptedTarget, type TargetScript } from '../support/scripted-target.ts';

const lab = useLab();

const HOST = 'Host: gate.test';
const get = (path: string, method = 'GET'): Buffer => head(`${method} ${path} HTTP/1.1`, HOST);

/** Answers `/odd` with these bytes and anything else properly. */
function odd(...bytes: (string | Buffer)[]): TargetScript {
  return async (request) => {
    if (request.target !== '/odd') return echo(request);
    if (await request.whole) request.send(...bytes);
  };
}

/** The connection is in step: the next request on it gets its own answer, or the gate has said it would close. */
async function expectInStep(client: RawClient, answer: ParsedResponse, target: ScriptedTarget): Promise<void> {
  if (value(answer, 'connection') === 'close') {
    await client.readUntilClosed();
    expect(client.rest).toHaveLength(0);
  } else {
    client.write(get('/next'));
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /next');
  }
  await lab.probe(target);
}

/** Sends a request to a target that misbehaves with these bytes and returns the 502 it must lead to. */
async function expectBadGateway(bytes: string | Buffer, end: 'keep' | 'fin' = 'fin'): Promise<void> {
  const target = await lab.target(async (request) => {
    if (request.target !== '/odd') return echo(request);
    if (!(await request.whole)) return;
    request.send(bytes);
    if (end === 'fin') request.connection.end();
  });
  const client = await lab.send(get('/odd'));
  const answer = await client.readFinal();
  expect(answer.status).toBe(502);
  await expectInStep(client, answer, target);
}

describe('G. Responses without a body', () => {
  const answers: readonly [id: string, method: string, bytes: string | Buffer, what?: string][] = [
    ['G01-204', 'GET', head('HTTP/1.1 204 No Content', 'X-A: b')],
    ['G01-204', 'GET', Buffer.concat([head('HTTP/1.1 204 No Content', 'Content-Length: 0')]), 'with Content-Length: 0'],
    [
      'G01-204',
      'GET',
      Buffer.concat([head('HTTP/1.1 204 No Content', 'Transfer-Encoding: chunked'), chunked('x')]),
      'with chunks',
    ],
    [
      'G01-204',
      'GET',
      Buffer.concat([head('HTTP/1.1 204 No Content', 'Content-Length: 5'), Buffer.from('hello')]),
      'with octets',
    ],
    ['G02-304-cl', 'GET', head('HTTP/1.1 304 Not Modified', 'ETag: "a"', 'Content-Length: 1234')],
    [
      'G02-304-cl',
      'GET',
      head('HTTP/1.1 304 Not Modified', 'ETag: "a"', 'Transfer-Encoding: chunked'),
      'with Transfer-Encoding',
    ],
    ['G03-head-cl', 'HEAD', head('HTTP/1.1 200 OK', 'Content-Length: 1234')],
    ['G03-head-cl', 'HEAD', head('HTTP/1.1 200 OK'), 'without framing'],
    ['G04-head-te', 'HEAD', head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')],
  ];
  for (const [id, method, bytes, what] of answers) {
    row(
      id,
      async () => {
        const target = await lab.target(odd(bytes));
        const client = await lab.send(get('/odd', method));
        const answer = await client.readFinal({ method });
        expect([200, 204, 304]).toContain(answer.status);
        if (id === 'G03-head-cl' && what === undefined) expect(value(answer, 'content-length')).toBe('1234');
        await expectInStep(client, answer, target);
      },
      what,
    );
  }
});

describe('G. Interim responses', () => {
  row('G05-103', async () => {
    const seen = Promise.withResolvers<void>();
    await lab.target(async (request) => {
      request.send(head('HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload', 'Link: </b.js>; rel=preload'));
      await seen.promise;
      request.send(response('200 OK', [], 'hello'));
    });
    const client = await lab.send(get('/odd'));
    const hints = await client.readResponse();
    expect([hints.status, ...values(hints, 'link')]).toEqual([103, '</a.css>; rel=preload', '</b.js>; rel=preload']);
    seen.resolve();
    expect((await client.readResponse()).body.bytes.toString()).toBe('hello');
  });

  row(
    'G05-103',
    async () => {
      const interim = [
        head('HTTP/1.1 102 Processing'),
        head('HTTP/1.1 103 Early Hints', 'Link: </a>'),
        head('HTTP/1.1 103 Early Hints', 'Link: </b>'),
      ];
      const target = await lab.target(odd(...interim, response('200 OK', [], 'hello')));
      const client = await lab.send(get('/odd'));
      const answer = await client.readFinal();
      expect(answer.interim.map((hint) => hint.status)).toEqual([102, 103, 103]);
      expect(answer.body.bytes.toString()).toBe('hello');
      await expectInStep(client, answer, target);
    },
    'several, together with the final answer',
  );

  row(
    'G05-103',
    async () => {
      await lab.target(odd(head('HTTP/1.1 103 Early Hints', 'Link: </a>'), response('200 OK', [], 'hello')));
      const client = await lab.send(head('GET /odd HTTP/1.0', HOST));
      expect((await client.readFinal()).interim).toEqual([]);
    },
    'never to an HTTP/1.0 client',
  );

  row('G06-1xx-flood', async () => {
    const hint = head('HTTP/1.1 103 Early Hints', `Link: <${'a'.repeat(1_000)}>`);
    await lab.target(odd(Buffer.concat(Array.from({ length: 1_000 }, () => hint)), response('200 OK', [], 'hello')));
    const client = await lab.send(get('/odd'));
    const answer = await client.readFinal();
    expect([200, 502]).toContain(answer.status);
  });

  for (const fields of [['Upgrade: websocket', 'Connection: Upgrade'], []]) {
    row(
      'G07-101-unasked',
      async () => {
        const target = await lab.target(odd(head('HTTP/1.1 101 Switching Protocols', ...fields), 'tunnelled octets'));
        const client = await lab.send(get('/odd'));
        const answer = await client.readFinal();
        expect(answer.status).toBe(502);
        await expectInStep(client, answer, target);
        expect(client.inbox.bytes.toString()).not.toContain('tunnelled');
      },
      fields.length === 0 ? 'without Upgrade' : 'with Upgrade',
    );
  }
});

describe('G. Framing of responses', () => {
  for (const fields of [
    ['Content-Length: 3', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Content-Length: 100'],
  ]) {
    row(
      'G08-cl-te',
      async () => {
        const target = await lab.target(odd(head('HTTP/1.1 200 OK', ...fields), chunked('hello')));
        const client = await lab.send(get('/odd'));
        const answer = await client.readFinal();
        if (answer.status !== 502) expect(answer.body.bytes.toString()).toBe('hello');
        await expectInStep(client, answer, target);
      },
      fields.join(' / '),
    );
  }

  const invalid: readonly [id: string, ...fields: string[]][] = [
    ['G09-bad-cl-dup', 'Content-Length: 5', 'Content-Length: 6'],
    ['G10-bad-cl-neg', 'Content-Length: -5'],
    ['G10-bad-cl-neg', 'Content-Length: +5'],
    ['G11-bad-cl-alpha', 'Content-Length: 5a'],
    ['G11-bad-cl-alpha', 'Content-Length: '],
    ['G11-bad-cl-alpha', 'Content-Length: 99999999999999999999'],
    ['G12-bad-cl-list', 'Content-Length: 5, 6'],
  ];
  for (const [id, ...fields] of invalid) {
    row(
      id,
      () => expectBadGateway(Buffer.concat([head('HTTP/1.1 200 OK', ...fields), Buffer.from('hello')])),
      fields.join(' / '),
    );
  }

  for (const coding of ['gzip', 'chunked, gzip', 'identity', 'xchunked', '"chunked"']) {
    row(
      'G08-cl-te',
      async () => {
        const target = await lab.target(odd(head('HTTP/1.1 200 OK', `Transfer-Encoding: ${coding}`), chunked('hello')));
        const client = await lab.send(get('/odd'));
        expect((await client.readFinal()).status).toBe(502);
        await lab.probe(target);
      },
      `Transfer-Encoding: ${coding}`,
    );
  }

  for (const chunks of [
    '0x5\r\nhello\r\n0\r\n\r\n',
    '5\r\nhelloX\r\n0\r\n\r\n',
    '-1\r\n',
    'fffffffffffffffff\r\n',
    '5\nhello\n0\n\n',
  ]) {
    row(
      'G26-trunc-chunked',
      async () => {
        const target = await lab.target(odd(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), chunks));
        const client = await lab.send(get('/odd'));
        if ((await client.peekHead()).status === 502) {
          await expectInStep(client, await client.readFinal(), target);
        } else {
          expect((await client.readCut())?.body.complete).toBe(false);
          await lab.probe(target);
        }
      },
      `a malformed chunk is as good as the end: ${JSON.stringify(chunks)}`,
    );
  }
});

describe('G. Malformed response heads', () => {
  row('G13-obs-fold', async () => {
    const target = await lab.target(odd(response('200 OK', ['X-A: a\r\n b'], 'hello')));
    const client = await lab.send(get('/odd'));
    const answer = await client.readFinal();
    if (answer.status !== 502) expect(value(answer, 'x-a')).toMatch(/^a +b$/);
    await expectInStep(client, answer, target);
  });

  row('G14-sp-colon', async () => {
    const target = await lab.target(odd(response('200 OK', ['X-A : a'], 'hello')));
    const client = await lab.send(get('/odd'));
    const answer = await client.readFinal();
    if (answer.status !== 502) expect(value(answer, 'x-a') ?? 'a').toBe('a');
    await expectInStep(client, answer, target);
  });

  for (const field of [
    'X-A: a\x00b',
    'X-A: a\rb',
    'X-A: a\rX-Injected: 1',
    'X-A: a\nX-Injected: 1',
    'X[A]: 1',
    ': 1',
    'X-A',
  ]) {
    row(
      'G15-nul-value',
      async () => {
        const target = await lab.target(odd(response('200 OK', [field], 'hello')));
        const client = await lab.send(get('/odd'));
        const answer = await client.readFinal();
        if (answer.status !== 502) expect(field.includes('\r') ? values(answer, 'x-injected') : []).toEqual([]);
        await expectInStep(client, answer, target);
      },
      JSON.stringify(field),
    );
  }

  const malformed: readonly [id: string, bytes: string][] = [
    ['G16-garbage', 'garbage\r\n\r\n'],
    ['G16-garbage', '\x00\x01\x02\x03\x16\x03\x01'],
    ['G16-garbage', '\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G16-garbage', ' HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G17-status-abc', 'HTTP/1.1 abc OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G17-status-abc', 'HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G17-status-abc', 'HTTP/1.1 2OO OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G17-status-abc', 'HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G18-status-99', 'HTTP/1.1 99 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G18-status-99', 'HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G18-status-99', 'HTTP/1.1 000 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G18-status-99', 'HTTP/1.1 -200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G19-status-1000', 'HTTP/1.1 1000 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G19-status-1000', 'HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G19-status-1000', 'HTTP/1.1 600 Odd\r\nContent-Length: 5\r\n\r\nhello'],
    ['G19-status-1000', 'HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\nhello'],
    ['G20-http2-answer', 'HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G20-http2-answer', 'HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['G20-http2-answer', '\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80'],
    ['G21-http09-answer', 'hello world'],
    ['G21-http09-answer', '<html><body>hello</body></html>\n'],
    ['G21-http09-answer', 'HTTP/0.9 200 OK\r\n\r\nhello'],
  ];
  for (const [id, bytes] of malformed) row(id, () => expectBadGateway(bytes), JSON.stringify(bytes.slice(0, 40)));

  row('G22-hdr-1m', () => expectBadGateway(head('HTTP/1.1 200 OK', `X-Large: ${'a'.repeat(1024 * 1024)}`)));

  row(
    'G22-hdr-1m',
    () => expectBadGateway(head('HTTP/1.1 200 OK', ...Array.from({ length: 50_000 }, (_, i) => `X-${i}: ${i}`))),
    '50,000 fields',
  );
});

describe('G. Targets that stop', () => {
  for (const how of ['fin', 'rst'] as const) {
    for (const method of ['GET', 'POST']) {
      row(
        how === 'fin' ? 'G23-early-eof' : 'G24-early-rst',
        async () => {
          const target = await lab.target(async (request) => {
            if (request.target !== '/odd') return echo(request);
            await request.whole;
            if (how === 'fin') request.connection.end();
            else request.connection.reset();
          });
          const client = await lab.send(
            head(`${method} /odd HTTP/1.1`, HOST, ...(method === 'POST' ? ['Content-Length: 2'] : [])),
            method === 'POST' ? 'ab' : '',
          );
          const answer = await client.readFinal();
          expect(answer.status).toBe(502);
          if (method === 'POST') expect(target.requests.filter((request) => request.target === '/odd')).toHaveLength(1);
          await expectInStep(client, answer, target);
        },
        method,
      );
    }
  }

  const cuts: readonly [id: string, what: string, how: 'fin' | 'rst', ...bytes: (string | Buffer)[]][] = [
    ['G25-trunc-cl', 'FIN', 'fin', head('HTTP/1.1 200 OK', 'Content-Length: 100'), 'only this'],
    ['G25-trunc-cl', 'FIN before the first octet', 'fin', head('HTTP/1.1 200 OK', 'Content-Length: 100')],
    [
      'G26-trunc-chunked',
      'inside a chunk',
      'fin',
      head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
      '5\r\nhello\r\n5\r\nwo',
    ],
    [
      'G26-trunc-chunked',
      'between chunks',
      'fin',
      head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
      '5\r\nhello\r\n',
    ],
    [
      'G26-trunc-chunked',
      'inside the last chunk',
      'fin',
      head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
      '5\r\nhello\r\n0\r\n',
    ],
    [
      'G26-trunc-chunked',
      'inside the trailers',
      'fin',
      head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
      '5\r\nhello\r\n0\r\nX-T: a\r\n',
    ],
    ['G27-trunc-rst', 'Content-Length', 'rst', head('HTTP/1.1 200 OK', 'Content-Length: 100'), 'only this'],
    ['G27-trunc-rst', 'chunked', 'rst', head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n'],
    ['G27-trunc-rst', 'close-delimited', 'rst', head('HTTP/1.1 200 OK'), 'hello'],
  ];
  for (const [id, what, how, ...bytes] of cuts) {
    row(
      id,
      async () => {
        const seen = Promise.withResolvers<void>();
        const target = await lab.target(async (request) => {
          if (request.target !== '/odd') return echo(request);
          request.send(...bytes);
          await seen.promise; // so that a reset does not overtake the octets
          if (how === 'fin') request.connection.end();
          else request.connection.reset();
        });
        const client = await lab.send(get('/odd'));
        await client.peekHead();
        seen.resolve();
        const cut = await client.readCut();
        expect(cut?.status).toBe(200);
        const toldByReset = client.inbox.ended === 'reset';
        expect(cut?.body.complete === false || (cut?.body.framing === 'close' && toldByReset)).toBe(true);
        await lab.probe(target);
      },
      what,
    );
  }

  for (const how of ['fin', 'rst'] as const) {
    row(
      how === 'fin' ? 'G26-trunc-chunked' : 'G27-trunc-rst',
      async () => {
        const seen = Promise.withResolvers<void>();
        const target = await lab.target(async (request) => {
          if (request.target !== '/odd') return echo(request);
          request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n');
          await seen.promise;
          if (how === 'fin') request.connection.end();
          else request.connection.reset();
        });
        const client = await lab.send(head('GET /odd HTTP/1.0', HOST));
        await client.peekHead();
        seen.resolve();
        expect(await client.readUntilClosed()).toBe('reset');
        await lab.probe(target);
      },
      'to a client of HTTP/1.0, which nothing but a reset can tell',
    );
  }

  row('G42-timeout', async () => {
    const target = await lab.target((request) => (request.target === '/odd' ? undefined : echo(request)));
    const client = await lab.send(get('/odd'));
    const answer = await client.readFinal();
    expect(answer.status).toBe(504);
    await (await target.connection()).closed();
    await expectInStep(client, answer, target);
  });

  row(
    'G42-timeout',
    async () => {
      const target = await lab.target(
        (request) => void (request.target === '/odd' ? request.send('HTTP/1.1 200 OK\r\nX-A: ') : echo(request)),
      );
      const client = await lab.send(get('/odd'));
      expect((await client.readFinal()).status).toBe(504);
      await lab.probe(target);
    },
    'in the middle of the head',
  );
});

describe('G. Octets that belong to no response', () => {
  const POISON = response('200 OK', [], 'poison');

  for (const [what, first] of [
    ['an answer', response('200 OK', [], 'ok')],
    ['an answer behind chunks', Buffer.concat([head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), chunked('ok')])],
    ['an answer behind a 204', head('HTTP/1.1 204 No Content')],
  ] as const) {
    row(
      'G29-extra-after-cl',
      async () => {
        const target = await lab.target(odd(first, POISON));
        const client = await lab.send(get('/odd'));
        const answer = await client.readFinal();
        expect(answer.body.bytes.toString()).not.toContain('poison');
        await expectInStep(client, answer, target);
        expect(target.requests.at(-1)?.connection).not.toBe(target.requests[0]?.connection);
      },
      what,
    );
  }

  for (const [id, bytes, end] of [
    ['G30-unsolicited', POISON, 'keep'],
    ['G30-unsolicited', 'x', 'keep'],
    ['G31-408-idle', response('408 Request Timeout', ['Connection: close']), 'fin'],
  ] as const) {
    row(
      id,
      async () => {
        const target = await lab.target();
        const client = await lab.send(get('/1'));
        await client.readFinal();
        const connection = await target.connection();
        connection.send(bytes);
        if (end === 'fin') connection.end();
        await connection.closed();
        for (const method of ['GET', 'POST']) {
          client.write(head(`${method} /2 HTTP/1.1`, HOST, 'Content-Length: 0'));
          const answer = await client.readFinal();
          expect(`${answer.status} ${answer.body.bytes}`).toBe(`200 ${method} /2`);
        }
      },
      JSON.stringify(bytes.toString().slice(0, 24)),
    );
  }
});

describe('G. What is relayed', () => {
  row('G28-close-delimited', async () => {
    const body = randomBytes(200_000);
    const target = await lab.target(async (request) => {
      if (request.target !== '/odd') return echo(request);
      request.send(head('HTTP/1.1 200 OK'), body);
      request.connection.end();
    });
    const client = await lab.send(get('/odd'));
    const answer = await client.readFinal();
    expect(answer.body.bytes.equals(body)).toBe(true);
    if (answer.body.framing !== 'close') await expectInStep(client, answer, target);
  });

  row(
    'G28-close-delimited',
    async () => {
      await lab.target((request) => {
        request.send('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello');
        request.connection.end();
      });
      const client = await lab.send(get('/odd'));
      expect((await client.readFinal()).body.bytes.toString()).toBe('hello');
    },
    'of an HTTP/1.0 target; the status line is ours',
  );

  row('G32-trailers', async () => {
    const body = '5\r\nhello\r\n0\r\nX-Checksum: abc\r\nSet-Cookie: evil=1\r\nContent-Length: 3\r\n\r\n';
    const target = await lab.target(
      odd(head('HTTP/1.1 200 OK', 'Trailer: X-Checksum', 'Transfer-Encoding: chunked'), body),
    );
    const client = await lab.send(get('/odd'));
    const answer = await client.readFinal();
    expect(answer.body.bytes.toString()).toBe('hello');
    expect([...values(answer, 'x-checksum'), ...values(answer, 'set-cookie')]).toEqual([]);
    expect(answer.body.trailers.map((field) => field.name.toLowerCase())).not.toContain('content-length');
    await expectInStep(client, answer, target);
  });

  row('G33-set-cookie', async () => {
    const cookies = ['a=1; Path=/; Expires=Wed, 21 Oct 2037 07:28:00 GMT', 'b=2', 'c=3; HttpOnly'];
    await lab.target(
      odd(
        response('200 OK', [
          `Set-Cookie: ${cookies[0]}`,
          'X-A: 1',
          `set-cookie: ${cookies[1]}`,
          `Set-Cookie: ${cookies[2]}`,
        ]),
      ),
    );
    const client = await lab.send(get('/odd'));
    expect(values(await client.readFinal(), 'set-cookie')).toEqual(cookies);
  });

  row('G34-dup-resp', async () => {
    await lab.target(odd(response('200 OK', ['X-Order: 1', 'Link: <a>', 'x-order: 2', 'X-ORDER: 3', 'Link: <b>'])));
    const client = await lab.send(get('/odd'));
    const answer = await client.readFinal();
    expect(values(answer, 'x-order').join().replaceAll(' ', '')).toBe('1,2,3');
    expect(values(answer, 'link').join().replaceAll(' ', '')).toBe('<a>,<b>');
  });

  row('G35-date', async () => {
    const date = 'Tue, 15 Nov 1994 08:12:31 GMT';
    await lab.target(odd(response('200 OK', [`Date: ${date}`])));
    const client = await lab.send(get('/odd'));
    expect(values(await client.readFinal(), 'date')).toEqual([date]);
  });

  row(
    'G35-date',
    async () => {
      await lab.target(odd(head('HTTP/1.1 200 OK', 'Content-Length: 0')));
      const before = Math.floor(Date.now() / 1000) * 1000;
      const client = await lab.send(get('/odd'));
      const date = value(await client.readFinal(), 'date') ?? '';
      expect(date).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
      expect(Date.parse(date)).toBeGreaterThanOrEqual(before - 1_000);
      expect(Date.parse(date)).toBeLessThanOrEqual(Date.now());
    },
    'given where the target gave none',
  );

  row(
    'G35-date',
    async () => {
      const date = 'Tue, 15 Nov 1994 08:12:31 GMT';
      await lab.target(odd(response('200 OK', ['Connection: Date', `Date: ${date}`])));
      const client = await lab.send(get('/odd'));
      expect(values(await client.readFinal(), 'date')).toHaveLength(1);
    },
    'even if Connection names it',
  );

  row('G36-gzip-opaque', async () => {
    const body = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), randomBytes(50_000)]);
    await lab.target(
      odd(response('200 OK', ['Content-Encoding: gzip', 'ETag: "a"', 'Cache-Control: no-transform'], body)),
    );
    const client = await lab.send(head('GET /odd HTTP/1.1', HOST, 'Accept-Encoding: br'));
    const answer = await client.readFinal();
    expect(values(answer, 'content-encoding')).toEqual(['gzip']);
    expect(value(answer, 'content-length')).toBe(String(body.length));
    expect(sha256(answer.body.bytes)).toBe(sha256(body));
  });

  for (const [what, line, reason] of [
    ['empty', 'HTTP/1.1 200 ', ''],
    ['absent, which some targets do', 'HTTP/1.1 200', ''],
    ['with obs-text', 'HTTP/1.1 200 d\xe9j\xe0 vu', 'd\xe9j\xe0 vu'],
    ['unknown status', 'HTTP/1.1 599 Odd One', 'Odd One'],
  ] as const) {
    row(
      'G41-reason',
      async () => {
        const target = await lab.target(odd(head(line, 'Content-Length: 5'), 'hello'));
        const client = await lab.send(get('/odd'));
        const answer = await client.readFinal();
        expect([answer.status, answer.reason]).toEqual([Number(line.slice(9, 12)), reason]);
        await expectInStep(client, answer, target);
      },
      what,
    );
  }
});

describe('G. Streaming and early answers', () => {
  row('G37-stream-first-byte', async () => {
    const seen = Promise.withResolvers<void>();
    await lab.target(async (request) => {
      request.send(
        head('HTTP/1.1 200 OK', 'Content-Type: text/event-stream', 'Transfer-Encoding: chunked'),
        'b\r\ndata: one\n\n\r\n',
      );
      await seen.promise;
      request.send('b\r\ndata: two\n\n\r\n0\r\n\r\n');
    });
    const client = await lab.send(get('/odd'));
    await client.inbox.wait('the first event', () => (client.rest.includes('data: one\n\n') ? true : undefined));
    seen.resolve();
    expect((await client.readFinal()).body.bytes.toString()).toBe('data: one\n\ndata: two\n\n');
  });

  row(
    'G37-stream-first-byte',
    async () => {
      const seen = Promise.withResolvers<void>();
      await lab.target(async (request) => {
        request.send(head('HTTP/1.1 200 OK', 'Content-Length: 10'));
        await seen.promise;
        request.send('helloworld');
      });
      const client = await lab.send(get('/odd'));
      expect((await client.peekHead()).status).toBe(200);
      seen.resolve();
      expect((await client.readFinal()).body.bytes.toString()).toBe('helloworld');
    },
    'the head alone',
  );

  for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    row(
      'G38-stream-upload',
      async () => {
        const parts = framing.startsWith('C') ? ['hello', 'world'] : ['5\r\nhello\r\n', '5\r\nworld\r\n0\r\n\r\n'];
        const target = await lab.target();
        const client = await lab.send(head('POST /upload HTTP/1.1', HOST, framing), parts[0] ?? '');
        const request = await target.request();
        await request.connection.inbox.wait('the first part', () =>
          request.body.bytes.toString() === 'hello' ? true : undefined,
        );
        client.write(parts[1] ?? '');
        expect((await client.readFinal()).status).toBe(200);
        expect(request.body.bytes.toString()).toBe('helloworld');
      },
      framing,
    );
  }

  for (const [what, leave] of [
    ['and closes', 'fin'],
    ['and resets once the client has it', 'rst'],
  ] as const) {
    row(
      'G39-413-early',
      async () => {
        const target = await lab.target((request) => {
          if (request.target !== '/odd') return echo(request);
          request.connection.pause();
          request.send(response('413 Content Too Large', ['Connection: close'], 'too large'));
          if (leave === 'fin') request.connection.end();
          return;
        });
        const client = await lab.send(head('POST /odd HTTP/1.1', HOST, `Content-Length: ${8 * 1024 * 1024}`));
        for (let i = 0; i < 16; i++) client.write(Buffer.alloc(256 * 1024));
        const answer = await client.readFinal();
        expect(`${answer.status} ${answer.body.bytes}`).toBe('413 too large');
        target.connections[0]?.reset();
        client.destroy();
        await lab.probe(target);
      },
      what,
    );
  }

  row('G40-early-keepalive', async () => {
    const answered = Promise.withResolvers<void>();
    const target = await lab.target((request) => {
      if (request.target !== '/odd') return echo(request);
      request.send(response('200 OK', [], 'early'));
      answered.resolve();
      return;
    });
    const client = await lab.send(head('POST /odd HTTP/1.1', HOST, `Content-Length: ${5 + SMUGGLED.length}`), 'hello');
    await answered.promise;
    const answer = await client.readFinal();
    expect(answer.body.bytes.toString()).toBe('early');
    await lab.probe(target);
    client.write(SMUGGLED, get('/next'));
    if (value(answer, 'connection') !== 'close') {
      const next = await client.readFinal().catch(() => null);
      if (next !== null) expect(next.body.bytes.toString()).toBe('GET /next');
    }
    await lab.probe(target);
    expect(target.requests.map((request) => request.target)).not.toContain('/smuggled');
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
