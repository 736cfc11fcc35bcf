import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProbeResult } from '../../src/app/control-plane.ts';
import { createHealthChecker, type HealthChange } from '../../src/app/health/checker.ts';
import { probeHealth } from '../../src/app/health/probe.ts';
import { probeReachable } from '../../src/app/health/reachable.ts';
import { afterProbe, type HealthState, UNKNOWN } from '../../src/app/health/verdict.ts';
import type { HealthConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { TRUST_SYSTEM } from '../../src/platform/tls.ts';

const CONFIG: HealthConfig = {
  ask: { kind: 'http', path: '/healthz', status: { min: 200, max: 399 } },
  intervalMs: 20,
  timeoutMs: 2000,
  rise: 2,
  fall: 3,
  graceMs: 0,
};

const open: Server[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(server: Server): Promise<string> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (onRequest: RequestListener) => listen(createServer(onRequest));

/** A port that refuses: it was free a moment ago. */
async function closedPort(): Promise<string> {
  const server = createTcpServer();
  const url = await listen(server);
  open.pop();
  await new Promise((resolve) => server.close(resolve));
  return url;
}

describe('the verdict on a target', () => {
  const probe = (ok: boolean): ProbeResult => ({ at: 1, ok, status: ok ? 200 : 503, durationMs: 1, detail: '' });
  const verdictOn = (answers: string, config = CONFIG, ageMs = 0): HealthState =>
    [...answers].reduce((state, answer) => afterProbe(state, probe(answer === '+'), config, ageMs), UNKNOWN);

  it.each([
    ['', 'unknown'],
    ['+', 'unknown'],
    ['++', 'healthy'],
    ['--', 'unknown'],
    ['---', 'unhealthy'],
    ['+-+-', 'unknown'],
    ['++--', 'healthy'],
    ['++--+--', 'healthy'],
    ['++---', 'unhealthy'],
    ['---+', 'unhealthy'],
    ['---++', 'healthy'],
  ])('after %s is %s', (answers, health) => {
    expect(verdictOn(answers).health).toBe(health);
  });

  it('counts no failure while the target may still be starting', () => {
    const config = { ...CONFIG, graceMs: 1000 };
    expect(verdictOn('-----', config, 999)).toMatchObject({ health: 'unknown', failures: 0 });
    expect(verdictOn('---', config, 1000).health).toBe('unhealthy');
  });

  it('keeps the last five answers, newest first', () => {
    const { probes } = verdictOn('+++++-');
    expect(probes.map(({ ok }) => ok)).toEqual([false, true, true, true, true]);
  });
});

describe('a health check', () => {
  const ask = (url: string, config = CONFIG) =>
    probeHealth({ url, tls: TRUST_SYSTEM }, config, systemClock, new AbortController().signal);

  it('asks for the path and takes an accepted status for good', async () => {
    const url = await serve((request, response) => response.writeHead(request.url === '/healthz' ? 204 : 500).end());
    expect(await ask(url)).toMatchObject({ ok: true, status: 204, detail: '' });
  });

  it('keeps the first 200 characters of an unexpected answer', async () => {
    const url = await serve((_, response) => response.writeHead(503).end('database down '.repeat(1000)));
    const probe = await ask(url);
    expect(probe).toMatchObject({ ok: false, status: 503 });
    expect(probe.detail).toBe('database down '.repeat(20).slice(0, 200));
  });

  it('reads a body without end no further than it needs', async () => {
    const url = await serve((_, response) => {
      response.writeHead(500);
      const more = () => {
        while (response.write('x'.repeat(1024)));
      };
      response.on('drain', more);
      more();
    });
    expect((await ask(url)).detail).toBe('x'.repeat(200));
  });

  it('does not follow a redirect', async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked++;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await ask(url)).toMatchObject({ ok: true, status: 302 });
    expect(asked).toBe(1);
  });

  it('fails with the reason when nothing listens', async () => {
    const probe = await ask(await closedPort());
    expect(probe).toMatchObject({ ok: false, status: null });
    expect(probe.detail).toContain('ECONNREFUSED');
  });

  it('fails when there is no answer in time', async () => {
    const url = await listen(createTcpServer((socket) => socket.on('error', () => undefined).resume()));
    expect(await ask(url, { ...CONFIG, timeoutMs: 30 })).toMatchObject({ ok: false, detail: 'no answer within 30 ms' });
  });
});

describe('the reachability check', () => {
  it('is good when a connection is accepted', async () => {
    const url = await listen(createTcpServer((socket) => socket.on('error', () => undefined).resume()));
    expect(await probeReachable({ url, tls: TRUST_SYSTEM }, 2000, systemClock)).toMatchObject({
      ok: true,
      status: null,
    });
  });

  it('names the reason when it is refused', async () => {
    const probe = await probeReachable({ url: await closedPort(), tls: TRUST_SYSTEM }, 2000, systemClock);
    expect(probe.ok).toBe(false);
    expect(probe.detail).toContain('ECONNREFUSED');
  });
});

describe('the health checker', () => {
  function start() {
    const changes: HealthChange[] = [];
    let wake = () => {};
    const checker = createHealthChecker({
      clock: systemClock,
      random: () => 0.5,
      onChange: (change) => {
        changes.push(change);
        wake();
      },
    });
    const changed = async (health: string) => {
      while (changes.at(-1)?.after !== health)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    };
    return { checker, changes, changed };
  }

  it('trusts a target that has no health check', () => {
    const { checker } = start();
    checker.update([
      { id: 1, url: 'http://127.0.0.1:1', tls: TRUST_SYSTEM, service: 'shop', upstream: 'blue', health: null },
    ]);
    expect(checker.health(1)).toBe('trusted');
    checker.close();
  });

  it('follows a target that falls ill and recovers, and remembers it over a reload', async () => {
    let status = 200;
    const url = await serve((_, response) => response.writeHead(status).end());
    const target = { id: 1, url, tls: TRUST_SYSTEM, service: 'shop', upstream: 'blue', health: CONFIG };
    const { checker, changes, changed } = start();
    checker.update([target]);
    expect(checker.health(1)).toBe('unknown');
    await changed('healthy');
    checker.update([{ ...target, health: { ...CONFIG, rise: 1 } }]);
    expect(checker.health(1)).toBe('healthy');
    status = 500;
    await changed('unhealthy');
    status = 200;
    await changed('healthy');
    expect(changes.map(({ after }) => after)).toEqual(['healthy', 'unhealthy', 'healthy']);
    expect(checker.probes(1).length).toBeLessThanOrEqual(5);
    checker.close();
  });

  it('forgets what it knew of a target that was trusted in between', async () => {
    const url = await serve((_, response) => response.writeHead(500).end());
    const target = { id: 1, url, tls: TRUST_SYSTEM, service: 'shop', upstream: 'blue', health: CONFIG };
    const { checker, changed } = start();
    checker.update([target]);
    await changed('unhealthy');
    checker.update([{ ...target, health: null }]);
    checker.update([target]);
    expect(checker.health(1)).toBe('unknown');
    checker.close();
  });

  it('asks a removed target no more', async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked++;
      response.end();
    });
    const { checker, changed } = start();
    checker.update([{ id: 1, url, tls: TRUST_SYSTEM, service: 'shop', upstream: 'blue', health: CONFIG }]);
    await changed('healthy');
    checker.update([]);
    const before = asked;
    const other = await serve((_, response) => response.end());
    checker.update([{ id: 2, url: other, tls: TRUST_SYSTEM, service: 'shop', upstream: 'blue', health: CONFIG }]);
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (checker.probes(2).length < 3) return;
        clearInterval(look);
        resolve();
      }, 5);
    });
    // One probe may have been on its way when the target was removed.
    expect(asked - before).toBeLessThanOrEqual(1);
    expect(checker.probes(1)).toEqual([]);
    checker.close();
  });
});
