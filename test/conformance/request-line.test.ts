import { describe, expect } from 'vitest';
import { row, useLab, wholeRequests } from '../support/lab.ts';
import { chunked, head, response, value } from '../support/message.ts';

const lab = useLab();

const HOST = 'Host: gate.test';

describe('D. Target', () => {
  for (const target of [
    '/',
    '/a/../b/./c//d/',
    '/%2e%2e/%2F%5c%00?x=%0d%0a&y=a+b;z=%E2%82%AC',
    '/?a?b/c&&==%',
    '/~u/!$&\'()*+,;=:@/|{}^`"<>\\[]',
    '/x?url=http://other.test/?a=b',
    '/CaSe/%aF%Af',
  ]) {
    row(
      'D01-target-exact',
      async () => expect((await lab.served(head(`GET ${target} HTTP/1.1`, HOST))).target).toBe(target),
      target,
    );
  }

  row('D02-double-slash', async () => {
    const request = await lab.served(head('GET //evil.test/c/D02 HTTP/1.1', HOST));
    expect(request.target).toBe('//evil.test/c/D02');
    expect(value(request, 'host')).toBe('gate.test');
  });

  for (const target of [
    '@evil:80/',
    'evil.test/x',
    'x',
    '?a=b',
    '.',
    ':80/',
    'http:/evil.test',
    'http://',
    'http:///x',
    'http://u@evil.test/',
  ]) {
    row('D03-at-target', () => lab.refused(head(`GET ${target} HTTP/1.1`, HOST), 400), target);
  }

  for (const target of [
    'ftp://evil.test/x',
    'file:///etc/passwd',
    'gopher://evil.test/',
    'unix:/run/x',
    'javascript:alert(1)',
  ]) {
    row(
      'D04-abs-other-scheme',
      async () => {
        const { kind, answer } = await lab.attack(head(`GET ${target} HTTP/1.1`, HOST));
        if (kind === 'rejected') expect(answer.status).toBe(400);
      },
      target,
    );
  }

  for (const line of ['GET * HTTP/1.1', 'POST * HTTP/1.1', 'OPTIONS ** HTTP/1.1']) {
    row('D05-get-star', () => lab.refused(head(line, HOST), 400), line);
  }

  row('D06-options-star', async () => {
    const target = await lab.target();
    const client = await lab.send(head('OPTIONS * HTTP/1.1', HOST));
    const answer = await client.readFinal();
    expect(answer.status).toBeLessThan(300);
    expect(target.requests.map((request) => request.target)).toSatisfy(
      (all: string[]) => all.length === 0 || all.join() === '*',
    );
  });

  for (const target of ['evil.test:443', '127.0.0.1:1', '/x', '*']) {
    row(
      'D07-connect',
      async () => {
        const { kind, answer } = await lab.attack(`CONNECT ${target} HTTP/1.1\r\n${HOST}\r\n\r\nraw bytes`);
        expect(kind).toBe('rejected');
        expect(answer.status).toSatisfy((status: number) => status < 500 || status === 501);
      },
      target,
    );
  }

  for (const target of ['/a#b', '/#', '/a?b#c', '#']) {
    row('D08-fragment', () => lab.refused(head(`GET ${target} HTTP/1.1`, HOST), 400), target);
  }

  for (const target of ['/a b', '/a  b', '/a\tb', ' /a', '/a b c HTTP/1.1', '/a ']) {
    row('D09-space', () => lab.refused(head(`GET ${target} HTTP/1.1`, HOST), 400), JSON.stringify(target));
  }

  for (const target of ['/caf\xe9', '/\xc3\xa9', '/?\xff']) {
    row(
      'D10-nonascii',
      async () => {
        const { kind, answer, forwarded } = await lab.attack(head(`GET ${target} HTTP/1.1`, HOST));
        if (kind === 'rejected') expect(answer.status).toBe(400);
        else expect(forwarded[0]?.target).toBe(target);
      },
      JSON.stringify(target),
    );
  }

  for (const target of ['/a\x00b', '/a\x7fb', '/a\x1bb', '/a\rb']) {
    row(
      'D10-nonascii',
      () => lab.refused(head(`GET ${target} HTTP/1.1`, HOST), 400),
      `control ${JSON.stringify(target)}`,
    );
  }
});

describe('D. Method and version', () => {
  for (const method of ['get', 'Get', 'gET']) {
    row(
      'D11-method-case',
      async () => {
        const { kind, answer, forwarded } = await lab.attack(head(`${method} /x HTTP/1.1`, HOST));
        if (kind === 'served') expect(forwarded[0]?.method).toBe(method);
        else expect([400, 405, 501]).toContain(answer.status);
      },
      method,
    );
  }

  row(
    'D11-method-case',
    async () => {
      await lab.target();
      const client = await lab.send(head('head /x HTTP/1.1', HOST));
      const answer = await client.readFinal();
      if (answer.status < 400) expect(answer.body.bytes.toString()).toBe('head /x');
      else expect([400, 405, 501]).toContain(answer.status);
    },
    'head: its answer has a body',
  );

  for (const method of ['REPORTX', 'PROPFIND', 'M-SEARCH', "X!#$%&'*+-.^_`|~9"]) {
    row(
      'D12-method-unknown',
      async () => {
        const { kind, answer, forwarded } = await lab.attack(head(`${method} /x HTTP/1.1`, HOST));
        if (kind === 'served') expect(forwarded[0]?.method).toBe(method);
        else expect([400, 405, 501]).toContain(answer.status);
      },
      method,
    );
  }

  for (const line of [
    'G[T /x HTTP/1.1',
    'G\x00T /x HTTP/1.1',
    '"GET" /x HTTP/1.1',
    ' GET /x HTTP/1.1',
    'GET',
    'GET /x',
    ' ',
  ]) {
    row('D12-method-unknown', () => lab.refused(head(line, HOST), 400, 501), `no token ${JSON.stringify(line)}`);
  }

  row('D13-h2-preface', async () => {
    const { kind } = await lab.attack('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00');
    expect(kind).toBe('rejected');
  });

  row('D14-http09', async () => {
    const target = await lab.target();
    const client = await lab.send('GET /x\r\n');
    await client.readUntilClosed();
    await lab.probe(target);
    expect(target.requests.map((request) => request.target)).toEqual(['/probe']);
  });

  for (const version of [
    'HTTP/9.9',
    'HTTP/2.0',
    'HTTP/1.2',
    'HTTP/0.9',
    'HTTP/1.10',
    'HTTP/01.1',
    'HTTP/1',
    'http/1.1',
    'HTTP/1.',
    'HTP/1.1',
    'HTTP/1.1 ',
    'HTTP/+1.1',
  ]) {
    row(
      'D15-version',
      async () => {
        const { kind, answer } = await lab.attack(head(`GET /x ${version}`, HOST));
        if (kind === 'rejected') expect([400, 505]).toContain(answer.status);
        else expect(version).toBe('HTTP/1.2'); // a higher minor version may be served as 1.1 (RFC 9112 §2.3)
      },
      JSON.stringify(version),
    );
  }

  for (const fields of [[HOST], [HOST, 'Connection: close'], []]) {
    row(
      'D16-http10-up',
      async () => {
        const target = await lab.target();
        const client = await lab.send(head('GET /x HTTP/1.0', ...fields));
        const answer = await client.readFinal();
        expect(answer.status).toBe(200);
        expect(await client.readUntilClosed()).toBe('fin');
        expect((await target.request()).minor).toBe(1);
      },
      fields.join(' / '),
    );
  }

  row(
    'D16-http10-up',
    async () => {
      await lab.target();
      const client = await lab.send(head('GET /x HTTP/1.0', HOST, 'Connection: keep-alive'));
      const answer = await client.readFinal();
      expect(answer.status).toBe(200);
      // Whichever it does, it must say so: without keep-alive the client waits for the end.
      if (value(answer, 'connection')?.toLowerCase() !== 'keep-alive') await client.readUntilClosed();
    },
    'Connection: keep-alive',
  );

  row('D17-http10-nochunk', async () => {
    await lab.target(
      (request) => void request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), chunked('hel', 'lo')),
    );
    const client = await lab.send(head('GET /x HTTP/1.0', HOST));
    expect(await client.readUntilClosed()).toBe('fin');
    const answer = await client.readFinal();
    expect(value(answer, 'transfer-encoding')).toBeUndefined();
    expect(answer.body.bytes.toString()).toBe('hello');
  });

  row('D18-leading-crlf', async () => {
    const request = await lab.served(Buffer.concat([Buffer.from('\r\n'), head('GET /x HTTP/1.1', HOST)]));
    expect(request.target).toBe('/x');
  });

  row(
    'D18-leading-crlf',
    async () => {
      const target = await lab.target();
      const client = await lab.send(
        head('POST /1 HTTP/1.1', HOST, 'Content-Length: 2'),
        'ab',
        '\r\n',
        head('GET /2 HTTP/1.1', HOST),
      );
      expect((await client.readFinal()).body.bytes.toString()).toBe('POST /1');
      expect((await client.readFinal()).body.bytes.toString()).toBe('GET /2');
      expect(target.whole[0]?.body.bytes.toString()).toBe('ab');
    },
    'behind a body, as old clients sent',
  );

  row('D19-trace', async () => {
    await lab.target(async (request) => {
      const reflected = request.fields.map((field) => `${field.name}: ${field.value}`).join('\r\n');
      if (await request.whole) request.send(response('200 OK', ['Content-Type: message/http'], reflected));
    });
    const client = await lab.send(
      head('TRACE /x HTTP/1.1', HOST, 'Cookie: session=secret', 'Authorization: Bearer secret'),
    );
    expect((await client.readFinal()).body.bytes.toString()).not.toContain('secret');
  });
});

describe('D. Max-Forwards', () => {
  for (const method of ['OPTIONS', 'TRACE']) {
    row(
      'D20-maxfwd0',
      async () => {
        const target = await lab.target();
        const client = await lab.send(head(`${method} /x HTTP/1.1`, HOST, 'Max-Forwards: 0'));
        const answer = await client.readFinal();
        if (method === 'OPTIONS') expect(answer.status).toBeLessThan(300);
        await lab.probe(target);
        expect(target.requests.map((request) => request.target)).toEqual(['/probe']);
      },
      method,
    );
  }

  row('D21-maxfwd3', async () => {
    const request = await lab.served(head('OPTIONS /x HTTP/1.1', HOST, 'Max-Forwards: 3'));
    expect(value(request, 'max-forwards')).toBe('2');
  });

  row(
    'D21-maxfwd3',
    async () => {
      const request = await lab.served(head('GET /x HTTP/1.1', HOST, 'Max-Forwards: 0'));
      expect(request.method).toBe('GET');
    },
    'other methods ignore it',
  );
});

describe('D. Connection life', () => {
  row('D22-pipeline3', async () => {
    await lab.target();
    const client = await lab.send(...[1, 2, 3].map((i) => head(`GET /${i} HTTP/1.1`, HOST)));
    for (const i of [1, 2, 3]) expect((await client.readFinal()).body.bytes.toString()).toBe(`GET /${i}`);
  });

  row(
    'D22-pipeline3',
    async () => {
      await lab.target();
      const client = await lab.send(
        head('POST /1 HTTP/1.1', HOST, 'Content-Length: 3'),
        'abc',
        head('GET /2 HTTP/1.1', HOST),
        head('POST /3 HTTP/1.1', HOST, 'Transfer-Encoding: chunked'),
        chunked('xyz'),
        head('HEAD /4 HTTP/1.1', HOST),
        head('GET /5 HTTP/1.1', HOST),
      );
      for (const [method, path] of [
        ['POST', '/1'],
        ['GET', '/2'],
        ['POST', '/3'],
        ['HEAD', '/4'],
        ['GET', '/5'],
      ] as const) {
        const answer = await client.readFinal({ method });
        expect(answer.body.bytes.toString()).toBe(method === 'HEAD' ? '' : `${method} ${path}`);
      }
    },
    'with bodies and HEAD between them',
  );

  row(
    'D22-pipeline3',
    async () => {
      await lab.target();
      const client = await lab.client();
      const all = Buffer.concat([
        head('GET /1 HTTP/1.1', HOST),
        head('GET /2 HTTP/1.1', HOST),
        head('GET /3 HTTP/1.1', HOST),
      ]);
      // Cut in the middle of the second request.
      client.write(all.subarray(0, Math.floor(all.length / 2)));
      expect((await client.readFinal()).body.bytes.toString()).toBe('GET /1');
      client.write(all.subarray(Math.floor(all.length / 2)));
      for (const i of [2, 3]) expect((await client.readFinal()).body.bytes.toString()).toBe(`GET /${i}`);
    },
    'split inside a head',
  );

  row(
    'D22-pipeline3',
    async () => {
      const target = await lab.target();
      const client = await lab.send(
        head('GET /1 HTTP/1.1', HOST),
        head('GET /2 HTTP/1.1', HOST),
        'garbage\x00\r\n\r\n',
      );
      expect((await client.readFinal()).body.bytes.toString()).toBe('GET /1');
      expect((await client.readFinal()).body.bytes.toString()).toBe('GET /2');
      expect((await client.readFinal()).status).toBe(400);
      await client.readUntilClosed();
      expect(target.requests).toHaveLength(2);
    },
    'garbage behind valid requests does not cost their answers',
  );

  for (const token of ['close', 'Close', 'foo, close']) {
    row(
      'D23-after-close',
      async () => {
        const target = await lab.target();
        const client = await lab.send(
          head('GET /1 HTTP/1.1', HOST, `Connection: ${token}`),
          head('GET /2 HTTP/1.1', HOST),
        );
        const answer = await client.readFinal();
        expect(answer.body.bytes.toString()).toBe('GET /1');
        expect(value(answer, 'connection')).toBe('close');
        await client.readUntilClosed();
        expect(client.rest).toHaveLength(0);
        await lab.probe(target);
        expect((await wholeRequests(target, 2)).map((request) => request.target)).toEqual(['/1', '/probe']);
      },
      token,
    );
  }
});
