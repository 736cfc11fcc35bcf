/**
 * A soak: a gate in a process of its own, with every fault of targets and clients at once, for `--minutes` (default 5).
 * Exits 1 when a client saw what it must not, when the books do not balance, when the log complains, or when the gate at
 * rest holds more than it did at the start. `--seed` begins the same sequence of choices again.
 */
import { mkdtemp, rename } from 'node:fs/promises';
import { Agent } from 'node:http';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Overview } from '../../src/app/control-plane.ts';
import { type GateFile, until, writeGateFile } from '../support/gate.ts';
import { type Holdings, holdings, startProbed } from '../support/probed-gate.ts';
import { ACTIONS, type Field } from './clients.ts';
import { openSilent, openTunnels, openUnruly } from './targets.ts';

const WORKERS = 2;
const CLIENTS = 24;
const MIB = 1024 * 1024;
/** A machine that is busy with something else must not be taken for a target that does not answer. */
const PATIENT = { timeouts: { connect: '20s' } };
/** What a heap may have grown by: caches that fill late, code that was compiled late. */
const HEAP_SLACK = 1.1;
const RSS_SLACK = 1.25;
/** Growth from one warm-up to the next that is none. */
const LEVEL = 1.05;
const MOST_WARM_UPS = 6;

const { values: given } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
const minutes = Number(given.minutes ?? 5);
const seed = Number(given.seed ?? Date.now() % 1_000_000_000);
if (!(minutes > 0) || !Number.isInteger(seed)) {
  process.stderr.write('usage: npm run soak -- [--minutes N] [--seed N]\n');
  process.exit(2);
}
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const violations = new Map<string, number>();
const onViolation = (what: string): void => {
  violations.set(what, (violations.get(what) ?? 0) + 1);
};
const done = new Map<string, number>();

/** xorshift32: the same choices for the same seed. */
function randomFrom(start: number): () => number {
  let state = start | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const bag = Object.entries(ACTIONS).flatMap(([name, [, share]]) => Array<string>(share).fill(name));

async function client(field: Field, over: () => boolean): Promise<void> {
  while (!over()) {
    const name = bag[Math.floor(field.random() * bag.length)] ?? '';
    const [action] = ACTIONS[name] ?? [];
    await action?.(field);
    done.set(name, (done.get(name) ?? 0) + 1);
  }
}

const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0);

function fileOf(urls: {
  blue: string;
  green: string;
  unruly: readonly string[];
  silent: string;
  gone: string;
  tunnels: string;
}): GateFile {
  const only = (host: string, ...targets: readonly string[]) => ({
    hosts: [host],
    upstreams: { blue: { weight: 1, targets } },
    ...PATIENT,
  });
  const { blue, green } = urls;
  const upstreams = { blue: { weight: 50, targets: [blue] }, green: { weight: 50, targets: [green] } };
  return {
    workers: WORKERS,
    listeners: [{ address: '127.0.0.1:0', timeouts: { head: '5s', body: '5s' } }],
    services: {
      sound: { hosts: ['sound.test'], upstreams, stable: 'blue', ...PATIENT },
      unruly: only('unruly.test', ...urls.unruly),
      silent: { ...only('silent.test', urls.silent), timeouts: { connect: '20s', response: '500ms' } },
      gone: only('gone.test', urls.gone),
      tunnel: only('tunnel.test', urls.tunnels),
    },
  };
}

function show({ heapBytes, rssBytes, sockets, descriptors, timers, handles }: Holdings): string {
  const heap = `heap ${(heapBytes / MIB).toFixed(1)} MiB, rss ${(rssBytes / MIB).toFixed(0)} MiB`;
  return `${heap}, ${sockets} sockets, ${descriptors} descriptors, ${timers} timers, ${handles} handles`;
}

function compare(before: Holdings, after: Holdings): void {
  for (const what of ['sockets', 'descriptors', 'timers', 'handles'] as const) {
    if (after[what] > before[what]) onViolation(`${what} at rest: ${before[what]} before, ${after[what]} after`);
  }
  if (after.heapBytes > before.heapBytes * HEAP_SLACK) onViolation('the heap at rest has grown');
  if (after.rssBytes > before.rssBytes * RSS_SLACK) onViolation('the memory at rest has grown');
}

async function main(): Promise<void> {
  await using blue = await openUnruly();
  await using green = await openUnruly();
  await using first = await openUnruly();
  await using second = await openUnruly();
  await using silent = await openSilent();
  await using tunnels = await openTunnels();
  const urls = {
    blue: blue.url,
    green: green.url,
    unruly: [first.url, second.url],
    silent: silent.url,
    gone: 'http://127.0.0.1:9', // nothing listens there, and nothing is given that port by chance

    tunnels: tunnels.url,
  };
  const file = fileOf(urls);
  await using gate = await startProbed(file);
  const port = Number(new URL(gate.url).port);
  const fresh = await mkdtemp(join(gate.directory, 'next-'));
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const random = randomFrom(seed);
  say(`soak for ${minutes} min with seed ${seed}: gate ${gate.url}, ${CLIENTS} clients, ${WORKERS} workers`);

  const overview = async (): Promise<Overview> => {
    return (await (await fetch(`${gate.admin}/v1/services`)).json()) as Overview; // the documented answer
  };
  const call = async (method: string, path: string, body: unknown): Promise<void> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(gate.admin + path, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) onViolation(`${method} ${path}: ${answer.status} ${text}`);
  };
  const atRest = async (): Promise<Holdings> => {
    agent.destroy();
    const isQuiet = async (): Promise<boolean> => {
      const services = Object.values((await overview()).services);
      const targets = services.flatMap(({ upstreams }) => Object.values(upstreams).flatMap((each) => each.targets));
      const busy = services.some(({ ledger }) => ledger.inFlight > 0);
      return !busy && targets.every(({ connections, upgrades }) => connections === 0 && upgrades === 0);
    };
    await until(isQuiet, 'the gate to be at rest', 90_000);
    await sleep(2_500); // closed client connections linger for a moment
    return holdings(gate, WORKERS);
  };
  /** Switches, weights and reloads, while the clients go on. */
  const operate = async (over: () => boolean): Promise<void> => {
    for (let turn = 0; !over(); turn++) {
      const to = turn % 2 === 0 ? 'green' : 'blue';
      if (turn % 3 === 0) await call('POST', '/v1/services/sound/switch', { to });
      else await call('PUT', '/v1/services/sound/weights', { blue: 1 + (turn % 7), green: 1 + (turn % 5) });
      if (turn % 10 === 9) {
        // In one step, as deployments do: the gate looks at any time.
        const next = await writeGateFile(fresh, { ...file, shutdown: { drainTimeout: `${5 + (turn % 4)}s` } });
        await rename(next, join(gate.directory, basename(next)));
        await call('POST', '/v1/reload', {});
      }
      await sleep(300);
    }
  };
  const storm = async (ms: number, name: string): Promise<void> => {
    const end = performance.now() + ms;
    const over = (): boolean => performance.now() >= end;
    const field: Field = { port, agent, random, onViolation };
    const progress = setInterval(() => {
      const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      say(`${name}: ${left} s left, ${sum(done.values())} actions, ${sum(violations.values())} violations`);
    }, 10_000);
    await Promise.all([operate(over), ...Array.from({ length: CLIENTS }, () => client(field, over))]);
    clearInterval(progress);
  };

  /** What the process has taken at its worst stays with it: what it holds at rest is compared from where that is level. */
  const warmUp = async (): Promise<Holdings> => {
    const warmUpMs = Math.min(30_000, Math.max(8_000, minutes * 12_000));
    let levelBytes = 0;
    for (let round = 1; ; round++) {
      await storm(warmUpMs, 'warming up');
      const held = await atRest();
      if (held.rssBytes < levelBytes * LEVEL || round === MOST_WARM_UPS) return held;
      levelBytes = held.rssBytes;
    }
  };

  const before = await warmUp();
  say(`at the start: ${show(before)}`);
  await storm(minutes * 60_000, 'soak');
  const after = await atRest();
  say(`at the end:   ${show(after)}`);
  compare(before, after);

  const { services, unrouted, workers } = await overview();
  for (const [name, { accepted, outcomes }] of [
    ...Object.entries(services).map(([name, { ledger }]) => [name, ledger] as const),
    ['unrouted', unrouted] as const,
  ]) {
    const ended = sum(Object.values(outcomes));
    const told = Object.entries(outcomes).filter(([, count]) => count > 0);
    say(`${name}: ${accepted} accepted, ${ended} ended: ${told.map(([key, count]) => `${key} ${count}`).join(', ')}`);
    if (accepted !== ended) onViolation(`${name}: ${accepted} accepted, ${ended} ended`);
  }
  if (workers.some(({ restarts }) => restarts > 0)) onViolation('a worker died');
  for (const line of gate.log.filter(({ level }) => level === 'warn' || level === 'error')) {
    onViolation(`the log says ${line.event}: ${line.msg}`);
  }
  const code = await gate.end('SIGTERM');
  if (code !== 0) onViolation(`it ended with ${code}`);

  say(`actions: ${[...done].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  for (const [what, count] of violations) say(`VIOLATION (${count} times): ${what}`);
  say(violations.size === 0 ? 'no violation' : `${violations.size} kinds of violation`);
  process.exitCode = violations.size === 0 ? 0 : 1;
}

await main();
