import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';

const bench = useBench();

/**
 * The short run restarts as fast as it can. `RESTART_EVERY_MS=1000 RESTART_REQUESTS=10000` is the long one: the requests
 * are then spread over so much time that pooled connections fall idle and are met by the restarts.
 */
const REQUESTS = Number(process.env.RESTART_REQUESTS ?? 4_800);
const EVERY_MS = Number(process.env.RESTART_EVERY_MS ?? 0);
const CONNECTIONS = 12;
/** Mean pause of a client between two requests. */
const PAUSE_MS = EVERY_MS === 0 ? 0 : 40;
const TIMEOUT_MS = 30_000 + (REQUESTS / CONNECTIONS) * PAUSE_MS * 2;

type Ending = 'finishes' | 'drops';

/** A node:http server that can end as a well-behaved one does, or at once. */
class RestartingTarget {
  /** Requests by method and path, over all lives. */
  readonly seen = new Map<string, number>();
  restarts = 0;
  port = 0;
  #server: Server = createServer();

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => {
      const key = `${request.method} ${request.url}`;
      this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
      request.resume().on('end', () => response.end(key));
    });
    const server = this.#server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  /** `finishes`: what it has, and closes what is idle. `drops`: everything, as a killed process does. */
  async close(how: Ending): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    if (how === 'finishes') this.#server.closeIdleConnections();
    else this.#server.closeAllConnections();
    await closed;
  }

  async restart(how: Ending): Promise<void> {
    await this.close(how);
    await this.listen();
    this.restarts++;
  }
}

describe('targets that are restarted again and again', () => {
  it.each(['finishes', 'drops'] as const)(
    'cost no idempotent request, and no other is ever sent twice (each %s what it has)',
    async (how) => {
      const targets = [new RestartingTarget(), new RestartingTarget()];
      for (const target of targets) await target.listen();
      // Without health checks half of all requests meet the target that is down, for as long as it takes to come back.
      await bench.serve({ upstreams: { blue: { targets: targets.map(({ port }) => port) } }, retries: { budget: 1 } });

      let over = false;
      const ending = new AbortController();
      const restarting = (async () => {
        for (let turn = 0; !over; turn++) {
          const target = targets[turn % 2] as RestartingTarget; // there are two
          await target.restart(how);
          if (EVERY_MS > 0) await sleep(EVERY_MS, undefined, { signal: ending.signal }).catch(() => {});
          // The other one goes only when this one serves again: a request that both turn away has nowhere to go.
          const before = target.seen.size;
          await eventually(
            'the restarted target serves',
            () => over || target.seen.size > before + (EVERY_MS > 0 ? 5 : 100),
          );
        }
      })();
      const failures: string[] = [];
      let failedPosts = 0;
      const drive = async (connection: number): Promise<void> => {
        const client = await bench.client();
        for (let i = connection; i < REQUESTS; i += CONNECTIONS) {
          if (PAUSE_MS > 0) await sleep(Math.random() * 2 * PAUSE_MS);
          const method = (i / CONNECTIONS) % 4 >= 3 ? 'POST' : 'GET';
          const key = `${method} /${connection}/${i}`;
          client.write(
            head(`${key} HTTP/1.1`, 'Host: gate.test', ...(method === 'POST' ? ['Content-Length: 2'] : [])),
            method === 'POST' ? 'ab' : '',
          );
          const answer = await client.readFinal();
          if (answer.status === 200 && answer.body.bytes.toString() === key) continue;
          if (method === 'POST' && answer.status === 502) failedPosts++;
          else failures.push(`${key}: ${answer.status} ${answer.body.bytes}`);
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, (_, connection) => drive(connection)));
      over = true;
      ending.abort();
      await restarting;
      await Promise.all(targets.map((target) => target.close('finishes')));

      expect(failures).toEqual([]);
      for (const [key, times] of targets.flatMap(({ seen }) => [...seen])) {
        if (key.startsWith('POST')) expect(`${key} ${times}`).toBe(`${key} 1`);
      }
      const twice = [...(targets[0]?.seen.keys() ?? [])].filter(
        (key) => key.startsWith('POST') && targets[1]?.seen.has(key),
      );
      expect(twice).toEqual([]);
      expect(targets[0]?.restarts).toBeGreaterThan(3);
      if (EVERY_MS > 0) process.stdout.write(summary(how, targets, failedPosts));
      const account = await bench.account();
      expect(account.accepted).toBe(REQUESTS);
      expect(account.outcomes.ok).toBe(REQUESTS - failedPosts);
    },
    TIMEOUT_MS,
  );
});

function summary(how: Ending, targets: readonly RestartingTarget[], failedPosts: number): string {
  const restarts = targets.reduce((sum, target) => sum + target.restarts, 0);
  const posts = targets.flatMap(({ seen }) => [...seen]).filter(([key]) => key.startsWith('POST'));
  const most = Math.max(...posts.map(([, times]) => times));
  return `${REQUESTS} requests, ${restarts} restarts (${how}): 0 idempotent failed, ${failedPosts} others did; no POST was seen more than ${most} time(s)\n`;
}
