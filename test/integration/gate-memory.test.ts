import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServiceView } from '../../src/app/control-plane.ts';
import { RunningGate } from '../support/command.ts';
import { get, until } from '../support/gate.ts';
import { TargetProcess } from '../support/target-process.ts';
import { readVitals } from '../support/vitals.ts';

const MIB = 1024 * 1024;
const PEERS = 60;
/** How long each attack goes on: long enough to send gigabytes, were they taken. */
const ATTACK_MS = 1_500;
/**
 * What 60 hostile clients may cost. Each can make the gate hold a request head (16 KiB), a response head (64 KiB), and what
 * is read and not yet written in both directions (some 100 KiB); garbage that is not yet collected comes on top.
 */
const BOUND = 128 * MIB;

const PART = Buffer.alloc(64 * 1024, 'x');

/** Sends until the peer is gone, as fast as it takes it. */
function pour(socket: Socket, part: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.writable && socket.write(part));
  };
  socket.on('drain', more);
  more();
}

interface Attack {
  readonly name: string;
  readonly first: string;
  /** Sent again and again behind `first`. */
  readonly again?: Buffer;
  /** Reads what it is sent. Default: nothing is read. */
  readonly reads?: boolean;
}

const get1 = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: gate.test\r\n\r\n`;
const post = (path: string, framing: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: gate.test\r\n${framing}\r\n\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked';

const ATTACKS: readonly Attack[] = [
  { name: 'unfinished heads', first: `GET / HTTP/1.1\r\nHost: gate.test\r\nX: ${'x'.repeat(15_000)}` },
  {
    name: 'heads without end',
    first: 'GET / HTTP/1.1\r\n',
    again: Buffer.from('X-A: bbbbbbbbbbbbbbbb\r\n'.repeat(500)),
  },
  { name: 'one field without end', first: 'GET / HTTP/1.1\r\nX: ', again: PART },
  { name: 'a target without end', first: 'GET /', again: PART },
  { name: 'chunk extensions without end', first: `${post('/hold', CHUNKED)}5;`, again: PART },
  { name: 'a chunk size without end', first: `${post('/hold', CHUNKED)}`, again: Buffer.alloc(64 * 1024, '0') },
  {
    name: 'trailers without end',
    first: `${post('/hold', CHUNKED)}0\r\n`,
    again: Buffer.from('X-A: bbbb\r\n'.repeat(900)),
  },
  { name: 'one-octet chunks', first: post('/deaf', CHUNKED), again: Buffer.from('1\r\nx\r\n'.repeat(9_000)) },
  { name: 'bodies that the target does not read', first: post('/deaf', 'Content-Length: 99999999999'), again: PART },
  {
    name: 'requests behind one that is not answered',
    first: get1('/hold'),
    again: Buffer.from(get1('/').repeat(1_000)),
  },
  { name: 'answers that nobody reads', first: get1('/endless') },
  { name: 'chunked answers that nobody reads', first: get1('/endless-chunks') },
  { name: 'answers without end', first: get1('/endless-chunks'), reads: true },
  { name: 'response heads without end', first: get1('/endless-head'), reads: true },
  { name: 'interim answers that nobody reads', first: get1('/interims') },
  { name: 'response trailers without end', first: get1('/trailers'), reads: true },
];

let calm: TargetProcess;
let flooding: TargetProcess;
let gate: RunningGate;

beforeAll(async () => {
  calm = await TargetProcess.start('blue');
  flooding = await TargetProcess.start('', { script: 'flooding-child.ts' });
  const only = (target: TargetProcess) => ({ upstreams: { blue: { weight: 1, targets: [target.url] } } });
  gate = await RunningGate.start({
    listeners: [{ address: '127.0.0.1:0', limits: { connections: 400 } }],
    services: { calm: only(calm), flooding: { hosts: ['gate.test'], ...only(flooding), timeouts: { response: '2s' } } },
  });
});
afterAll(async () => {
  await gate[Symbol.asyncDispose]();
  await Promise.all([calm.kill(), flooding.kill()]);
});

/** The most that the gate holds until `over`. */
async function peakUntil(over: () => boolean): Promise<number> {
  let most = 0;
  while (!over()) {
    most = Math.max(most, readVitals(gate.pid).rssBytes);
    await sleep(20);
  }
  return most;
}

async function open(count: number): Promise<Socket[]> {
  const port = Number(new URL(gate.url).port);
  return Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => resolve(socket));
          socket.on('error', () => {});
        }),
    ),
  );
}

describe('memory stays bounded, and others are served, whatever peers do:', () => {
  for (const { name, first, again, reads } of ATTACKS) {
    it(name, async () => {
      expect((await get(gate.url)).body).toBe('blue');
      const before = readVitals(gate.pid).rssBytes;
      const sockets = await open(PEERS);
      let over = false;
      const peak = peakUntil(() => over);
      for (const socket of sockets) {
        if (reads === true) socket.resume();
        else socket.pause();
        socket.write(first);
        if (again !== undefined) pour(socket, again);
      }
      const end = performance.now() + ATTACK_MS;
      while (performance.now() < end) {
        expect((await get(gate.url)).body).toBe('blue');
        expect((await fetch(`${gate.admin}/readyz`)).status).toBe(200);
      }
      over = true;
      expect((await peak) - before).toBeLessThan(BOUND);
      for (const socket of sockets) socket.destroy();
      const isOver = async (): Promise<boolean> => {
        // The documented answer.
        const { ledger } = (await (await fetch(`${gate.admin}/v1/services/flooding`)).json()) as ServiceView;
        return ledger.inFlight === 0;
      };
      await until(isOver, 'nothing to be left', 30_000);
    }, 60_000);
  }

  it('a flood of connections', async () => {
    const before = readVitals(gate.pid);
    const sockets = await open(2_000);
    await until(
      () => sockets.filter(({ destroyed }) => destroyed).length >= 1_600,
      'those beyond the limit to be closed',
    );
    const during = readVitals(gate.pid);
    expect(during.rssBytes - before.rssBytes).toBeLessThan(BOUND);
    expect(during.sockets - before.sockets).toBeLessThanOrEqual(400);
    expect((await fetch(`${gate.admin}/readyz`)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await until(async () => (await get(gate.url).catch(() => null))?.body === 'blue', 'a request to be served');
  });
});
