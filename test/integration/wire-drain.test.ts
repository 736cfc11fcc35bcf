import { describe, expect, it } from 'vitest';
import { monotonicMs } from '../../src/platform/clock.ts';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { named } from '../support/load.ts';
import { head, value } from '../support/message.ts';
import { obligation } from '../support/obligations.ts';
import { RawClient } from '../support/raw-client.ts';
import type { ServiceSpec } from '../support/routes.ts';
import { echo, type ScriptedTarget, type TargetScript } from '../support/scripted-target.ts';
import { refuses } from '../support/sockets.ts';
import { handshake, SWITCHED } from '../support/websocket.ts';
import { WorkerGate } from '../support/worker-gate.ts';

const bench = useBench();

const HOST = 'Host: gate.test';
const GOING_AWAY = '\x88\x02\x03\xe9';

const get = (path: string): Buffer => head(`GET ${path} HTTP/1.1`, HOST);

/** All traffic on one side; the other drains and is cut after `drainMs`. */
function switched(from: ScriptedTarget, to: ScriptedTarget, drainMs: number): ServiceSpec {
  const sinceMs = monotonicMs();
  return {
    upstreams: {
      blue: { weight: 0, admin: 'draining', targets: [from.port], closing: { sinceMs, cutAtMs: sinceMs + drainMs } },
      green: { weight: 100, targets: [to.port] },
    },
  };
}

function before(from: ScriptedTarget, to: ScriptedTarget): ServiceSpec {
  return { upstreams: { blue: { weight: 100, targets: [from.port] }, green: { weight: 0, targets: [to.port] } } };
}

async function blueAndGreen(script: TargetScript): Promise<{ blue: ScriptedTarget; green: ScriptedTarget }> {
  const blue = await bench.target(script);
  const green = await bench.target(named('green'));
  await bench.serve(before(blue, green));
  return { blue, green };
}

describe('a drain', () => {
  it(obligation('S02-in-flight', 'new ones go to the new side, on its own connection too'), async () => {
    const release = Promise.withResolvers<void>();
    const { blue, green } = await blueAndGreen(async (request) => {
      await release.promise;
      await echo(request);
    });
    const slow = await bench.send(get('/slow'));
    await blue.request();
    await bench.republish(switched(blue, green, 30_000));
    const next = await bench.send(get('/next'));
    expect((await next.readFinal()).body.bytes.toString()).toBe('green');
    release.resolve();
    expect((await slow.readFinal()).body.bytes.toString()).toBe('GET /slow');
    await (await blue.connection()).closed(1_000);
    // S07: and the connection that was slow goes on with the new side.
    slow.write(get('/after'));
    expect((await slow.readFinal()).body.bytes.toString()).toBe('green');
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 3 } });
  });

  it(obligation('S03-stream'), async () => {
    const more = Promise.withResolvers<void>();
    const { blue, green } = await blueAndGreen(async (request) => {
      request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n');
      await more.promise;
      request.send('6\r\n world\r\n0\r\n\r\n');
    });
    const client = await bench.send(get('/stream'));
    await client.peekHead();
    await bench.republish(switched(blue, green, 30_000));
    more.resolve();
    expect((await client.readFinal()).body.bytes.toString()).toBe('hello world');
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it(obligation('S04-deadline', 'before a head: 504'), async () => {
    const { blue, green } = await blueAndGreen(() => {});
    const client = await bench.send(get('/never'));
    await blue.request();
    await bench.republish(switched(blue, green, 300));
    expect((await client.readFinal()).status).toBe(504);
    await (await blue.connection()).closed();
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { cut: 1 } });
  });

  for (const framing of ['Content-Length: 100', 'Transfer-Encoding: chunked', 'X-Framing: close']) {
    it(obligation('S04-deadline', framing), async () => {
      const { blue, green } = await blueAndGreen(
        (request) => void request.send(head('HTTP/1.1 200 OK', framing), '5\r\nhello\r\n'),
      );
      const client = await bench.send(get('/stream'));
      await client.peekHead();
      await bench.republish(switched(blue, green, 300));
      const cut = await client.readCut();
      expect(cut?.status).toBe(200);
      expect(cut?.body.complete).toBe(false);
      await (await blue.connection()).closed();
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { cut: 1 } });
    });
  }

  it(obligation('S11-back', 'beyond the deadline that was called off'), async () => {
    const release = Promise.withResolvers<void>();
    const slow: TargetScript = async (request) => {
      if (request.target.startsWith('/slow')) await release.promise;
      await echo(request);
    };
    const { blue, green } = await blueAndGreen(slow);
    green.script = slow;
    const onBlue = await bench.send(get('/slow/blue'));
    await blue.request();
    await bench.republish(switched(blue, green, 250));
    const onGreen = await bench.send(get('/slow/green'));
    await green.request();
    await bench.republish(before(blue, green));
    // Beyond the deadline that was called off.
    await new Promise((resolve) => setTimeout(resolve, 450));
    release.resolve();
    expect((await onBlue.readFinal()).body.bytes.toString()).toBe('GET /slow/blue');
    expect((await onGreen.readFinal()).body.bytes.toString()).toBe('GET /slow/green');
    const next = await bench.send(get('/next'));
    expect((await next.readFinal()).status).toBe(200);
    expect(blue.whole).toHaveLength(2);
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 3 } });
  });

  it(obligation('S20-no-idle'), async () => {
    const { blue, green } = await blueAndGreen(echo);
    const clients = await Promise.all(Array.from({ length: 10 }, () => bench.client()));
    for (const client of clients) client.write(get('/warm'));
    for (const client of clients) await client.readFinal();
    expect(blue.openConnections).toBeGreaterThan(0);
    await bench.republish(switched(blue, green, 30_000));
    await eventually('the drained side has no connection left', () => blue.openConnections === 0, 1_000);
    await bench.connectionsAgree(blue, green);
    const seen = blue.requests.length;
    for (const client of clients) client.write(get('/next'));
    for (const client of clients) expect((await client.readFinal()).body.bytes.toString()).toBe('green');
    expect(blue.requests).toHaveLength(seen);
  });

  it(obligation('S20-no-idle', 'by another program'), async () => {
    const { blue, green } = await blueAndGreen(echo);
    const client = await bench.send(get('/warm'));
    await client.readFinal();
    const { port } = blue;
    await bench.republish({ upstreams: { green: { targets: [green.port] } } });
    await blue.close();
    const stranger = await bench.target(named('stranger'), port);
    for (let i = 0; i < 20; i++) {
      client.write(get(`/${i}`));
      expect((await client.readFinal()).body.bytes.toString()).toBe('green');
    }
    expect(stranger.connections).toHaveLength(0);
  });

  it('a target that left the configuration finishes what it has', async () => {
    const release = Promise.withResolvers<void>();
    const { blue, green } = await blueAndGreen(async (request) => {
      await release.promise;
      await echo(request);
    });
    const client = await bench.send(get('/slow'));
    await blue.request();
    const route = bench.gate.upstream(bench.service, 'blue').targets[0];
    if (route === undefined) throw new Error('no target');
    const sinceMs = monotonicMs();
    await bench.gate.publish({ [bench.service]: { upstreams: { green: { targets: [green.port] } } } }, [
      { ...route, closing: { sinceMs, cutAtMs: sinceMs + 30_000 } },
    ]);
    release.resolve();
    expect((await client.readFinal()).body.bytes.toString()).toBe('GET /slow');
    await (await blue.connection()).closed(1_000);
    await bench.gate.settled(bench.service);
  });
});

describe('a drain with open tunnels and streams', () => {
  const tunnel =
    (early = ''): TargetScript =>
    (request) => {
      request.connection.tunnel();
      request.send(SWITCHED, early);
    };

  it(obligation('S05-websocket', 'a close frame, then FIN'), async () => {
    const { blue, green } = await blueAndGreen(tunnel());
    green.script = tunnel();
    const client = await bench.send(handshake());
    expect((await client.readFinal()).status).toBe(101);
    await bench.republish(switched(blue, green, 900));
    (await blue.connection()).send('\x81\x02hi');
    expect((await client.readBytes(4)).toString('latin1')).toBe('\x81\x02hi');
    const other = await bench.send(handshake());
    expect((await other.readFinal()).status).toBe(101);
    expect(green.requests).toHaveLength(1);

    await client.readUntilClosed();
    expect(client.inbox.ended).toBe('fin');
    expect(client.rest.toString('latin1')).toBe(GOING_AWAY);
    await (await blue.connection()).closed();
    other.write('\x81\x80mask');
    const connection = await green.connection();
    await connection.inbox.wait('the frame on the new side', () => connection.rest.includes('mask') || undefined);
    other.destroy();
    await eventually('the tunnels are gone', () => bench.gauges().upgrades === 0);
  });

  it(obligation('S05-websocket', 'inside a frame'), async () => {
    const { blue, green } = await blueAndGreen(tunnel());
    const client = await bench.send(handshake());
    await client.readFinal();
    (await blue.connection()).send('\x82\x7e\x10\x00half a frame');
    await client.readBytes(16);
    await bench.republish(switched(blue, green, 400));
    await client.readUntilClosed();
    expect(client.rest).toHaveLength(0);
    await eventually('the tunnel is gone', () => bench.gauges().upgrades === 0);
  });

  it(obligation('S05-websocket', 'nobody answers the close frame'), async () => {
    const { blue, green } = await blueAndGreen((request) => {
      request.connection.ignoresEnd = true;
      return tunnel()(request);
    });
    const client = await bench.send(handshake());
    await client.readFinal();
    await bench.republish(switched(blue, green, 300));
    await client.readUntilClosed();
    await (await blue.connection()).closed();
    await eventually('the tunnel is gone', () => bench.gauges().upgrades === 0);
  });

  it(obligation('S06-events'), async () => {
    const { blue, green } = await blueAndGreen(
      (request) =>
        void request.send(
          head('HTTP/1.1 200 OK', 'Content-Type: text/event-stream', 'Transfer-Encoding: chunked'),
          '9\r\ndata: 1\n\n\r\n',
        ),
    );
    const client = await bench.send(get('/events'));
    await client.peekHead();
    await bench.republish(switched(blue, green, 500));
    (await blue.connection()).send('9\r\ndata: 2\n\n\r\n');
    await client.inbox.wait('an event after the switch', () => client.rest.includes('data: 2') || undefined);
    expect((await client.readCut())?.body.complete).toBe(false);
    const again = await bench.send(get('/events'));
    expect((await again.readFinal()).body.bytes.toString()).toBe('green');
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 1, cut: 1 } });
  });
});

describe('the drain of a worker', () => {
  it(obligation('S17-sigterm', 'one worker'), async () => {
    const release = Promise.withResolvers<void>();
    const target = await bench.target(async (request) => {
      if (request.target === '/slow') await release.promise;
      await echo(request);
    });
    const gate = await WorkerGate.start({ services: { shop: { upstreams: { blue: { targets: [target.port] } } } } });
    try {
      const [idle, busy, slow] = [
        await RawClient.connect(gate.port),
        await RawClient.connect(gate.port),
        await RawClient.connect(gate.port),
      ];
      idle.write(get('/1'));
      busy.write(get('/2'));
      await idle.readFinal();
      await busy.readFinal();
      slow.write(get('/slow'));
      await target.request(2);
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 10_000, spreadMs: 10_000 });
      while (!(await refuses(gate.port)));
      const answered = await useUntilTold(busy);
      await busy.readUntilClosed();
      await idle.readUntilClosed();
      expect(idle.rest).toHaveLength(0);
      release.resolve();
      const answer = await slow.readFinal();
      expect([answer.body.bytes.toString(), value(answer, 'connection')]).toEqual(['GET /slow', 'close']);
      await gate.drained();
      const ok = answered + 3;
      expect(await gate.settled('shop')).toMatchObject({ accepted: ok, outcomes: { ok } });
      expect(gate.complaints).toEqual([]);
    } finally {
      await gate.stop();
    }
  });

  it(obligation('S17-sigterm', 'one client after another, idle ones last'), async () => {
    const target = await bench.target();
    const gate = await WorkerGate.start({ services: { shop: { upstreams: { blue: { targets: [target.port] } } } } });
    try {
      const connect = (): Promise<RawClient> => RawClient.connect(gate.port);
      const busy = await Promise.all(Array.from({ length: 30 }, connect));
      const idle = await Promise.all(Array.from({ length: 30 }, connect));
      for (const client of idle) client.write(get('/idle'));
      for (const client of idle) await client.readFinal();
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 30_000, spreadMs: 10_000 });
      // Whoever uses its connection is told before it is closed, so that none of these fails.
      const using = Promise.all(busy.map(useUntilTold));
      const left = (): number => idle.filter(({ closed }) => !closed).length;
      await eventually('the first idle one is closed', () => left() < idle.length);
      expect(left()).toBeGreaterThan(0);
      const requests = (await using).reduce((sum, each) => sum + each, 0);
      await gate.drained();
      await eventually('all idle ones are closed', () => left() === 0);
      for (const client of idle) expect(client.rest).toHaveLength(0);
      const ok = requests + idle.length;
      expect(await gate.settled('shop')).toMatchObject({ accepted: ok, outcomes: { ok } });
    } finally {
      await gate.stop();
    }
  });

  it('lets all clients go at once when that is wanted', async () => {
    const target = await bench.target();
    const gate = await WorkerGate.start({ services: { shop: { upstreams: { blue: { targets: [target.port] } } } } });
    try {
      const [idle, busy] = [await RawClient.connect(gate.port), await RawClient.connect(gate.port)];
      const release = Promise.withResolvers<void>();
      target.script = async (request) => {
        await release.promise;
        await echo(request);
      };
      busy.write(get('/slow'));
      await target.request();
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 30_000, spreadMs: 0 });
      await idle.readUntilClosed();
      release.resolve();
      expect(value(await busy.readFinal(), 'connection')).toBe('close');
      await gate.drained();
    } finally {
      await gate.stop();
    }
  });

  it('cuts what is left at its deadline, tunnels and streams too', async () => {
    const target = await bench.target((request) => {
      if (request.target === '/ws') {
        request.connection.tunnel();
        request.send(SWITCHED);
      } else if (request.target === '/stream') {
        request.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n');
      }
    });
    const gate = await WorkerGate.start({ services: { shop: { upstreams: { blue: { targets: [target.port] } } } } });
    try {
      const [webSocket, stream, waiting] = [
        await RawClient.connect(gate.port),
        await RawClient.connect(gate.port),
        await RawClient.connect(gate.port),
      ];
      webSocket.write(handshake());
      await webSocket.readFinal();
      stream.write(get('/stream'));
      await stream.peekHead();
      waiting.write(get('/never'));
      await target.request(2);
      gate.post({ type: 'drain', cutAtMs: monotonicMs() + 600, spreadMs: 10_000 });
      expect((await waiting.readFinal()).status).toBe(504);
      expect((await stream.readCut())?.body.complete).toBe(false);
      await webSocket.readUntilClosed();
      expect(webSocket.rest.toString('latin1')).toBe(GOING_AWAY);
      await gate.drained();
      expect(await gate.settled('shop')).toMatchObject({ accepted: 3, outcomes: { ok: 1, cut: 2 } });
      expect(gate.complaints).toEqual([]);
    } finally {
      await gate.stop();
    }
  });
});

/** Sends one request after another until an answer says to close; returns how many were answered. */
async function useUntilTold(client: RawClient): Promise<number> {
  for (let answered = 1; ; answered++) {
    client.write(get(`/${answered}`));
    const answer = await client.readFinal();
    expect(answer.status).toBe(200);
    if (value(answer, 'connection') === 'close') return answered;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
