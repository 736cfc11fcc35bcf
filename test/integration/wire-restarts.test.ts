import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';

const bench = useBench();

/** A node:http server that ends as a well-behaved one does: it finishes what it has and closes what is idle. */
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

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await closed;
  }

  async restart(): Promise<void> {
    await this.close();
    await this.listen();
    this.restarts++;
  }
}

describe('targets that are restarted again and again', () => {
  it('cost no idempotent request, and no other is ever sent twice', async () => {
    const targets = [new RestartingTarget(), new RestartingTarget()];
    for (const target of targets) await target.listen();
    // Without health checks half of all requests meet the target that is down, for as long as it takes to come back.
    await bench.serve({ upstreams: { blue: { targets: targets.map(({ port }) => port) } }, retries: { budget: 1 } });

    let over = false;
    const restarting = (async () => {
      for (let turn = 0; !over; turn++) {
        const target = targets[turn % 2] as RestartingTarget; // there are two
        await target.restart();
        // The other one goes only when this one serves again: a request that both turn away has nowhere to go.
        const before = target.seen.size;
        await eventually('the restarted target serves', () => over || target.seen.size > before + 100);
      }
    })();
    const failures: string[] = [];
    let failedPosts = 0;
    const drive = async (connection: number): Promise<void> => {
      const client = await bench.client();
      for (let i = 0; i < 400; i++) {
        const method = i % 4 === 3 ? 'POST' : 'GET';
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
    await Promise.all(Array.from({ length: 12 }, (_, connection) => drive(connection)));
    over = true;
    await restarting;
    await Promise.all(targets.map((target) => target.close()));

    expect(failures).toEqual([]);
    for (const [key, times] of targets.flatMap(({ seen }) => [...seen])) {
      if (key.startsWith('POST')) expect(`${key} ${times}`).toBe(`${key} 1`);
    }
    const twice = [...(targets[0]?.seen.keys() ?? [])].filter(
      (key) => key.startsWith('POST') && targets[1]?.seen.has(key),
    );
    expect(twice).toEqual([]);
    expect(targets[0]?.restarts).toBeGreaterThan(3);
    const account = await bench.account();
    expect(account.accepted).toBe(4_800);
    expect(account.outcomes.ok).toBe(4_800 - failedPosts);
  });
});
