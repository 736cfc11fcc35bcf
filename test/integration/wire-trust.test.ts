import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { named } from '../support/load.ts';
import { head, value, values } from '../support/message.ts';
import type { TargetRequest } from '../support/scripted-target.ts';

const HOST = 'Host: gate.test';

/** One request with these fields, as the target sees it. */
async function forwarded(bench: ReturnType<typeof useBench>, ...fields: string[]): Promise<TargetRequest> {
  const target = await bench.target();
  await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
  const client = await bench.send(head('GET /x HTTP/1.1', HOST, ...fields));
  expect((await client.readFinal()).status).toBe(200);
  return target.request();
}

describe('behind a trusted proxy', () => {
  const bench = useBench({ listener: { trustedProxies: ['127.0.0.0/8', '10.1.0.0/16'] } });

  it('appends to what the proxy says of the client', async () => {
    const request = await forwarded(
      bench,
      'X-Forwarded-For: 203.0.113.7, 10.1.2.3',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: shop.example',
      'X-Forwarded-Port: 8443',
      'Forwarded: for=203.0.113.7;proto=https',
    );
    expect(value(request, 'x-forwarded-for')).toBe('203.0.113.7, 10.1.2.3, 127.0.0.1');
    expect(value(request, 'x-forwarded-proto')).toBe('https');
    expect(value(request, 'x-forwarded-host')).toBe('shop.example');
    expect(value(request, 'x-forwarded-port')).toBe('8443');
    expect(value(request, 'forwarded')).toMatch(/^for=203\.0\.113\.7;proto=https, for=127\.0\.0\.1;/);
  });

  it('joins several lines in order', async () => {
    const request = await forwarded(bench, 'X-Forwarded-For: 203.0.113.7', 'x-forwarded-for: 10.1.2.3');
    expect(values(request, 'x-forwarded-for').join(', ')).toBe('203.0.113.7, 10.1.2.3, 127.0.0.1');
  });

  it('still drops aliases that a server could take for them', async () => {
    const request = await forwarded(bench, 'X_Forwarded_For: 6.6.6.6', 'X-Forwarded-For: 203.0.113.7');
    expect(request.fields.map((field) => field.value).join()).not.toContain('6.6.6.6');
  });

  it('takes for the client the last address that no trusted proxy vouches for', async () => {
    const upstream = { weight: 50 };
    const ports = [(await bench.target(named('blue'))).port, (await bench.target(named('green'))).port];
    await bench.serve({
      upstreams: { blue: { ...upstream, targets: [ports[0] ?? 0] }, green: { ...upstream, targets: [ports[1] ?? 0] } },
      pins: { by: 'ip' },
    });
    const client = await bench.client();
    const sideOf = async (chain: string): Promise<string> => {
      client.write(head('GET /x HTTP/1.1', HOST, `X-Forwarded-For: ${chain}`));
      return (await client.readFinal()).body.bytes.toString();
    };
    const sides = new Set<string>();
    for (let i = 1; i < 40; i++) {
      const address = `203.0.113.${i}`;
      const side = await sideOf(address);
      sides.add(side);
      // What a client put in front of it, and trusted proxies behind it, change nothing.
      expect(await sideOf(`6.6.6.${i}, ${address}`)).toBe(side);
      expect(await sideOf(`${address}, 10.1.9.9`)).toBe(side);
    }
    expect(sides.size).toBe(2);
  });
});

describe('without trusted proxies', () => {
  const bench = useBench();

  it('believes nothing of what a client says of itself', async () => {
    const request = await forwarded(
      bench,
      'X-Forwarded-For: 6.6.6.6',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.test',
      'X-Forwarded-Port: 1',
      'X-Real-IP: 6.6.6.6',
      'Forwarded: for=6.6.6.6;host=evil.test;proto=https',
    );
    expect(value(request, 'x-forwarded-for')).toBe('127.0.0.1');
    expect(value(request, 'x-forwarded-proto')).toBe('http');
    expect(value(request, 'x-forwarded-host')).toBe('gate.test');
    const sent = request.fields.map((field) => field.value).join('\n');
    expect(sent).not.toMatch(/6\.6\.6\.6|evil\.test|https/);
  });

  it('gives each request an id, keeps a sound one of the client, and replaces any other', async () => {
    const ids = new Set<string>();
    for (const given of [
      [],
      ['X-Request-Id: '],
      ['X-Request-Id: a b'],
      [`X-Request-Id: ${'a'.repeat(200)}`],
      ['X-Request-Id: a', 'X-Request-Id: b'],
    ]) {
      const id = value(await forwarded(bench, ...given), 'x-request-id') ?? '';
      expect(id).toMatch(/^[\w.-]{8,}$/);
      ids.add(id);
    }
    expect(ids.size).toBe(5);
    expect(value(await forwarded(bench, 'X-Request-Id: given-by-the-client'), 'x-request-id')).toBe(
      'given-by-the-client',
    );
  });

  it('refuses a request that has passed it before', async () => {
    const first = await forwarded(bench);
    const target = await bench.target();
    await bench.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await bench.send(head('GET /x HTTP/1.1', HOST, `Via: ${values(first, 'via').join(', ')}`));
    expect((await client.readFinal()).status).toBe(508);
    expect(target.requests).toEqual([]);
  });
});
