import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { ID_HEADER, VERSION_HEADER } from './shop.ts';

/** What became of every request that the load sent. */
export interface Tally {
  sent: number;
  /** Whole answers of 2xx or 3xx to the request they belong to, by version of the shop. */
  readonly answered: Map<string, number>;
  /** Answers of 500 that a version gave and a client saw, by version. */
  readonly failed: Map<string, number>;
  /** Requests without a whole answer, or with one that was not theirs; and why. */
  readonly lost: string[];
  /** Ids of the orders that were confirmed. */
  readonly orders: string[];
  readonly latenciesMs: number[];
}

const CLIENTS = 16;
const PAUSE_MS = 45;

/** Steady keep-alive clients that check each answer. */
export class Load {
  readonly tally: Tally = { sent: 0, answered: new Map(), failed: new Map(), lost: [], orders: [], latenciesMs: [] };
  private readonly pool: Pool;
  private readonly stopping = new AbortController();
  private readonly clients: Promise<void>[];

  constructor(origin: string) {
    this.pool = new Pool(origin, { connections: CLIENTS, pipelining: 1 });
    this.clients = Array.from({ length: CLIENTS }, (_, i) => this.client(i));
  }

  /** Lets each client finish the request it has sent. Calling it again changes nothing. */
  async stop(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    this.stopping.abort();
    await Promise.all(this.clients);
    await this.pool.close();
  }

  private async client(number: number): Promise<void> {
    const { signal } = this.stopping;
    await pause((number * PAUSE_MS) / CLIENTS, signal);
    for (let n = 0; !signal.aborted; n++) {
      await this.exchange(`${number}-${n}`, n % 8);
      await pause(PAUSE_MS, signal);
    }
  }

  /** One request in eight is an order, one is the page, the others ask for the products. */
  private async exchange(id: string, kind: number): Promise<void> {
    const { tally } = this;
    const order = kind === 7;
    const path = order ? '/api/orders' : kind === 3 ? '/' : '/api/products';
    tally.sent++;
    const startedMs = performance.now();
    try {
      const { statusCode, headers, body } = await this.pool.request({
        method: order ? 'POST' : 'GET',
        path,
        headers: { [ID_HEADER]: id, ...(order ? { 'content-type': 'application/json' } : {}) },
        body: order ? JSON.stringify({ item: 'Teal mug', quantity: 1 }) : null,
      });
      const text = await body.text();
      tally.latenciesMs.push(performance.now() - startedMs);
      this.judge({ id, path, statusCode, version: String(headers[VERSION_HEADER]), echoed: headers[ID_HEADER], text });
      if (order && statusCode === 201) tally.orders.push(id);
    } catch (error) {
      tally.lost.push(`${path} ${id}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private judge(answer: Answer): void {
    const { id, path, statusCode, version, echoed, text } = answer;
    const whole = path === '/' ? text.endsWith('</html>\n') : text.includes(`"id":"${id}"`) && text.endsWith('}');
    if (statusCode >= 500 && echoed === id) count(this.tally.failed, version);
    else if (statusCode < 400 && echoed === id && whole) count(this.tally.answered, version);
    else this.tally.lost.push(`${path} ${id}: ${statusCode} of ${version}, answering ${String(echoed)}`);
  }
}

interface Answer {
  readonly id: string;
  readonly path: string;
  readonly statusCode: number;
  readonly version: string;
  readonly echoed: unknown;
  readonly text: string;
}

export function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, n) => sum + n, 0);
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Stopping ends a pause early; there is nothing else that could end it.
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
