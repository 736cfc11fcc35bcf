import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { ServiceView } from '../../src/app/control-plane.ts';
import { openTunnels } from '../soak/targets.ts';
import { RunningGate } from '../support/command.ts';
import { type GateFile, get, openTarget, startLoad, type Target, until } from '../support/gate.ts';
import { hammer } from '../support/hammer.ts';
import { row } from '../support/lab.ts';
import { head, value } from '../support/message.ts';
import { holdings, startProbed } from '../support/probed-gate.ts';
import { RawClient } from '../support/raw-client.ts';
import { readVitals } from '../support/vitals.ts';
import { handshake } from '../support/websocket.ts';

const MIB = 1024 * 1024;
const MOST_WARM_UPS = 4;
const MOST_LOOKS = 20;
const GET = head('GET / HTTP/1.1', 'Host: gate.test');

function shop(blue: Target, more: object = {}): GateFile {
  return { services: { shop: { upstreams: { blue: { weight: 1, targets: [blue.url] } } } }, ...more };
}

const portOf = (gate: RunningGate): number => Number(new URL(gate.url).port);

async function serviceOf(gate: RunningGate, name = 'shop'): Promise<ServiceView> {
  return (await (await fetch(`${gate.admin}/v1/services/${name}`)).json()) as ServiceView; // the documented answer
}

row(
  'S26-baseline',
  async () => {
    const MARK = 'the end of it';
    await using blue = await openTarget(MARK);
    const workers = 2;
    await using gate = await startProbed(shop(blue, { workers, accessLog: true }));
    const port = portOf(gate);
    const run = (requests: number) => hammer({ port, connections: 16, requests, abortEvery: 4, mark: MARK });
    const atRest = async () => {
      await until(async () => (await serviceOf(gate)).ledger.inFlight === 0, 'nothing to be in flight');
      await until(
        async () => (await serviceOf(gate)).upstreams.blue?.targets[0]?.connections === 0,
        'no idle connection',
      );
      return holdings(gate, workers);
    };
    // What the process has taken at its worst may stay with it: it is to return to where it was once that was level.
    await run(50_000);
    let before = await atRest();
    for (let rounds = 0, levelBytes = 0; before.rssBytes > levelBytes * 1.02 && rounds < MOST_WARM_UPS; rounds++) {
      levelBytes = before.rssBytes;
      await run(50_000);
      before = await atRest();
    }
    const answered = await run(100_000);
    expect(answered).toBeGreaterThan(80_000);
    let after = await atRest();
    for (let looks = 0; after.rssBytes >= before.rssBytes * 1.05 && looks < MOST_LOOKS; looks++) {
      await sleep(500); // the allocator gives back by and by
      after = await atRest();
    }
    expect(after.sockets).toBe(before.sockets);
    expect(after.descriptors).toBe(before.descriptors);
    expect(after.timers).toBe(before.timers);
    expect(after.handles).toBe(before.handles);
    expect(after.heapBytes).toBeLessThan(before.heapBytes * 1.05);
    expect(after.rssBytes).toBeLessThan(before.rssBytes * 1.05);
    const { ledger } = await serviceOf(gate);
    expect(Object.values(ledger.outcomes).reduce((sum, count) => sum + count, 0)).toBe(ledger.accepted);
    expect(ledger.outcomes.client_abort).toBeGreaterThan(0);
  },
  undefined,
  180_000,
);

row(
  'S17-sigterm',
  async () => {
    const CLIENTS = 32;
    let holding = false;
    let arrived = 0;
    const held: (() => void)[] = [];
    await using blue = await openTarget(({ url }, response) => {
      if (url === '/') arrived++;
      if (url === '/' && holding) held.push(() => response.end('blue'));
      else response.end('blue');
    });
    await using gate = await RunningGate.start(shop(blue, { workers: 2, shutdown: { drainTimeout: '20s' } }));
    const port = portOf(gate);
    let sent = 0;
    const useUntilTold = async (): Promise<void> => {
      const client = await RawClient.connect(port);
      for (let told = false; !told; ) {
        sent++;
        client.write(GET);
        const answer = await client.readFinal();
        expect(answer.status).toBe(200);
        told = value(answer, 'connection') === 'close';
      }
      await client.readUntilClosed();
    };
    const clients = Array.from({ length: CLIENTS }, useUntilTold);
    await until(() => sent > 1_000, 'the load');
    // Each client has a request under way: one without may be let go before it sends its next, and no gate can help that.
    holding = true;
    await until(() => held.length === CLIENTS, 'every client to wait');
    const ended = gate.end('SIGTERM');
    await gate.logged('stopping');
    const refused = (): Promise<boolean> =>
      get(`${gate.url}/probe`).then(
        () => false,
        ({ code }: NodeJS.ErrnoException) => code === 'ECONNREFUSED',
      );
    await until(refused, 'nothing to be accepted any more');
    holding = false;
    for (const release of held) release();
    await Promise.all(clients);
    expect(await ended).toBe(0);
    expect(gate.log.at(-1)).toMatchObject({ event: 'stopped', result: 'drained' });
    expect(arrived).toBe(sent);
  },
  'a whole gate, under load',
);

row(
  'S17-sigterm',
  async () => {
    await using silent = await openTarget(() => undefined);
    await using blue = await openTarget((request, response) => {
      if (request.url === '/events') response.write('data: 1\n\n');
      else if (request.url !== '/hold') response.end('blue');
    });
    await using tunnels = await openTunnels();
    const only = (url: string) => ({ upstreams: { blue: { weight: 1, targets: [url] } } });
    await using gate = await RunningGate.start({
      shutdown: { readinessDelay: '1s', drainTimeout: '4s' },
      services: {
        shop: only(blue.url),
        ws: { hosts: ['ws.test'], ...only(tunnels.url) },
        silent: { hosts: ['silent.test'], ...only(silent.url) },
      },
    });
    const port = portOf(gate);
    const send = async (bytes: Buffer): Promise<RawClient> => {
      const client = await RawClient.connect(port);
      client.write(bytes);
      return client;
    };
    const idle = await send(GET);
    await idle.readFinal();
    const tunnel = await send(handshake('/ws', 'ws.test'));
    expect((await tunnel.readFinal()).status).toBe(101);
    const events = await send(head('GET /events HTTP/1.1', 'Host: gate.test'));
    await events.peekHead();
    const waiting = await send(head('GET / HTTP/1.1', 'Host: silent.test'));
    await until(() => silent.requests === 1, 'the last request to be in flight');

    const ended = gate.end('SIGTERM');
    // Readiness fails first, while everything is still served.
    const ready = async (): Promise<number> => (await fetch(`${gate.admin}/readyz`)).status;
    await until(async () => (await ready()) === 503, 'readiness to fail');
    expect((await get(gate.url)).body).toBe('blue');
    // Then nobody new is let in, and who is idle is let go without a word; the admin endpoint still answers.
    await until(
      () =>
        get(gate.url).then(
          () => false,
          () => true,
        ),
      'the listener to close',
    );
    expect(await ready()).toBe(503);
    await idle.readUntilClosed();
    expect(idle.rest).toHaveLength(0);
    // Streams get notice or are visibly cut, and what never answered is told so.
    await tunnel.readUntilClosed(10_000);
    expect(tunnel.rest.toString('latin1')).toBe('\x88\x02\x03\xe9'); // 1001, going away
    expect((await waiting.readFinal({ deadlineMs: 10_000 })).status).toBe(504);
    expect((await events.readCut({ deadlineMs: 10_000 }))?.body.complete).toBe(false);
    expect(await ended).toBe(0);
    const order = gate.log.map(({ event }) => event).filter((event) => event === 'stopping' || event === 'stopped');
    expect(order).toEqual(['stopping', 'stopped']);
  },
  'the whole order, with tunnels and streams',
  40_000,
);

row(
  'S22-clock',
  async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    const upstreams = { blue: { weight: 50, targets: [blue.url] }, green: { weight: 50, targets: [green.url] } };
    const guards = { errorRate: { max: '1%', confidence: '99%' } };
    const service = {
      upstreams: { ...upstreams, green: { ...upstreams.green, weight: 0 } },
      stable: 'blue',
      health: { path: '/', interval: '100ms', rise: 1, fall: 1 },
      rollout: { stages: [{ weight: 50, hold: '30m' }, { weight: 100 }], guards },
    };
    await using gate = await startWithClock({ workers: 2, services: { shop: service } });
    const started = await fetch(`${gate.admin}/v1/services/shop/rollouts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ to: 'green' }),
    });
    expect(started.ok, await started.text()).toBe(true);
    await until(async () => (await serviceOf(gate)).rollout?.position.phase === 'progressing', 'the first stage');
    const traffic = startLoad(gate.url, 8);
    for (const offset of ['+3600', '-3600', '+0']) {
      const before = await clockOf(gate);
      await setClock(gate, offset);
      await until(async () => Math.abs((await clockOf(gate)) - before) > 1_800_000, `its clock to jump to ${offset}`);
      const { sent } = traffic;
      await sleep(1_000); // longer than every sweep, check and look at the guards
      await until(() => traffic.sent > sent + 200, 'traffic after the jump');
      const shopNow = await serviceOf(gate);
      expect(shopNow.rollout?.position).toMatchObject({ phase: 'progressing', stage: 0 });
      const targets = Object.values(shopNow.upstreams).flatMap((upstream) => upstream.targets);
      expect(targets).toMatchObject([
        { health: 'healthy', failures: 0 },
        { health: 'healthy', failures: 0 },
      ]);
    }
    await traffic.stop();
    expect([...traffic.answers.keys()].sort()).toEqual(['blue', 'green']);
    const { ledger } = await serviceOf(gate);
    expect(ledger.outcomes.ok).toBe(ledger.accepted);
    expect(gate.log.filter(({ level }) => level !== 'info').map(({ event }) => event)).toEqual([]);
  },
  undefined,
  60_000,
);

row(
  'S23-never-answers',
  async () => {
    await using silent = await openTarget(() => undefined);
    await using lively = await openTarget('lively');
    const limits = { inFlightPerTarget: 40, queue: 100, queueTimeout: '500ms' };
    const only = (target: Target) => ({ upstreams: { blue: { weight: 1, targets: [target.url] } } });
    await using gate = await RunningGate.start({
      workers: 2,
      services: {
        silent: { hosts: ['silent.test'], ...only(silent), limits, timeouts: { response: '1s' } },
        lively: { hosts: ['lively.test'], ...only(lively), limits },
      },
    });
    const other = await RawClient.connect(portOf(gate));
    const ask = async (host: string, client: RawClient): Promise<number> => {
      client.write(head('GET / HTTP/1.1', `Host: ${host}`));
      return (await client.readFinal()).status;
    };
    expect(await ask('lively.test', other)).toBe(200);
    const before = readVitals(gate.pid).rssBytes;
    const clients = await Promise.all(Array.from({ length: 1_000 }, () => RawClient.connect(portOf(gate))));
    const asked = Promise.all(clients.map((client) => ask('silent.test', client)));
    let most = 0;
    let settled = false;
    void asked.finally(() => {
      settled = true;
    });
    while (!settled) {
      most = Math.max(most, (await serviceOf(gate, 'silent')).upstreams.blue?.inFlight ?? 0);
      expect(await ask('lively.test', other)).toBe(200);
    }
    const statuses = await asked;
    expect(new Set(statuses)).toEqual(new Set([503, 504]));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(40);
    expect(readVitals(gate.pid).rssBytes - before).toBeLessThan(64 * MIB);
    for (const client of [...clients, other]) client.destroy();
    await until(async () => (await serviceOf(gate, 'silent')).ledger.inFlight === 0, 'nothing to be in flight');
    const { accepted, outcomes } = (await serviceOf(gate, 'silent')).ledger;
    expect({ accepted, ended: outcomes.overloaded + outcomes.timeout }).toEqual({ accepted: 1_000, ended: 1_000 });
  },
  'a whole gate',
  60_000,
);

row(
  'S25-stdout',
  async () => {
    await using blue = await openTarget('blue');
    const [listener, admin] = [await freePort(), await freePort()];
    const more = { listeners: [{ address: `127.0.0.1:${listener}` }], admin: { address: `127.0.0.1:${admin}` } };
    await using gate = await RunningGate.launch(shop(blue, { accessLog: true, ...more }), {
      by: ['sh', '-c', 'exec "$0" "$@" >/dev/full 2>/dev/full'],
    });
    const ready = () =>
      fetch(`http://127.0.0.1:${admin}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(ready, 'the gate to be ready');
    for (let i = 0; i < 200; i++) expect((await get(`http://127.0.0.1:${listener}`)).body).toBe('blue');
    expect(await gate.end('SIGTERM')).toBe(0);
  },
  'its disk is full',
);

/** `LD_PRELOAD` of a gate whose wall clock, and no other, is set by a file. */
function startWithClock(file: GateFile): Promise<RunningGate> {
  const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  if (library === undefined) throw new Error('libfaketime is not installed (apt-get install libfaketime)');
  return RunningGate.start(file, {
    env: (directory) => ({
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: join(directory, 'clock'),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }),
  });
}

const setClock = (gate: RunningGate, offset: string): Promise<void> => writeFile(join(gate.directory, 'clock'), offset);

/** The wall clock of a gate, as its answers show it. */
async function clockOf(gate: RunningGate): Promise<number> {
  const answer = await fetch(`${gate.admin}/livez`);
  await answer.text();
  return Date.parse(answer.headers.get('date') ?? '');
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using target = await openTarget('');
  return target.port;
}
