import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnGate } from './gate-process.ts';
import { startHaproxy, startNginx } from './peers.ts';
import { TEST_LISTENER, TEST_TIMEOUTS } from './routes.ts';
import { WorkerGate } from './worker-gate.ts';

/** No test waits so long: where the gate closes an idle connection to a target, it is for a better reason. */
const TIMEOUTS = { ...TEST_TIMEOUTS, idleMs: 60_000 };

/** The system under test: something that forwards HTTP/1.1 from `port` to one target. */
export interface Sut {
  readonly name: string;
  readonly port: number;
  /** Sends everything from now on to this port of 127.0.0.1. */
  route(targetPort: number): Promise<void>;
  /** Waits until it is at rest and fails if it broke a promise of its own: accounts, gauges, its log. */
  verify(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * The data plane alone, or what the environment variable `SUT` names: `gate`, a whole Tealgate in a process of its own, or
 * the peers `nginx` and `haproxy`, for comparison.
 */
export function startSut(): Promise<Sut> {
  switch (process.env.SUT) {
    case 'nginx':
      return startNginx();
    case 'haproxy':
      return startHaproxy();
    case 'gate':
      return startWholeGate();
    default:
      return startTealgate();
  }
}

async function startTealgate(): Promise<Sut> {
  const gate = await WorkerGate.start();
  let rows = 0;
  return {
    name: 'tealgate',
    get port() {
      return gate.port;
    },
    // A service of its own for each row: its account then tells of this row alone.
    route: (targetPort) =>
      gate.publish({ [`row-${++rows}`]: { upstreams: { blue: { targets: [targetPort] } }, timeouts: TIMEOUTS } }),
    verify: async () => {
      if (rows > 0) await gate.settled(`row-${rows}`);
      const complaints = gate.complaints.splice(0);
      if (complaints.length > 0) throw new Error(`the gate complained:\n${complaints.join('\n')}`);
    },
    stop: () => gate.stop(),
  };
}

async function startWholeGate(): Promise<Sut> {
  const directory = await mkdtemp(join(tmpdir(), 'gate-'));
  const configPath = join(directory, 'tealgate.json');
  const { timeouts, limits } = TEST_LISTENER;
  const ms = (each: Readonly<Record<string, number>>): Record<string, string> =>
    Object.fromEntries(Object.entries(each).map(([name, value]) => [name.replace(/Ms$/, ''), `${value}ms`]));
  const config = {
    listeners: [{ address: '127.0.0.1:0', timeouts: ms(timeouts), limits: { fields: limits.fields } }],
    admin: { address: '127.0.0.1:0' },
    store: { path: ':memory:' },
    services: {
      shop: {
        upstreams: { blue: { weight: 1, targets: ['http://127.0.0.1:9'] } },
        stable: 'blue',
        timeouts: ms(TIMEOUTS),
      },
    },
  };
  await writeFile(configPath, JSON.stringify(config));
  const gate = await spawnGate(configPath);
  return {
    name: 'gate',
    port: Number(new URL(gate.url).port),
    route: async (targetPort) => {
      const targets = [`http://127.0.0.1:${targetPort}`];
      await gate.command('PUT', '/v1/services/shop/upstreams/blue/targets', { targets });
    },
    verify: async () => {},
    stop: async () => {
      await gate.kill('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}
