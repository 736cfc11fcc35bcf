import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, startLoad, until } from '../support/gate.ts';

const only = (url: string) => ({ shop: { upstreams: { blue: { weight: 1, targets: [url] } } } });

describe('a stop', () => {
  it('lets what is in flight finish, takes nothing new, and may be asked for twice', async () => {
    let held: ServerResponse | null = null;
    await using blue = await openTarget((_, response) => {
      held = response;
    });
    await using test = await openGate({ services: only(blue.url) });
    const slow = get(test.url);
    await until(() => held !== null, 'the request');
    expect(test.control.ready()).toBe(true);
    const stopping = test.gate.stop();
    expect(test.gate.stop()).toBe(stopping);
    expect(test.control.ready()).toBe(false);
    await refused(test.url);
    expect((await fetch(`${test.adminUrl}/readyz`)).status).toBe(503);
    (held as ServerResponse | null)?.end('blue');
    expect((await slow).body).toBe('blue');
    expect(await stopping).toBe('drained');
    await test.gate.closed;
    await expect(get(test.adminUrl)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(test.log.map(({ event }) => event).slice(-2)).toEqual(['stopping', 'stopped']);
  });

  it('cuts what is left at the deadline, and says so', async () => {
    await using blue = await openTarget(() => undefined);
    await using test = await openGate({ services: only(blue.url), shutdown: { drainTimeout: '100ms' } });
    const slow = get(test.url).catch((error: unknown) => error);
    await until(() => blue.requests === 1, 'the request');
    expect(await test.gate.stop()).toBe('cut');
    expect(await slow).not.toMatchObject({ status: 200 });
  });

  it('serves while readiness fails already, for as long as is configured', async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate({ services: only(blue.url), shutdown: { readinessDelay: '300ms' } });
    const stopping = test.gate.stop();
    expect((await fetch(`${test.adminUrl}/readyz`)).status).toBe(503);
    expect((await get(test.url)).body).toBe('blue');
    expect(await stopping).toBe('drained');
  });

  it('under load answers every request that it took', async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate({ services: only(blue.url), workers: 2 });
    const load = startLoad(test.url, 16);
    await until(() => load.sent > 200, 'the load');
    expect(await test.gate.stop()).toBe('drained');
    await load.stop();
    // Afterwards nothing listens; a request that was on its way to a closing connection is reset by the system.
    const answers = new Map(load.answers);
    for (const after of ['ECONNREFUSED', 'ECONNRESET']) answers.delete(after);
    expect([...answers.keys()]).toEqual(['blue']);
    expect(blue.requests).toBe(answers.get('blue'));
  });
});

async function refused(url: string): Promise<void> {
  const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message;
  await until(async () => (await get(url).then(() => '', codeOf)) === 'ECONNREFUSED', 'the listener to close');
}
