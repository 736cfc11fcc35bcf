import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, startLoad, type Target, type TestGate, until } from '../support/gate.ts';
import { obligation } from '../support/obligations.ts';

const BY = { actor: 'test' };

function services(blue: Target, green: Target, more: object = {}) {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return { shop: { upstreams, drain: { timeout: '1s' }, ...more } };
}

const phase = (test: TestGate) => test.control.service('shop').rollout?.position.phase;

describe('a rollout', () => {
  it('goes through its stages to promoted, and the old side drains', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const load = startLoad(test.url, 4);
    const stages = [{ weight: 20, hold: '100ms' }, { weight: 100 }];
    await test.control.startRollout('shop', 'green', { stages }, BY);
    await until(() => phase(test) === 'promoted', 'the promotion');
    await load.stop();
    expect([...load.answers.keys()].sort()).toEqual(['blue', 'green']);
    const { stable, upstreams } = test.control.service('shop');
    expect(stable).toBe('green');
    expect(upstreams.blue).toMatchObject({ weight: 0, admin: 'draining' });
    expect((await get(test.url)).body).toBe('green');
    const metrics = await (await fetch(`${test.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/tealgate_rollout_transitions_total\{service="shop",to="promoted",reason="drained"\} 1/);
  });

  it.each([1, 2])(obligation('S13-rollback', 'answers 500, workers: %i'), async (workers) => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => response.writeHead(500).end('broken'));
    const guards = { errorRate: { max: '1%', confidence: '99%' } };
    const plan = { stages: [{ weight: 20, hold: '1h' }], guards };
    await using test = await openGate({ services: services(blue, green), workers });
    const load = startLoad(test.url, 16);
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test) === 'rolled_back', 'the rollback');
    // Those that were on their way when it was decided.
    await until(() => test.control.service('shop').upstreams.green?.inFlight === 0, 'requests in flight');
    const reached = green.requests;
    expect(reached).toBeLessThanOrEqual(20);
    for (let n = 0; n < 200; n++) await get(test.url);
    await load.stop();
    expect(green.requests).toBe(reached);
    const { rollout, stable, upstreams } = test.control.service('shop');
    expect(stable).toBe('blue');
    expect(upstreams).toMatchObject({ blue: { weight: 100 }, green: { weight: 0 } });
    expect(rollout?.transitions.at(-1)).toMatchObject({ reason: 'error_rate', evidence: [{ verdict: 'fail' }] });
  });

  it('is not rolled back by a guard that only observes, nor stopped in the workers', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => response.writeHead(500).end('broken'));
    await using test = await openGate({ services: services(blue, green) });
    const plan = { stages: [{ weight: 50, hold: '1h' }], guards: { errorRate: { dryRun: true } } };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    for (let n = 0; n < 100; n++) await get(test.url);
    const counts = () => test.control.service('shop').rollout?.counts.candidate;
    await until(() => counts()?.trials === 50, 'the look at 50 requests');
    expect(green.requests).toBe(50);
    const { rollout, upstreams } = test.control.service('shop');
    expect(rollout?.position).toMatchObject({ phase: 'progressing', stage: 0 });
    expect(rollout?.guards).toMatchObject([{ guard: 'errorRate', verdict: 'fail', dryRun: true, errors: 50 }]);
    expect(upstreams).toMatchObject({ green: { weight: 50 } });
  });

  it('gives way to a newer one that is to replace it, and to no other', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const stages = [{ weight: 20, hold: '1h' }, { weight: 100 }];
    const first = await test.control.startRollout('shop', 'green', { stages }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    await expect(test.control.startRollout('shop', 'green', { stages }, BY)).rejects.toMatchObject({
      code: 'conflict',
    });
    const next = { stages: [{ weight: 40, hold: '1h' }] };
    const second = await test.control.startRollout('shop', 'green', next, { ...BY, replace: true });
    await until(() => phase(test) === 'progressing', 'the first stage of the second');
    const { rollouts, upstreams } = test.control.service('shop');
    expect(rollouts.map(({ id, position }) => [id, position.phase])).toEqual([
      [second.id, 'progressing'],
      [first.id, 'aborted'],
    ]);
    expect(upstreams).toMatchObject({ blue: { weight: 60 }, green: { weight: 40, admin: 'enabled' } });
  });

  it('stays in a stage until the candidate has had the requests that it needs', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const stages = [{ weight: 50, minRequests: 20 }, { weight: 100 }];
    await test.control.startRollout('shop', 'green', { stages, guards: 'none' }, BY);
    const requests = () => test.control.service('shop').rollout?.counts.candidate.trials ?? 0;
    for (let n = 0; n < 30; n++) await get(test.url);
    await until(() => requests() === 15, 'the look at 15 requests');
    expect(test.control.service('shop').rollout?.position).toMatchObject({ phase: 'progressing', stage: 0 });
    for (let n = 0; n < 10; n++) await get(test.url);
    await until(() => phase(test) === 'promoted', 'the promotion');
  });

  it('is not promoted to a candidate that health checks hold to be ill', async () => {
    let ill = false;
    await using blue = await openTarget('blue');
    await using green = await openTarget((incoming, response) =>
      response.writeHead(ill && incoming.url === '/healthz' ? 503 : 200).end('green'),
    );
    const health = { path: '/healthz', interval: '50ms', timeout: '1s', rise: 1, fall: 1 };
    await using test = await openGate({ services: services(blue, green, { health }) });
    const stages = [{ weight: 50, minRequests: 2 }];
    await test.control.startRollout('shop', 'green', { stages, guards: 'none' }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    ill = true;
    const target = () => test.control.service('shop').upstreams.green?.targets[0];
    await until(() => target()?.health === 'unhealthy', 'the health check');
    for (let n = 0; n < 4; n++) expect((await get(test.url)).body).toBe('blue');
    await until(() => test.control.service('shop').rollout?.counts.candidate.trials === 2, 'the look at both requests');
    expect(phase(test)).toBe('progressing');
    ill = false;
    await until(() => phase(test) === 'promoted', 'the promotion');
    expect((await get(test.url)).body).toBe('green');
  });

  it('is rolled back when the candidate answers too slowly, though it never fails', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => void setTimeout(() => response.end('green'), 60));
    const guards = { latency: { quantile: '90%', max: '30ms' } };
    await using test = await openGate({ services: services(blue, green) });
    const load = startLoad(test.url, 8);
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 20, hold: '1h' }], guards }, BY);
    await until(() => phase(test) === 'rolled_back', 'the rollback');
    await load.stop();
    const { rollout, upstreams } = test.control.service('shop');
    expect(upstreams).toMatchObject({ blue: { weight: 100 }, green: { weight: 0 } });
    expect(rollout?.transitions.at(-1)).toMatchObject({
      reason: 'latency',
      evidence: [
        { guard: 'errorRate', errors: 0 },
        { guard: 'latency', verdict: 'fail', quantile: 0.9, maxMs: 30 },
      ],
    });
    const judged = rollout?.slots?.[0]?.candidate;
    expect(judged?.slow).toBe(judged?.trials);
    expect(rollout?.counts.stable.errors).toBe(0);
  });

  it('is not judged by requests that were sent to the candidate before it', async () => {
    let hangs = true;
    const hanging: ServerResponse[] = [];
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) =>
      hangs ? void hanging.push(response) : void response.end('green'),
    );
    await using test = await openGate({ services: services(blue, green, { drain: { timeout: '60s' } }) });
    const stages = [{ weight: 50, hold: '1h' }];
    await test.control.startRollout('shop', 'green', { stages, guards: 'none' }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    const early = Array.from({ length: 20 }, () => get(test.url));
    await until(() => hanging.length === 10, 'requests that hang');
    await test.control.operateRollout('shop', 'abort', BY);
    hangs = false;
    await test.control.startRollout('shop', 'green', { stages, guards: { errorRate: { max: '1%' } } }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage of the second');
    for (const response of hanging) response.socket?.destroy();
    expect((await Promise.all(early)).map(({ body }) => body)).toEqual(new Array(20).fill('blue'));
    for (let n = 0; n < 8; n++) await get(test.url);
    const counts = () => test.control.service('shop').rollout?.counts.candidate;
    await until(() => counts()?.trials === 4, 'the look at those of its own');
    expect(counts()).toMatchObject({ errors: 0 });
    expect(phase(test)).toBe('progressing');
  });

  it('goes on when one worker stopped the candidate on evidence that is not enough for all that was seen', async () => {
    let well = true;
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => response.writeHead(well ? 200 : 500).end('green'));
    const guards = { errorRate: { max: '40%', confidence: '99%' } };
    const stages = [
      { weight: 50, hold: '500ms' },
      { weight: 60, hold: '1h' },
    ];
    await using test = await openGate({ services: services(blue, green) });
    await test.control.startRollout('shop', 'green', { stages, guards }, BY);
    const position = () => test.control.service('shop').rollout?.position;
    const inSecondStage = () => {
      const now = position();
      return now?.phase === 'progressing' && now.stage === 1;
    };
    while (!inSecondStage()) await get(test.url);
    well = false;
    while (!test.log.some(({ event }) => event === 'rollout.fuse')) await get(test.url);
    well = true;
    const before = green.requests;
    const deadline = performance.now() + 10_000;
    while (green.requests < before + 5 && performance.now() < deadline) await get(test.url);
    expect(green.requests).toBeGreaterThanOrEqual(before + 5);
    expect(inSecondStage()).toBe(true);
  });

  it('that runs keeps weights, switches and a second rollout away, and says how to go on', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 5, hold: '1h' }] }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    const conflict = { code: 'conflict', message: expect.stringContaining('abort') };
    await expect(test.control.setWeights('shop', { green: 50 }, BY)).rejects.toMatchObject(conflict);
    await expect(test.control.switchTo('shop', 'green', BY)).rejects.toMatchObject(conflict);
    await expect(test.control.startRollout('shop', 'green', undefined, BY)).rejects.toMatchObject(conflict);
    await expect(test.control.drain('shop', 'blue', BY)).rejects.toMatchObject(conflict);
    expect(phase(test)).toBe('progressing');
  });

  it('is paused, resumed and aborted by hand; repeating a call changes nothing', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 50, hold: '1h' }] }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    for (const action of ['pause', 'pause', 'resume', 'resume', 'abort', 'abort'] as const) {
      await test.control.operateRollout('shop', action, BY);
    }
    expect(phase(test)).toBe('aborted');
    expect(test.control.service('shop').rollout?.transitions.map(({ to }) => to)).toEqual([
      'checking',
      'progressing',
      'paused',
      'progressing',
      'aborted',
    ]);
    expect(test.control.service('shop').upstreams).toMatchObject({ blue: { weight: 100 }, green: { weight: 0 } });
  });

  it('is undone by a switch back, as often as one asks', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    await expect(test.control.undo('shop', BY)).rejects.toMatchObject({ code: 'conflict' });
    await test.control.startRollout('shop', 'green', { strategy: 'blue-green' }, BY);
    await until(() => phase(test) === 'promoted', 'the promotion');
    const undone = await test.control.undo('shop', BY);
    expect(undone.service.stable).toBe('blue');
    expect((await test.control.undo('shop', BY)).version).toBe(undone.version);
    expect((await get(test.url)).body).toBe('blue');
  });

  it('switches blue to green behind a gate, watches, and keeps blue warm for an undo', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const smoke = [{ path: '/' }];
    const plan = { strategy: 'blue-green', smoke: [{ path: '/' }], gate: 'manual', watch: '50ms', keepWarm: '1h' };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test) === 'paused', 'the gate');
    expect(green.requests).toBe(smoke.length);
    for (let n = 0; n < 10; n++) expect((await get(test.url)).body).toBe('blue');
    await test.control.operateRollout('shop', 'resume', BY);
    await until(() => phase(test) === 'promoted', 'the promotion');
    expect((await get(test.url)).body).toBe('green');
    const { upstreams, stable } = test.control.service('shop');
    expect(stable).toBe('green');
    expect(upstreams.blue).toMatchObject({ weight: 0, admin: 'enabled', warm: { leftMs: expect.any(Number) } });
    const undone = (await test.control.undo('shop', BY)).service;
    expect(undone).toMatchObject({
      stable: 'blue',
      upstreams: { blue: { weight: 100 }, green: { admin: 'draining' } },
    });
    expect(undone.upstreams.blue).not.toHaveProperty('warm');
    expect((await get(test.url)).body).toBe('blue');
  });

  it('retires the old side when it has been warm long enough', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    await test.control.startRollout('shop', 'green', { strategy: 'blue-green', keepWarm: '10ms' }, BY);
    await until(() => test.control.service('shop').upstreams.blue?.admin === 'draining', 'the retirement');
    expect(phase(test)).toBe('promoted');
    expect(test.control.events(0).map(({ type }) => type)).toContain('upstream.retired');
    expect(test.control.service('shop').upstreams.blue).not.toHaveProperty('warm');
  });

  it('switches back at once when a guard fails in the watch window', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => response.writeHead(500).end('broken'));
    await using test = await openGate({ services: services(blue, green) });
    await test.control.startRollout('shop', 'green', { strategy: 'blue-green', watch: '1h', keepWarm: '1h' }, BY);
    await until(() => phase(test) === 'progressing', 'the switch');
    const load = startLoad(test.url, 2);
    await until(() => phase(test) === 'rolled_back', 'the switch back');
    await load.stop();
    const { stable, upstreams } = test.control.service('shop');
    expect(stable).toBe('blue');
    expect(upstreams).toMatchObject({ blue: { weight: 100, admin: 'enabled' }, green: { weight: 0 } });
  });

  it('is taken back in steps, and ends by itself', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    const plan = { stages: [{ weight: 100, hold: '1h' }], rollback: { ramp: '2s' } };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    await test.control.operateRollout('shop', 'abort', BY);
    // Says only what is possible on the way back.
    const wait = /decides over its traffic; wait until it has ended$/;
    await expect(test.control.switchTo('shop', 'green', BY)).rejects.toThrow(wait);
    await expect(test.control.undo('shop', BY)).rejects.toThrow(/no rollout of shop was promoted/);
    await until(() => phase(test) === 'aborted', 'the end of the ramp');
    const steps = test.control.events(0).filter(({ type }) => type === 'weights.changed');
    const weights = steps.map(({ data }) => (data.after as { green: number }).green);
    expect(weights[0]).toBe(100);
    expect(weights.slice(1).length).toBeGreaterThan(2);
    expect(weights.slice(1)).toEqual(weights.slice(1).toSorted((a, b) => b - a));
    expect(weights.at(-1)).toBe(0);
    expect(test.control.service('shop').upstreams.green).toMatchObject({ weight: 0, admin: 'draining' });
  });

  it('is refused to an upstream that is stable, unknown, unreachable or without targets', async () => {
    await using blue = await openTarget('blue');
    const green = await openTarget('green');
    await green.close();
    await using test = await openGate({ services: services(blue, green) });
    const start = (to: string) => test.control.startRollout('shop', to, undefined, BY);
    await expect(start('blue')).rejects.toMatchObject({ code: 'conflict' });
    await expect(start('red')).rejects.toMatchObject({ code: 'not_found' });
    await expect(start('green')).rejects.toThrow(/ECONNREFUSED.*see to it that one does, and start again$/);
    await test.control.setTargets('shop', 'green', [], BY);
    await expect(start('green')).rejects.toThrow(/no targets/);
    expect(test.control.service('shop').rollouts).toEqual([]);
  });

  it('is retried only from where it began', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openGate({ services: services(blue, green) });
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 50, hold: '1h' }] }, BY);
    await test.control.operateRollout('shop', 'abort', BY);
    await test.control.switchTo('shop', 'green', BY);
    await expect(test.control.operateRollout('shop', 'retry', BY)).rejects.toThrow(/start a new rollout/);
    await test.control.switchTo('shop', 'blue', BY);
    const again = await test.control.operateRollout('shop', 'retry', BY);
    expect(again.to).toBe('green');
    expect(test.control.service('shop').rollouts).toHaveLength(2);
  });
});
