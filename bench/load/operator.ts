import { request } from 'undici';
import { WEIGHTS } from '../layouts.ts';

const SWITCHES_PER_SECOND = 10;

/** What an operator does to the gate while the load runs. */
export interface Operator {
  /** Stops, once the last change is made. Returns the slowest change, in ms, 0 for none. */
  stop(): Promise<number>;
}

/** Moves all new traffic to the other upstream ten times a second. */
export function switchAround(adminPort: number): Operator {
  return repeat(async (turn) => {
    await call(adminPort, 'POST', '/v1/services/svc0/switch', { to: turn % 2 === 0 ? 'green' : 'blue' });
  });
}

/** A canary that stays in its first stage while the load runs, and is aborted afterwards. */
export async function startRollout(adminPort: number): Promise<Operator> {
  await call(adminPort, 'POST', '/v1/services/svc0/rollouts', { to: 'green' });
  return {
    async stop() {
      await call(adminPort, 'POST', '/v1/services/svc0/rollouts/current/abort', {});
      return 0;
    },
  };
}

/** Back to the weights that every layout starts with. */
export async function resetWeights(adminPort: number): Promise<void> {
  await call(adminPort, 'PUT', '/v1/services/svc0/weights', WEIGHTS);
}

function repeat(change: (turn: number) => Promise<void>): Operator {
  let slowestMs = 0;
  let stopped = false;
  const loop = async (): Promise<void> => {
    for (let turn = 0; !stopped; turn++) {
      const startMs = performance.now();
      await change(turn);
      const tookMs = performance.now() - startMs;
      slowestMs = Math.max(slowestMs, tookMs);
      await new Promise((resolve) => setTimeout(resolve, Math.max(1000 / SWITCHES_PER_SECOND - tookMs, 0)));
    }
  };
  const ended = loop();
  ended.catch(() => {}); // seen by stop()
  return {
    async stop() {
      stopped = true;
      await ended;
      return slowestMs;
    },
  };
}

async function call(adminPort: number, method: 'POST' | 'PUT', path: string, body: unknown): Promise<void> {
  const response = await request(`http://127.0.0.1:${adminPort}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.body.text();
  if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
}
