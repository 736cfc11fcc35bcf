import { afterEach, describe, expect, it } from 'vitest';
import { startThread, type WorkerThread } from '../../src/app/workers/worker-thread.ts';
import type { ListenerOptions } from '../../src/proxy/messages.ts';
import { createBlock, SERVICE } from '../../src/traffic/ledger.ts';
import { Routes, TEST_LISTENER } from '../support/routes.ts';
import { GATE, pem, serving } from '../support/tls.ts';

const PLAIN: ListenerOptions = { ...TEST_LISTENER, host: 'localhost' };
const OTHER: ListenerOptions = { ...PLAIN, id: 2 };
const BAD: ListenerOptions = { ...PLAIN, id: 3, tls: serving({ ...GATE, key: pem('exact.key') }) };

let thread: WorkerThread | null = null;
afterEach(() => thread?.terminate());

function start(): WorkerThread {
  const started = startThread(
    {
      index: 0,
      listeners: [PLAIN],
      snapshot: new Routes().snapshot({}),
      unrouted: createBlock(SERVICE.size, 1),
      accessLog: false,
      reusePort: false,
    },
    () => undefined,
  );
  thread = started;
  return started;
}

async function idsOf(addresses: Promise<readonly { readonly id: number }[]>): Promise<number[]> {
  return (await addresses).map(({ id }) => id).sort();
}

describe('a worker thread', () => {
  it('that is to listen elsewhere while it starts answers both, each by itself', async () => {
    const worker = start();
    const changed = worker.listen([PLAIN, OTHER], 0);
    expect(await idsOf(worker.listening)).toEqual([1]);
    expect(await idsOf(changed)).toEqual([1, 2]);
  });

  it('that cannot listen everywhere is brought back to what it had', async () => {
    const worker = start();
    const refused = worker.listen([PLAIN, BAD, OTHER], 0);
    const back = worker.listen([PLAIN], 0);
    await expect(refused).rejects.toThrow(/key/i);
    expect(await idsOf(back)).toEqual([1]);
    expect(await idsOf(worker.listen([PLAIN], 0))).toEqual([1]);
  });

  it('that has ended refuses to listen', async () => {
    const worker = start();
    const before = worker.listen([PLAIN], 0);
    await worker.terminate();
    await worker.exited;
    await expect(before).rejects.toThrow(/ended/);
    await expect(worker.listen([PLAIN], 0)).rejects.toThrow(/ended/);
  });
});
