import { Session } from 'node:inspector/promises';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, until } from '../support/gate.ts';

/** The worker threads that start while `action` runs. */
async function workersOf<T>(action: () => Promise<T>): Promise<{ readonly result: T; readonly threads: Worker[] }> {
  const threads: Worker[] = [];
  const add = (worker: Worker): void => void threads.push(worker);
  process.on('worker', add);
  try {
    return { result: await action(), threads };
  } finally {
    process.off('worker', add);
  }
}

/** Keeps the only worker of this process in a loop for ever. */
async function hang(): Promise<void> {
  const session = new Session();
  session.connect();
  const attached = Promise.withResolvers<string>();
  session.on('NodeWorker.attachedToWorker', ({ params }) => attached.resolve(params.sessionId));
  await session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
  const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: 'for (;;);' } });
  await session.post('NodeWorker.sendMessageToWorker', { sessionId: await attached.promise, message });
  session.disconnect();
}

describe('a worker that hangs', () => {
  it('is ended by a reload that waits for it, and restarted', async () => {
    await using blue = await openTarget('blue');
    const services = { shop: { upstreams: { blue: { weight: 100, targets: [blue.url] } } } };
    await using test = await openGate({ services });
    await hang();
    await test.write({ services, listeners: [{ address: '127.0.0.1:0' }, { address: '127.0.0.1:0' }] });
    const status = await test.control.reload({ actor: 'test' });
    expect(status.errors).toEqual(['a worker ended before it could listen']);
    await until(() => test.control.overview().workers[0]?.state === 'serving', 'the restart');
    expect((await get(test.url)).body).toBe('blue');
  }, 30_000);
});

describe('a worker that dies', () => {
  it('is restarted with the current routing, its books are closed, and the others go on', async () => {
    const arrived = Promise.withResolvers<void>();
    let seen = 0;
    await using blue = await openTarget(() => {
      if (++seen === 8) arrived.resolve();
    });
    await using green = await openTarget('green');
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    const { result, threads } = await workersOf(() => openGate({ services: { shop: { upstreams } }, workers: 2 }));
    await using test = result;
    const held = Array.from({ length: 8 }, () => get(test.url).catch((error: unknown) => error));
    await arrived.promise;
    await test.control.switchTo('shop', 'green', { actor: 'test' });
    await threads[0]?.terminate();
    const status = () => test.control.overview().workers[0];
    await until(() => status()?.restarts === 1 && status()?.state === 'serving', 'the restart');
    const { ledger, upstreams: views } = test.control.service('shop');
    expect(ledger.outcomes.lost + ledger.inFlight).toBe(8);
    expect(views.blue?.inFlight).toBe(ledger.inFlight);
    for (let n = 0; n < 20; n++) expect((await get(test.url)).body).toBe('green');
    expect(test.log.map(({ event }) => event)).toEqual(expect.arrayContaining(['worker.died', 'worker.restarted']));
    await threads[1]?.terminate();
    await Promise.all(held);
  });

  it('leaves the gate unready while it was the only one', async () => {
    await using blue = await openTarget('blue');
    const upstreams = { blue: { weight: 100, targets: [blue.url] } };
    const { result, threads } = await workersOf(() => openGate({ services: { shop: { upstreams } } }));
    await using test = result;
    expect(test.control.ready()).toBe(true);
    await threads[0]?.terminate();
    expect(test.control.ready()).toBe(false);
    await until(() => test.control.ready(), 'the restart');
    expect((await get(test.url)).body).toBe('blue');
  });

  it('does not hold up a command', async () => {
    await using blue = await openTarget('blue');
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [blue.url] } };
    const { result, threads } = await workersOf(() => openGate({ services: { shop: { upstreams } }, workers: 2 }));
    await using test = result;
    const [changed] = await Promise.all([
      test.control.setWeights('shop', { green: 5 }, { actor: 'test' }),
      threads[1]?.terminate(),
    ]);
    expect(changed.service.upstreams.green?.weight).toBe(5);
    expect((await test.control.setWeights('shop', { green: 6 }, { actor: 'test' })).version).toBe(3);
  });
});
