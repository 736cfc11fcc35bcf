import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Overview } from '../../src/app/control-plane.ts';
import { RunningGate } from '../support/command.ts';
import { type GateFile, get, openTarget, type Target, until } from '../support/gate.ts';
import { row } from '../support/lab.ts';
import { head, value } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';
import { readVitals } from '../support/vitals.ts';

const DESCRIPTORS = '--nofile=128:128';
const CLIENTS = 500;
const GET = head('GET / HTTP/1.1', 'Host: gate.test');
const ANSWERED_BY_THE_GATE = head('OPTIONS / HTTP/1.1', 'Host: gate.test', 'Max-Forwards: 0');

/** Slow enough that all its clients have their connection at the same time. */
const openSlowTarget = (): Promise<Target> =>
  openTarget((request, response) => {
    if (request.url === '/healthz') response.end('fine');
    else setTimeout(() => response.end('blue'), 100);
  });

function file(blue: Target): GateFile {
  const upstreams = { blue: { weight: 1, targets: [blue.url] } };
  const health = { path: '/healthz', interval: '100ms', rise: 1, fall: 1 };
  return { workers: 2, services: { shop: { upstreams, health, stable: 'blue' } } };
}

row(
  'S24-descriptors',
  async () => {
    await using blue = await openSlowTarget();
    await using gate = await RunningGate.start(file(blue), { by: ['prlimit', DESCRIPTORS] });
    const clients = await connect(gate, CLIENTS);
    const answers = await Promise.all(clients.map(ask));
    // Whoever is let in is served; the others are turned away at the door.
    expect(new Set(answers)).toEqual(new Set(['200', 'none']));
    const knocking = await connect(gate, CLIENTS);
    await comesToRest(gate);
    await recovers(gate, [...clients, ...knocking]);
    expect(complaints(gate)).toEqual([]);
    expect(await gate.end('SIGTERM')).toBe(0);
  },
  'from the start',
  60_000,
);

row(
  'S24-descriptors',
  async () => {
    await using blue = await openSlowTarget();
    await using gate = await RunningGate.start(file(blue));
    const clients = await connect(gate, 100);
    // All are let in, and none has a connection to the target yet.
    for (const client of clients) client.write(ANSWERED_BY_THE_GATE);
    for (const client of clients) expect((await client.readFinal()).status).toBe(200);
    // A few more than there are: too few for a connection to the target for each client, and enough for some.
    execFileSync('prlimit', [`--pid=${gate.pid}`, `--nofile=${readVitals(gate.pid).descriptors + 10}`]);
    const answers = await Promise.all(clients.map(ask));
    expect(answers).toContain('200');
    expect(answers).toContain('503 close');
    // Whoever is slow to ask may have made room for others.
    expect(answers.filter((answer) => !['none', '200', '503 close'].includes(answer))).toEqual([]);
    const knocking = await connect(gate, CLIENTS);
    await comesToRest(gate);
    await recovers(gate, [...clients, ...knocking]);
    expect(complaints(gate)).toEqual(['shortage']);
    expect(await gate.end('SIGTERM')).toBe(0);
  },
  'taken away while it serves',
  60_000,
);

function connect(gate: RunningGate, count: number): Promise<RawClient[]> {
  const port = Number(new URL(gate.url).port);
  return Promise.all(Array.from({ length: count }, () => RawClient.connect(port)));
}

/** The status, and `close` where the answer ended the connection; `none` where the gate had no place for the client. */
async function ask(client: RawClient): Promise<string> {
  client.write(GET);
  const answer = await client.readFinal().catch(() => null);
  if (answer === null) return 'none';
  if (answer.status !== 503) return String(answer.status);
  await client.readUntilClosed();
  return value(answer, 'retry-after') === undefined ? '503' : `503 ${value(answer, 'connection')}`;
}

/** Those who were let in hold on to what there is, and more are at the door: soon that costs next to nothing. */
async function comesToRest(gate: RunningGate): Promise<void> {
  const isCalm = async (): Promise<boolean> => {
    const before = readVitals(gate.pid);
    await sleep(2_500); // the configuration is looked at meanwhile, too
    return readVitals(gate.pid).cpuMs - before.cpuMs < 750;
  };
  await until(isCalm, 'the gate to come to rest', 20_000);
}

/** There is a place as soon as clients leave, and nobody took our trouble for the target's or for a changed file. */
async function recovers(gate: RunningGate, clients: readonly RawClient[]): Promise<void> {
  for (const client of clients) client.destroy();
  const isServed = async (): Promise<boolean> => (await get(gate.url).catch(() => null))?.body === 'blue';
  await until(isServed, 'a request to be served again');
  const overview = (await (await fetch(`${gate.admin}/v1/services`)).json()) as Overview; // the documented answer
  const { upstreams, ledger } = overview.services.shop ?? {};
  expect(upstreams?.blue?.targets).toMatchObject([{ health: 'healthy', failures: 0 }]);
  expect(ledger?.accepted).toBe(Object.values(ledger?.outcomes ?? {}).reduce((sum, count) => sum + count, 0));
  expect(overview.config).toMatchObject({ lastReloadSuccessful: true, errors: [] });
  expect(overview.workers).toMatchObject([{ restarts: 0 }, { restarts: 0 }]);
}

function complaints(gate: RunningGate): unknown[] {
  return [...new Set(gate.log.filter(({ level }) => level !== 'info').map(({ event }) => event))];
}
