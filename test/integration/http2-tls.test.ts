import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { useHttp2Clients } from '../support/http2-client.ts';
import { head, response, value } from '../support/message.ts';
import { textHeader } from '../support/proxy-headers.ts';
import { GATE, serving, useSecureClients } from '../support/tls.ts';

const answer = response('200 OK', [], 'hello');
const TLS = { tls: serving(GATE), http2: { streams: 100 } };

describe('a TLS listener', () => {
  const bench = useBench({ listener: TLS });
  const secure = useSecureClients();
  const clients = useHttp2Clients();

  it('speaks HTTP/2 where a client offers it, and prefers it', async () => {
    const target = await bench.target((request) => void request.send(answer));
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const { socket } = await secure.open(bench.gate.port, { ALPNProtocols: ['http/1.1', 'h2'] });
    expect(socket.alpnProtocol).toBe('h2');
    const client = clients.open(bench.gate.port, socket);
    const bodies = await Promise.all(Array.from({ length: 10 }, () => client.request()));
    expect(bodies.map(({ status, body }) => `${status} ${body}`)).toEqual(
      Array.from({ length: 10 }, () => '200 hello'),
    );
    const [request] = target.requests;
    expect(value(request?.head ?? { fields: [] }, 'x-forwarded-proto')).toBe('https');
    expect(value(request?.head ?? { fields: [] }, 'via')).toMatch(/^2\.0 /);
    expect(await bench.account()).toMatchObject({ accepted: 10, outcomes: { ok: 10 } });
  });

  it.each([[['http/1.1']], [[]]])('speaks HTTP/1.1 where a client offers %j', async (ALPNProtocols) => {
    const target = await bench.target((request) => void request.send(answer));
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const { client, socket } = await secure.open(bench.gate.port, { ALPNProtocols });
    expect(socket.alpnProtocol).toBe(ALPNProtocols[0] ?? false);
    client.write(head('GET / HTTP/1.1', 'Host: gate.test'));
    expect((await client.readResponse()).body.bytes.toString()).toBe('hello');
  });

  it('takes a client at its word: HTTP/2 that was not agreed on is refused', async () => {
    await bench.serve({ upstreams: {} });
    const { client } = await secure.open(bench.gate.port, { ALPNProtocols: ['http/1.1'] });
    client.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect((await client.readResponse()).status).toBe(505);
  });
});

describe('a TLS listener without HTTP/2', () => {
  const bench = useBench({ listener: { tls: serving(GATE) } });
  const secure = useSecureClients();

  it('does not agree on it', async () => {
    await bench.serve({ upstreams: {} });
    const { socket } = await secure.open(bench.gate.port, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(socket.alpnProtocol).toBe('http/1.1');
    await expect(secure.open(bench.gate.port, { ALPNProtocols: ['h2'] })).rejects.toThrow();
  });
});

describe('HTTP/2 behind a balancer that sends PROXY protocol headers', () => {
  const trusted = { trustedProxies: ['127.0.0.1'], proxyProtocol: 'required' } as const;
  const plain = useBench({ listener: { ...trusted, http2: { streams: 100 } } });
  const tls = useBench({ listener: { ...trusted, ...TLS } });
  const secure = useSecureClients();
  const clients = useHttp2Clients();
  const preface = textHeader('192.0.2.7');

  it('knows its clients, over TLS', async () => {
    const target = await tls.target((request) => void request.send(answer));
    await tls.serve({ upstreams: { blue: { targets: [target.port] } } });
    const { socket } = await secure.open(tls.gate.port, { preface, ALPNProtocols: ['h2'] });
    expect(await clients.open(tls.gate.port, socket).request()).toMatchObject({ status: 200 });
    expect(value(target.requests[0]?.head ?? { fields: [] }, 'x-forwarded-for')).toBe('192.0.2.7');
  });

  it('knows its clients, in clear text, of either version', async () => {
    const target = await plain.target((request) => void request.send(answer));
    await plain.serve({ upstreams: { blue: { targets: [target.port] } } });
    const socket = connect(plain.gate.port, '127.0.0.1');
    socket.write(preface);
    expect(await clients.open(plain.gate.port, socket).request()).toMatchObject({ status: 200 });
    const client = await plain.send(preface, head('GET / HTTP/1.1', 'Host: gate.test'));
    expect((await client.readResponse()).status).toBe(200);
    expect(target.requests.map((request) => value(request.head, 'x-forwarded-for'))).toEqual([
      '192.0.2.7',
      '192.0.2.7',
    ]);
    expect(target.requests.map((request) => value(request.head, 'via')?.split(' ')[0])).toEqual(['2.0', '1.1']);
  });
});

describe('HTTP/2 behind a trusted proxy', () => {
  const bench = useBench({ listener: { trustedProxies: ['127.0.0.1'], http2: { streams: 100 } } });
  const clients = useHttp2Clients();

  it('believes what it says of the client', async () => {
    const target = await bench.target((request) => void request.send(answer));
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const fields = { 'x-forwarded-for': '198.51.100.9', 'x-forwarded-proto': 'https', via: '1.1 edge' };
    expect(await clients.open(bench.gate.port).request(fields)).toMatchObject({ status: 200 });
    const [request] = target.requests;
    expect(value(request?.head ?? { fields: [] }, 'x-forwarded-for')).toBe('198.51.100.9, 127.0.0.1');
    expect(value(request?.head ?? { fields: [] }, 'x-forwarded-proto')).toBe('https');
  });
});
