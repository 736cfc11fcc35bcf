import { describe, expect, it } from 'vitest';
import { readCell, UPSTREAM } from '../../src/traffic/ledger.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { named } from '../support/load.ts';
import { head, values } from '../support/message.ts';
import { obligation } from '../support/obligations.ts';
import { RawClient } from '../support/raw-client.ts';
import type { ServiceSpec, UpstreamSpec } from '../support/routes.ts';
import { handshake } from '../support/websocket.ts';
import { WorkerGate } from '../support/worker-gate.ts';

const bench = useBench();

const KEY = { id: 'k1', secret: 'c2VjcmV0LW51bWJlci1vbmUtc2VjcmV0' };
const OTHER_KEY = { id: 'k2', secret: 'c2VjcmV0LW51bWJlci10d28tc2VjcmV0' };

interface Shop {
  readonly spec: (
    blue: Partial<UpstreamSpec>,
    green: Partial<UpstreamSpec>,
    keys?: readonly (typeof KEY)[],
  ) => ServiceSpec;
}

async function shop(): Promise<Shop> {
  const blue = (await bench.target(named('blue', 'Set-Cookie: app=1'))).port;
  const green = (await bench.target(named('green', 'Set-Cookie: app=1'))).port;
  return {
    spec: (ofBlue, ofGreen, keys = [KEY]) => ({
      upstreams: {
        blue: { weight: 100, targets: [blue], ...ofBlue },
        green: { weight: 0, targets: [green], ...ofGreen },
      },
      stable: 'blue',
      pins: { by: 'cookie', name: 'pin', maxAgeS: 3_600, keys },
    }),
  };
}

/** One request with these cookies; where it went, and the pin it was given, if any. */
async function visit(
  client: RawClient,
  ...cookies: string[]
): Promise<{ to: string; issued: string | null; line: string }> {
  client.write(head('GET / HTTP/1.1', 'Host: gate.test', ...cookies.map((cookie) => `Cookie: ${cookie}`)));
  const answer = await client.readFinal();
  expect(answer.status).toBe(200);
  const lines = values(answer, 'set-cookie');
  expect(lines[0] === 'app=1' || lines[1] === 'app=1', 'the application keeps its own cookie').toBe(true);
  const line = lines.find((each) => each.startsWith('pin=')) ?? '';
  return { to: answer.body.bytes.toString(), issued: /^pin=([^;]*)/.exec(line)?.[1] ?? null, line };
}

describe('a cookie pin', () => {
  it(obligation('Z10-pins', 'given once, HttpOnly, SameSite=Lax, for the whole site'), async () => {
    const { spec } = await shop();
    await bench.serve(spec({}, {}));
    const client = await bench.client();
    const first = await visit(client);
    expect(first.to).toBe('blue');
    expect(first.line).toMatch(/; Path=\/(;|$)/);
    expect(first.line).toMatch(/; HttpOnly(;|$)/);
    expect(first.line).toMatch(/; SameSite=Lax(;|$)/);
    expect(first.line).toMatch(/; Max-Age=3600(;|$)/);
    for (const cookies of [
      [`pin=${first.issued}`],
      [`a=b; pin=${first.issued}; c=d`],
      ['a=b', `pin=${first.issued}`],
    ]) {
      expect(await visit(client, ...cookies)).toMatchObject({ to: 'blue', issued: null });
    }
  });

  it('is kept when the weight of its upstream becomes 0', async () => {
    const { spec } = await shop();
    await bench.serve(spec({}, {}));
    const client = await bench.client();
    const { issued } = await visit(client);
    await bench.republish(spec({ weight: 0 }, { weight: 100 }));
    expect(await visit(client, `pin=${issued}`)).toMatchObject({ to: 'blue', issued: null });
    expect(await visit(client)).toMatchObject({ to: 'green' });
  });

  it('is broken by a higher epoch of its upstream, and given anew', async () => {
    const { spec } = await shop();
    await bench.serve(spec({}, {}));
    const client = await bench.client();
    const { issued } = await visit(client);
    await bench.republish(spec({ weight: 0, pinEpoch: 1 }, { weight: 100 }));
    const moved = await visit(client, `pin=${issued}`);
    expect(moved.to).toBe('green');
    expect(await visit(client, `pin=${moved.issued}`)).toMatchObject({ to: 'green', issued: null });
    // Going back does not revive it.
    await bench.republish(spec({ weight: 100, pinEpoch: 1 }, { weight: 0 }));
    expect((await visit(client, `pin=${issued}`)).issued).not.toBeNull();
  });

  it(obligation('S08-pin'), async () => {
    const { spec } = await shop();
    await bench.serve(spec({}, {}));
    const client = await bench.client();
    const { issued } = await visit(client);
    await bench.republish(spec({ weight: 0, admin: 'draining' }, { weight: 100 }));
    const moved = await visit(client, `pin=${issued}`);
    expect(moved.to).toBe('green');
    expect(moved.issued).not.toBeNull();
    const forged = issued?.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
    expect(await visit(client, `pin=${forged}`)).toMatchObject({ to: 'green', issued: expect.any(String) });
  });

  it('to an upstream without eligible targets leads elsewhere', async () => {
    const { spec } = await shop();
    await bench.serve(spec({}, {}));
    const client = await bench.client();
    const { issued } = await visit(client);
    const { targets } = spec({}, {}).upstreams.blue ?? { targets: [] };
    await bench.republish(spec({ weight: 0, ineligible: targets }, { weight: 100 }));
    expect(await visit(client, `pin=${issued}`)).toMatchObject({ to: 'green' });
  });

  it(obligation('Z10-pins', 'forged, changed or cut'), async () => {
    const { spec } = await shop();
    await bench.serve(spec({ weight: 0 }, { weight: 100 }));
    const client = await bench.client();
    const { issued } = await visit(client);
    if (issued === null) throw new Error('no pin was issued');
    await bench.republish(spec({ weight: 100 }, { weight: 0 }));
    expect(await visit(client, `pin=${issued}`)).toMatchObject({ to: 'green', issued: null });

    const forged = Array.from(
      issued,
      (character, i) => issued.slice(0, i) + (character === 'A' ? 'B' : 'A') + issued.slice(i + 1),
    );
    const others = [
      '',
      '.',
      '....',
      `${issued}.`,
      `.${issued}`,
      `"${issued}"`,
      issued.slice(0, -1),
      `${issued}A`,
      issued.replace('green', 'blue'),
      issued.replaceAll('.', '..'),
      `k1.green.0.x.${'A'.repeat(43)}`,
      '__proto__.constructor.0.x.y',
      '\xff\xfe.green.0.x.y',
      'x'.repeat(4_000),
    ];
    for (const value of [...forged, ...others]) {
      const seen = await visit(client, `pin=${value}`);
      expect(`${value}: ${seen.to}`).toBe(`${value}: blue`);
      expect(seen.issued).not.toBeNull();
    }
  });

  it(obligation('Z10-pins', 'of another service'), async () => {
    const { spec } = await shop();
    await bench.serve(spec({ weight: 0 }, { weight: 100 }));
    const client = await bench.client();
    const { issued } = await visit(client);
    await bench.serve(spec({ weight: 100 }, { weight: 0 }));
    expect(await visit(client, `pin=${issued}`)).toMatchObject({ to: 'blue' });
  });

  it(obligation('Z10-pins', 'rotation of keys'), async () => {
    const { spec } = await shop();
    await bench.serve(spec({ weight: 0 }, { weight: 100 }));
    const client = await bench.client();
    const { issued } = await visit(client);
    await bench.republish(spec({ weight: 100 }, { weight: 0 }, [OTHER_KEY, KEY]));
    expect(await visit(client, `pin=${issued}`)).toMatchObject({ to: 'green', issued: null });
    await bench.republish(spec({ weight: 100 }, { weight: 0 }, [OTHER_KEY]));
    const anew = await visit(client, `pin=${issued}`);
    expect(anew.to).toBe('blue');
    expect(anew.issued).toContain('k2');
  });

  it('is given anew when its upstream is closed while the request waits', async () => {
    const { spec } = await shop();
    const held = await bench.target(() => undefined);
    const limits = { inFlight: 1, queue: 1, queueTimeoutMs: 5_000 };
    await bench.serve(spec({}, {}));
    const client = await bench.client();
    const pin = `pin=${(await visit(client)).issued}`;
    await bench.republish({ ...spec({ targets: [held.port] }, {}), limits });
    await bench.send(head('GET / HTTP/1.1', 'Host: gate.test'));
    await held.request();
    const waiting = visit(client, pin);
    const { ledger } = bench.gate.upstream(bench.service, 'blue');
    await eventually('it waits', () => readCell(ledger, UPSTREAM.size, UPSTREAM.queued) === 1);
    await bench.republish({ ...spec({ targets: [held.port], admin: 'draining' }, { weight: 100 }), limits });
    expect(await waiting).toMatchObject({ to: 'green', line: expect.stringContaining('green') });
  });

  it('is split by weight before it is given', async () => {
    const { spec } = await shop();
    await bench.serve(spec({ weight: 75 }, { weight: 25 }));
    const client = await bench.client();
    let green = 0;
    for (let i = 0; i < 100; i++) if ((await visit(client)).to === 'green') green++;
    expect(green).toBe(25);
  });

  it('is verified by a worker that did not give it', async () => {
    const { spec } = await shop();
    const gate = await WorkerGate.start({ workers: 2, services: { shop: spec({ weight: 0 }, { weight: 100 }) } });
    try {
      const first = await RawClient.connect(gate.port);
      const { issued } = await visit(first);
      first.destroy();
      await gate.publish({ shop: spec({ weight: 100 }, { weight: 0 }) });
      for (let i = 0; i < 16; i++) {
        const client = await RawClient.connect(gate.port);
        expect(await visit(client, `pin=${issued}`)).toMatchObject({ to: 'green', issued: null });
        client.destroy();
      }
    } finally {
      await gate.stop();
    }
  });

  it('is given with the answer to a WebSocket handshake', async () => {
    const { spec } = await shop();
    const target = await bench.target((request) => {
      request.connection.tunnel();
      request.send(
        head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', 'Set-Cookie: app=1'),
      );
    });
    await bench.serve(spec({ targets: [target.port] }, {}));
    const client = await bench.send(handshake('/', 'a'));
    const answer = await client.readFinal();
    expect(answer.status).toBe(101);
    expect(values(answer, 'set-cookie')).toEqual(['app=1', expect.stringMatching(/^pin=k1\.blue\./)]);
  });
});
