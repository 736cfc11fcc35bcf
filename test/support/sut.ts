import { startHaproxy, startNginx } from './peers.ts';
import { TEST_LISTENER } from './routes.ts';
import { WorkerGate } from './worker-gate.ts';

/** The system under test: something that forwards HTTP/1.1 from `port` to one target. */
export interface Sut {
  readonly name: string;
  readonly port: number;
  /** Sends everything from now on to this port of 127.0.0.1; `workers` of earlier targets are forgotten. */
  route(targetPort: number): Promise<void>;
  /** Waits until it is at rest and fails if it broke a promise of its own: accounts, gauges, its log. */
  verify(): Promise<void>;
  stop(): Promise<void>;
}

/** Tealgate, or the peer that the environment variable `SUT` names (`nginx`, `haproxy`), for comparison. */
export function startSut(): Promise<Sut> {
  switch (process.env.SUT) {
    case 'nginx':
      return startNginx();
    case 'haproxy':
      return startHaproxy();
    default:
      return startTealgate();
  }
}

async function startTealgate(): Promise<Sut> {
  const gate = await WorkerGate.start({ listener: { limits: { ...TEST_LISTENER.limits, headBytes: 16 * 1024 } } });
  let rows = 0;
  return {
    name: 'tealgate',
    get port() {
      return gate.port;
    },
    // A service of its own for each row: its account then tells of this row alone.
    route: (targetPort) => gate.publish({ [`row-${++rows}`]: { upstreams: { blue: { targets: [targetPort] } } } }),
    verify: async () => {
      if (rows > 0) await gate.settled(`row-${rows}`);
      const complaints = gate.complaints.splice(0);
      if (complaints.length > 0) throw new Error(`the gate complained:\n${complaints.join('\n')}`);
    },
    stop: () => gate.stop(),
  };
}
