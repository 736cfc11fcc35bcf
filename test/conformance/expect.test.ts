import { describe, expect } from 'vitest';
import { row, SMUGGLED, useLab } from '../support/lab.ts';
import { head, response, value, values } from '../support/message.ts';
import { echo, type TargetScript } from '../support/scripted-target.ts';

const lab = useLab();

const HOST = 'Host: gate.test';

/** A target that answers an expectation as it should. */
const expecting: TargetScript = async (request) => {
  if (values(request, 'expect').length > 0) request.send(head('HTTP/1.1 100 Continue'));
  await echo(request);
};

describe('K. Expect', () => {
  for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    row(
      'K01-expect',
      async () => {
        const target = await lab.target(expecting);
        const client = await lab.send(head('PUT /x HTTP/1.1', HOST, framing, 'Expect: 100-continue'));
        expect((await client.readResponse({ deadlineMs: 1_500 })).status).toBe(100);
        client.write(framing.startsWith('C') ? 'hello' : '5\r\nhello\r\n0\r\n\r\n');
        const answer = await client.readFinal();
        expect([answer.status, answer.interim.length]).toEqual([200, 0]);
        expect((await target.request()).body.bytes.toString()).toBe('hello');
        client.write(head('GET /next HTTP/1.1', HOST));
        expect((await client.readFinal()).body.bytes.toString()).toBe('GET /next');
      },
      framing,
    );
  }

  row(
    'K01-expect',
    async () => {
      const target = await lab.target(expecting);
      const client = await lab.send(
        head('PUT /x HTTP/1.1', HOST, 'Content-Length: 5', 'Expect: 100-Continue'),
        'hello',
      );
      expect((await client.readFinal()).status).toBe(200);
      expect((await target.request()).body.bytes.toString()).toBe('hello');
    },
    'a client that does not wait, in other case',
  );

  row(
    'K01-expect',
    async () => {
      const target = await lab.target();
      const client = await lab.send(head('PUT /x HTTP/1.1', HOST, 'Content-Length: 5', 'Expect: 100-continue'));
      expect((await client.readResponse()).status).toBe(100);
      client.write('hello');
      const answer = await client.readFinal();
      expect([answer.status, answer.interim.length]).toEqual([200, 0]);
      expect((await target.request()).body.bytes.toString()).toBe('hello');
    },
    'a target that waits for the body without a word',
  );

  row('K02-expect-401', async () => {
    const target = await lab.target((request) => {
      if (request.target !== '/x') return echo(request);
      request.send(response('401 Unauthorized', ['WWW-Authenticate: Basic realm="a"'], 'who?'));
      return;
    });
    const client = await lab.send(
      head('PUT /x HTTP/1.1', HOST, `Content-Length: ${SMUGGLED.length}`, 'Expect: 100-continue'),
    );
    const answer = await client.readFinal();
    expect([answer.status, value(answer, 'www-authenticate')]).toEqual([401, 'Basic realm="a"']);
    await lab.probe(target);
    // Whether or not the client still sends the body, none of it is a request.
    client.write(SMUGGLED);
    await lab.probe(target);
    expect(target.requests.map((request) => request.target)).not.toContain('/smuggled');
  });

  for (const expectation of [
    'x 100-continue',
    '100-continue, foo',
    '100-continue;a=b',
    ' 100-continue',
    '"100-continue"',
    '',
  ]) {
    row(
      'K03-expect-obfs',
      async () => {
        const target = await lab.target(expecting);
        const client = await lab.send(
          head('PUT /x HTTP/1.1', HOST, `Content-Length: ${SMUGGLED.length}`, `Expect: ${expectation}`),
          SMUGGLED,
        );
        const answer = await client.readFinal();
        expect([200, 400, 417]).toContain(answer.status);
        if (value(answer, 'connection') === 'close') {
          await client.readUntilClosed();
        } else {
          client.write(head('GET /next HTTP/1.1', HOST));
          expect((await client.readFinal()).body.bytes.toString()).toBe('GET /next');
        }
        await lab.probe(target);
        expect(target.requests.map((request) => request.target)).not.toContain('/smuggled');
      },
      JSON.stringify(expectation),
    );
  }

  for (const fields of [['Expect: 100-continue'], ['Expect: 100-continue', 'Content-Length: 0']]) {
    row(
      'K04-expect-get',
      async () => {
        await lab.target(expecting);
        const client = await lab.send(head('GET /x HTTP/1.1', HOST, ...fields));
        expect((await client.readFinal({ deadlineMs: 1_500 })).status).toBe(200);
        client.write(head('GET /next HTTP/1.1', HOST));
        expect((await client.readFinal()).body.bytes.toString()).toBe('GET /next');
      },
      fields.join(' / '),
    );
  }

  row('K05-expect-http10', async () => {
    await lab.target(async (request) => {
      request.send(head('HTTP/1.1 100 Continue'));
      await echo(request);
    });
    const client = await lab.send(head('POST /x HTTP/1.0', HOST, 'Content-Length: 5', 'Expect: 100-continue'), 'hello');
    await client.readUntilClosed();
    const answer = await client.readFinal();
    expect([answer.status, answer.interim.length]).toEqual([200, 0]);
  });

  for (const expectation of ['foo', '200-ok']) {
    row(
      'K06-expect-unknown',
      async () => {
        await lab.target(expecting);
        const client = await lab.send(head('GET /x HTTP/1.1', HOST, `Expect: ${expectation}`));
        expect([200, 417]).toContain((await client.readFinal()).status);
      },
      expectation,
    );
  }
});
