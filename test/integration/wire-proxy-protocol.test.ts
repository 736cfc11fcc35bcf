import { spawnSync } from 'node:child_process';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { named } from '../support/load.ts';
import { head, value } from '../support/message.ts';
import { startHaproxySender } from '../support/peers.ts';
import { binaryHeader, ipv4Block, ipv6Block, textHeader, tlv } from '../support/proxy-headers.ts';
import { RawClient } from '../support/raw-client.ts';
import { GATE, serving, useSecureClients } from '../support/tls.ts';

type Bench = ReturnType<typeof useBench>;

const TRUSTED = { trustedProxies: ['127.0.0.0/8'], timeouts: { headMs: 500, bodyMs: 2_000, keepAliveMs: 8_000 } };
const get = (path = '/x', ...fields: string[]): Buffer => head(`GET ${path} HTTP/1.1`, 'Host: gate.test', ...fields);

async function serve(bench: Bench) {
  const target = await bench.target();
  await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
  return target;
}

/** Closed without an answer, counted once, told in access line and log. */
async function isRefused(bench: Bench, client: RawClient, why: string): Promise<void> {
  await client.readUntilClosed();
  expect(client.receivedBytes).toBe(0);
  await eventually('the refusal is counted', () => bench.unrouted().outcomes.rejected === 1);
  expect(bench.unrouted()).toMatchObject({ accepted: 1, outcomes: { rejected: 1 } });
  await bench.account(); // what the worker had to say has come
  // Told once in a while only, since a client can cause it at will.
  const told = bench.gate.complaints.splice(0);
  expect(told.length).toBeLessThan(2);
  for (const line of told)
    expect(line).toBe(`warn proxy_protocol.refused a connection was closed: its PROXY protocol header is ${why}`);
}

const HEADERS: readonly (readonly [string, string | Buffer, string])[] = [
  ['version 1, TCP4', textHeader('203.0.113.7'), '203.0.113.7'],
  ['version 1, TCP6', textHeader('2001:db8:0:0::7'), '2001:db8::7'],
  ['version 1, a mapped address', textHeader('::ffff:203.0.113.7'), '203.0.113.7'],
  ['version 1, UNKNOWN', 'PROXY UNKNOWN\r\n', '127.0.0.1'],
  ['version 1, UNKNOWN with addresses', 'PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n', '127.0.0.1'],
  ['version 2, IPv4', binaryHeader(), '203.0.113.7'],
  ['version 2, IPv4, of a datagram', binaryHeader({ family: 0x12 }), '203.0.113.7'],
  ['version 2, IPv6', binaryHeader({ family: 0x21, addresses: ipv6Block('2001:db8:0:0:0:0:0:7') }), '2001:db8::7'],
  ['version 2, AF_UNIX', binaryHeader({ family: 0x31, addresses: Buffer.alloc(216, 'a') }), '127.0.0.1'],
  ['version 2, AF_UNSPEC', binaryHeader({ family: 0, addresses: Buffer.alloc(0) }), '127.0.0.1'],
  ['version 2, LOCAL', binaryHeader({ command: 0x20, family: 0, addresses: Buffer.alloc(0) }), '127.0.0.1'],
  ['version 2, LOCAL with a family to be ignored', binaryHeader({ command: 0x20, family: 0xff }), '127.0.0.1'],
  [
    'version 2, with TLVs',
    binaryHeader({ tlvs: Buffer.concat([tlv(1, 'h2'), tlv(2, 'shop.test'), tlv(4, '')]) }),
    '203.0.113.7',
  ],
  ['version 2, with 8 KiB of TLVs', binaryHeader({ tlvs: tlv(0x20, 'a'.repeat(8192)) }), '203.0.113.7'],
  ['version 2, with a checksum', checksummed(0), '203.0.113.7'],
];

describe('a listener with proxyProtocol: required', () => {
  const bench = useBench({ listener: { ...TRUSTED, proxyProtocol: 'required' }, accessLog: true });

  it.each(HEADERS)('takes the client from %s', async (_, header, client) => {
    const target = await serve(bench);
    const connection = await bench.send(header, get('/1'), get('/2'));
    expect((await connection.readFinal()).status).toBe(200);
    expect((await connection.readFinal()).status).toBe(200);
    const request = await target.request();
    expect(value(request, 'x-forwarded-for')).toBe(client);
    expect(value(request, 'forwarded')).toContain(client.includes(':') ? `for="[${client}]"` : `for=${client}`);
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 2 } });
    const logged = (): boolean => bench.gate.accessLines.join('').includes(`"client":"${client}"`);
    await eventually('the access line names the client', logged);
    bench.gate.accessLines.splice(0);
  });

  it.each([
    ['version 1', Buffer.from(textHeader('203.0.113.7'))],
    ['version 2', binaryHeader({ tlvs: tlv(2, 'shop.test') })],
  ])('takes a header of %s and what follows octet by octet', async (_, header) => {
    const target = await serve(bench);
    const connection = await bench.client();
    await connection.writeByteByByte(Buffer.concat([Buffer.from(header), get()]));
    expect((await connection.readFinal()).status).toBe(200);
    expect(value(await target.request(), 'x-forwarded-for')).toBe('203.0.113.7');
  });

  it.each([
    ['no header', 'missing', get()],
    ['something like one', 'missing', 'PROXZ TCP4 1.2.3.4 1.2.3.4 1 2\r\n'],
    ['an unknown family', 'malformed', 'PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n'],
    ['no family', 'malformed', 'PROXY \r\n'],
    ['UNKNOWN in another case', 'malformed', 'PROXY unknown\r\n'],
    ['UNKNOWN with something behind it', 'malformed', 'PROXY UNKNOWNS\r\n'],
    ['an address of the other family', 'malformed', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['an address that is none', 'malformed', 'PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n'],
    ['an address with leading zeros', 'malformed', 'PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n'],
    ['an address with a zone', 'malformed', 'PROXY TCP6 fe80::1%lo fe80::2 1 2\r\n'],
    ['a port too large', 'malformed', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n'],
    ['a port with a sign', 'malformed', 'PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n'],
    ['two blanks', 'malformed', 'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n'],
    ['something behind the ports', 'malformed', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n'],
    ['a missing port', 'malformed', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n'],
    ['a bare LF', 'malformed', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n'],
    ['a line that does not end', 'too long', `PROXY UNKNOWN ${'x'.repeat(100)}`],
    ['a line of 108 octets', 'too long', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
    ['version 3', 'malformed', binaryHeader({ command: 0x31 })],
    ['an unknown command', 'malformed', binaryHeader({ command: 0x22 })],
    ['an unknown address family', 'malformed', binaryHeader({ family: 0x41, addresses: Buffer.alloc(216) })],
    ['an unknown transport', 'malformed', binaryHeader({ family: 0x13 })],
    ['addresses too short', 'malformed', binaryHeader({ addresses: ipv4Block('1.2.3.4').subarray(0, 11) })],
    ['IPv6 in the place of IPv4', 'malformed', binaryHeader({ family: 0x21 })],
    ['a unix path too short', 'malformed', binaryHeader({ family: 0x31, addresses: Buffer.alloc(215) })],
    ['a TLV beyond the end', 'malformed', binaryHeader({ tlvs: Buffer.from([2, 0, 9, 0x61]) })],
    ['a TLV without its length', 'malformed', binaryHeader({ tlvs: Buffer.from([2, 0]) })],
    ['a wrong checksum', 'malformed', checksummed(1)],
    ['a checksum of three octets', 'malformed', binaryHeader({ tlvs: tlv(3, 'abc') })],
    ['64 KiB of TLVs', 'too long', binaryHeader({ length: 65_535 })],
  ])('closes a connection with %s', async (_, why, bytes) => {
    const target = await serve(bench);
    await isRefused(bench, await bench.send(bytes, get()), why);
    expect(target.requests).toHaveLength(0);
    // And goes on with others.
    const next = await bench.send(textHeader('203.0.113.7'), get());
    expect((await next.readFinal()).status).toBe(200);
  });

  it.each([
    ['version 1', 'PROXY TCP4 203.0'],
    ['version 2', binaryHeader().subarray(0, 20)],
    ['either', '\r\n'],
  ])('closes a connection whose header of %s does not end in time', async (_, bytes) => {
    await serve(bench);
    await isRefused(bench, await bench.send(bytes), 'not whole in time');
  });

  it('closes one that says nothing or goes again without counting it: balancers look that way', async () => {
    await serve(bench);
    const silent = await bench.client();
    const gone = await bench.client();
    gone.halfClose();
    await gone.readUntilClosed();
    await silent.readUntilClosed();
    expect(bench.unrouted().accepted).toBe(0);
  });

  it('takes one header only: a second is no request', async () => {
    const target = await serve(bench);
    const connection = await bench.send(textHeader('203.0.113.7'), textHeader('203.0.113.8'), get());
    expect((await connection.readFinal()).status).toBe(400);
    await connection.readUntilClosed();
    expect(target.requests).toHaveLength(0);
  });

  it('pins by the address that the header names', async () => {
    const [blue, green] = [await bench.target(named('blue')), await bench.target(named('green'))];
    await bench.serve({
      upstreams: { blue: { weight: 50, targets: [blue.port] }, green: { weight: 50, targets: [green.port] } },
      pins: { by: 'ip' },
    });
    const sideOf = async (header: string | Buffer): Promise<string> =>
      (await (await bench.send(header, get())).readFinal()).body.bytes.toString();
    const sides = new Set<string>();
    for (let i = 1; i < 30; i++) {
      const side = await sideOf(textHeader(`203.0.113.${i}`));
      sides.add(side);
      expect(await sideOf(binaryHeader({ addresses: ipv4Block(`203.0.113.${i}`) }))).toBe(side);
    }
    expect(sides.size).toBe(2);
  });
});

describe('a listener with proxyProtocol: true', () => {
  const bench = useBench({
    listener: { ...TRUSTED, trustedProxies: ['127.0.0.1', '203.0.113.0/24'], proxyProtocol: 'optional' },
  });

  it('serves trusted proxies with a header and without', async () => {
    const target = await serve(bench);
    const [plain, proxied] = [await bench.send(get()), await bench.send(textHeader('198.51.100.7'), get())];
    expect((await plain.readFinal()).status).toBe(200);
    expect((await proxied.readFinal()).status).toBe(200);
    const seen = [await target.request(0), await target.request(1)].map((request) => value(request, 'x-forwarded-for'));
    expect(seen.sort()).toEqual(['127.0.0.1', '198.51.100.7']);
  });

  it('serves empty lines before a request that could have begun a header', async () => {
    await serve(bench);
    const client = await bench.client();
    await client.writeByteByByte(Buffer.concat([Buffer.from('\r\n\r\n'), get()]));
    expect((await client.readFinal()).status).toBe(200);
  });

  it('believes forwarding fields of the client in the header if that one is trusted, and of no other', async () => {
    const target = await serve(bench);
    const field = 'X-Forwarded-For: 192.0.2.1';
    const cdn = await bench.send(textHeader('203.0.113.7'), get('/cdn', field));
    await cdn.readFinal();
    expect(value(await target.request(0), 'x-forwarded-for')).toBe('192.0.2.1, 203.0.113.7');
    const other = await bench.send(textHeader('198.51.100.7'), get('/other', field));
    await other.readFinal();
    expect(value(await target.request(1), 'x-forwarded-for')).toBe('198.51.100.7');
  });

  it('refuses the header of anybody else', async () => {
    const target = await serve(bench);
    const stranger = await clientFrom('127.0.0.2', bench.gate.port);
    stranger.write(textHeader('203.0.113.7'), get());
    expect((await stranger.readFinal()).status).toBe(400);
    await stranger.readUntilClosed();
    expect(target.requests).toHaveLength(0);
    const plain = await clientFrom('127.0.0.2', bench.gate.port);
    plain.write(get());
    expect((await plain.readFinal()).status).toBe(200);
    plain.destroy();
    expect(value(await target.request(), 'x-forwarded-for')).toBe('127.0.0.2');
  });
});

describe('a listener with proxyProtocol: required, asked by a stranger', () => {
  const bench = useBench({ listener: { ...TRUSTED, trustedProxies: ['10.0.0.0/8'], proxyProtocol: 'required' } });

  it('closes the connection, header or not', async () => {
    await serve(bench);
    await isRefused(bench, await bench.send(textHeader('203.0.113.7'), get()), 'not from a trusted proxy');
    await serve(bench);
    await isRefused(bench, await bench.send(get()), 'not from a trusted proxy');
  });
});

describe('a TLS listener with proxyProtocol: required', () => {
  const bench = useBench({ listener: { ...TRUSTED, tls: serving(GATE), proxyProtocol: 'required' } });
  const secure = useSecureClients();

  it.each([
    ['version 1', textHeader('203.0.113.7')],
    ['version 2', binaryHeader()],
  ])('reads a header of %s before the handshake', async (_, preface) => {
    const target = await serve(bench);
    const { client } = await secure.open(bench.gate.port, { preface });
    client.write(get('/1'));
    expect((await client.readFinal()).status).toBe(200);
    client.write(get('/2'), get('/3'));
    expect((await client.readFinal()).status).toBe(200);
    expect((await client.readFinal()).status).toBe(200);
    const request = await target.request();
    expect([value(request, 'x-forwarded-for'), value(request, 'x-forwarded-proto')]).toEqual(['203.0.113.7', 'https']);
  });

  it('takes header and handshake in one segment', async () => {
    const target = await serve(bench);
    await using balancer = await startBalancer(bench.gate.port, textHeader('203.0.113.7'));
    const { client } = await secure.open(balancer.port);
    client.write(get());
    expect((await client.readFinal()).status).toBe(200);
    expect(value(await target.request(), 'x-forwarded-for')).toBe('203.0.113.7');
  });

  it('closes a handshake without a header', async () => {
    await serve(bench);
    await expect(secure.open(bench.gate.port)).rejects.toThrow();
    await eventually('the refusal is counted', () => bench.unrouted().outcomes.rejected === 1);
    await bench.account();
    expect(bench.gate.complaints.splice(0)).toEqual([expect.stringMatching(/ is missing$/)]);
  });
});

describe.skipIf(spawnSync('haproxy', ['-v']).status !== 0)('HAProxy as the sender', () => {
  const plain = useBench({ listener: { ...TRUSTED, proxyProtocol: 'required' } });
  const tls = useBench({ listener: { ...TRUSTED, tls: serving(GATE), proxyProtocol: 'required' } });
  const secure = useSecureClients();

  it.each([
    'send-proxy',
    'send-proxy-v2',
    'send-proxy-v2 proxy-v2-options crc32c,unique-id,authority',
    'send-proxy check inter 50ms',
    'send-proxy-v2 check inter 50ms check-send-proxy',
  ])('with %s', async (options) => {
    const target = await serve(plain);
    const balancer = await startHaproxySender(options);
    try {
      await balancer.route(plain.gate.port);
      const client = await clientFrom('127.0.0.9', balancer.port);
      client.write(get('/1'), get('/2'));
      expect((await client.readFinal()).status).toBe(200);
      expect((await client.readFinal()).status).toBe(200);
      expect(value(await target.request(), 'x-forwarded-for')).toBe('127.0.0.9');
      client.destroy();
      expect(plain.unrouted().accepted).toBe(0); // its checks say nothing, or LOCAL
    } finally {
      await balancer.stop();
    }
  });

  it('in front of TLS', async () => {
    const target = await serve(tls);
    const balancer = await startHaproxySender('send-proxy-v2');
    try {
      await balancer.route(tls.gate.port);
      const { client } = await secure.open(balancer.port, { localAddress: '127.0.0.9' });
      client.write(get());
      expect((await client.readFinal()).status).toBe(200);
      expect(value(await target.request(), 'x-forwarded-for')).toBe('127.0.0.9');
    } finally {
      await balancer.stop();
    }
  });
});

/** With a checksum that is off by so much. */
function checksummed(error: number): Buffer {
  const blank = binaryHeader({ tlvs: tlv(3, '\0\0\0\0') });
  const header = Buffer.from(blank);
  header.writeUInt32BE((slowCrc32c(blank) + error) >>> 0, header.length - 4);
  return header;
}

/** Bit by bit, as the polynomial says it. */
function slowCrc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const octet of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const low = (crc ^ (octet >> bit)) & 1;
      crc = (crc >>> 1) ^ (low === 1 ? 0x82f63b78 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Over a loopback address of its own. */
async function clientFrom(localAddress: string, port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return RawClient.over(socket);
}

interface Balancer extends AsyncDisposable {
  readonly port: number;
}

/** Passes connections on to `port`, the header and the first octets in one segment. */
async function startBalancer(port: number, header: string): Promise<Balancer> {
  const server = createServer((client) => {
    const up = connect(port, '127.0.0.1');
    for (const [here, there] of [
      [client, up],
      [up, client],
    ] as const) {
      here.on('error', () => there.destroy());
      here.on('close', () => there.destroy());
    }
    client.once('data', (first: Buffer) => {
      up.write(Buffer.concat([Buffer.from(header), first]));
      client.pipe(up).pipe(client);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}
