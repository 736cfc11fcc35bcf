import { Agent, type RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { get, openGate, openTarget, startLoad, type Target, type TestGate, until } from '../support/gate.ts';

const BY = { actor: 'test' };

/** Fails every n-th of its requests; 0 fails none. */
function failing(share: { every: number }): RequestListener {
  let requests = 0;
  return (_, response) => {
    const fails = share.every > 0 && ++requests % share.every === 0;
    response.writeHead(fails ? 500 : 200).end('answer');
  };
}

async function openShop(blue: Target, green: Target, more: object = {}): Promise<TestGate> {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  const services = { shop: { upstreams, drain: { timeout: '1s' }, retries: { attempts: 0 }, ...more } };
  return openGate({ listeners: [{ address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] }], services });
}

const rolloutOf = (test: TestGate) => test.control.service('shop').rollout;
const phaseOf = (test: TestGate) => rolloutOf(test)?.position.phase;
const evidenceOf = (test: TestGate, name: string) => rolloutOf(test)?.guards.find(({ guard }) => guard === name);

async function start(test: TestGate, plan: object): Promise<void> {
  await test.control.startRollout('shop', 'green', { stages: [{ weight: 50, hold: '1h' }], ...plan }, BY);
  await until(() => phaseOf(test) === 'progressing', 'the first stage');
}

/** Requests by clients one after the other; what is not repeatable is answered by the side that it met. */
async function post(test: TestGate, path: string, client: string, times: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { 'x-forwarded-for': client };
  for (let n = 0; n < times; n++) await get(`${test.url}${path}`, { agent, headers });
  agent.destroy();
}

describe('a guard that compares with stable', () => {
  const guards = { errorRate: 'none', worse: { kind: 'errorRate', versus: 'stable' } };

  it('does not roll back for a dependency that fails for both sides alike, and does for the candidate\u2019s own errors', async () => {
    const share = { every: 0 };
    const [blueShare, greenShare] = [share, { every: 0 }];
    await using blue = await openTarget(failing(blueShare));
    await using green = await openTarget(failing(greenShare));
    await using test = await openShop(blue, green);
    await start(test, { guards });
    const load = startLoad(test.url, 8);
    blueShare.every = greenShare.every = 4; // the dependency fails
    const trials = () => rolloutOf(test)?.counts.candidate.trials ?? 0;
    await until(() => trials() > 600, 'many requests while both sides fail');
    const meanwhile = evidenceOf(test, 'worse');
    expect(phaseOf(test)).toBe('progressing');
    expect(meanwhile).toMatchObject({ kind: 'errorRate', versus: 'stable' });
    expect(meanwhile?.verdict).not.toBe('fail');
    blueShare.every = 0;
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
    await load.stop();
    const last = rolloutOf(test)?.transitions.at(-1);
    expect(last).toMatchObject({ reason: 'error_rate', evidence: [{ guard: 'worse', verdict: 'fail', ratio: 1.5 }] });
  });

  it('tells a candidate that is slower than stable at its quantile', async () => {
    let lateMs = 0;
    await using blue = await openTarget((_, response) => void setTimeout(() => response.end('blue'), 2));
    await using green = await openTarget((_, response) => void setTimeout(() => response.end('green'), 2 + lateMs));
    await using test = await openShop(blue, green);
    const slower = { kind: 'latency', versus: 'stable', quantile: '80%', ratio: 2 };
    await start(test, { guards: { errorRate: 'none', slower } });
    const load = startLoad(test.url, 24);
    const bound = () => {
      const evidence = evidenceOf(test, 'slower');
      return evidence !== undefined && 'boundMs' in evidence ? evidence.boundMs : null;
    };
    await until(() => bound() !== null, 'stable\u2019s quantile');
    expect(phaseOf(test)).toBe('progressing');
    lateMs = 1000; // beyond what a busy machine adds to either side
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 40_000);
    await load.stop();
    expect(rolloutOf(test)?.transitions.at(-1)).toMatchObject({
      reason: 'latency',
      evidence: [{ guard: 'slower', verdict: 'fail', quantile: 0.8 }],
    });
  }, 60_000);
});

describe('a guard on errors', () => {
  it('rolls back a candidate with 5 % errors at weight 10 under load', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget(failing({ every: 20 }));
    await using test = await openShop(blue, green);
    await start(test, { stages: [{ weight: 10, hold: '1h' }] });
    const load = startLoad(test.url, 16);
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
    await load.stop();
    expect(rolloutOf(test)?.transitions.at(-1)).toMatchObject({
      reason: 'error_rate',
      evidence: [{ verdict: 'fail' }],
    });
    expect(rolloutOf(test)?.counts.stable.errors).toBe(0);
  });

  it('counts the requests that it matches, and no others', async () => {
    const answer: RequestListener = ({ url = '' }, response) =>
      response.writeHead(url.startsWith('/pay') ? 402 : url === '/lost' ? 404 : 500).end();
    await using blue = await openTarget('blue');
    await using green = await openTarget(answer);
    await using test = await openShop(blue, green);
    const pay = { kind: 'errorRate', max: '1%', match: { paths: ['/pay'], errors: [402] } };
    await start(test, { stages: [{ weight: 100, hold: '1h' }], guards: { errorRate: 'none', pay } });
    await post(test, '/other', '192.0.2.1', 20);
    await post(test, '/payment', '192.0.2.1', 20);
    await post(test, '/pay/now', '192.0.2.1', 1);
    await until(() => {
      const evidence = evidenceOf(test, 'pay');
      return evidence?.kind === 'errorRate' && 'trials' in evidence && evidence.trials === 1;
    }, 'the one that counts');
    expect(phaseOf(test)).toBe('progressing');
    await post(test, '/pay', '192.0.2.1', 5);
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
  });

  it('by client, does not take one client\u2019s retry storm for evidence, and many clients\u2019 errors for it', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => response.writeHead(500).end());
    await using test = await openShop(blue, green);
    const guards = { errorRate: { by: 'client', max: '10%' } };
    await start(test, { stages: [{ weight: 100, hold: '1h' }], guards });
    await post(test, '/', '192.0.2.7', 100);
    await until(() => rolloutOf(test)?.counts.candidate.errors === 100, 'the look at the storm');
    expect(evidenceOf(test, 'errorRate')).toMatchObject({ trials: 1, errors: 1, verdict: 'inconclusive' });
    expect(phaseOf(test)).toBe('progressing');
    for (let n = 1; n <= 5; n++) await post(test, '/', `192.0.2.${100 + n}`, 1);
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
  });

  it('of one stage, is in force in that stage only', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => response.writeHead(404).end());
    await using test = await openShop(blue, green);
    const strict = { kind: 'errorRate', max: '1%', match: { errors: ['4xx'] } };
    const stages = [
      { weight: 50, minRequests: 30 },
      { weight: 60, hold: '1h', guards: { strict } },
    ];
    await start(test, { stages });
    const load = startLoad(test.url, 4);
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
    await load.stop();
    expect(rolloutOf(test)?.position).toMatchObject({ stage: 1, reason: 'error_rate' });
    expect(rolloutOf(test)?.counts.candidate.trials).toBeGreaterThanOrEqual(30);
  });
});

describe('a guard on collateral damage', () => {
  it('rolls back a candidate that makes stable fail, though it never fails itself', async () => {
    let harm = false;
    await using blue = await openTarget((_, response) => response.writeHead(harm ? 500 : 200).end('blue'));
    await using green = await openTarget((_, response) => {
      harm = true; // it locks what both use
      response.end('green');
    });
    await using test = await openShop(blue, green);
    const before = startLoad(test.url, 8);
    await until(() => before.sent > 400, 'what stable is like before');
    await before.stop();
    await start(test, { stages: [{ weight: 10, hold: '1h' }], guards: { collateral: {} } });
    const load = startLoad(test.url, 4);
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
    await load.stop();
    const { position, transitions } = rolloutOf(test) ?? {};
    expect(position).toMatchObject({ reason: 'collateral' });
    const evidence = transitions?.at(-1)?.evidence.find(({ kind }) => kind === 'collateral');
    expect(evidence).toMatchObject({ guard: 'collateral', verdict: 'fail', before: { hits: 0 } });
    expect(rolloutOf(test)?.counts.candidate.errors).toBe(0);
  });

  it('holds stable against the time before the candidate that harmed it, also when that is tried again at once', async () => {
    let isHarmed = () => false;
    await using blue = await openTarget((_, response) => response.writeHead(isHarmed() ? 500 : 200).end('blue'));
    await using green = await openTarget('green');
    await using test = await openShop(blue, green);
    isHarmed = () => phaseOf(test) === 'progressing';
    const before = startLoad(test.url, 8);
    await until(() => before.sent > 400, 'what stable is like before');
    await before.stop();
    for (const _ of ['first', 'second']) {
      await start(test, { stages: [{ weight: 10, hold: '1h' }], guards: { collateral: {} } });
      const load = startLoad(test.url, 4);
      await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
      await load.stop();
    }
    const evidence = rolloutOf(test)
      ?.transitions.at(-1)
      ?.evidence.find(({ kind }) => kind === 'collateral');
    expect(evidence).toMatchObject({ verdict: 'fail', before: { hits: 0 } });
  });

  it('lets stable be as bad as it was, also in the part of it that counts', async () => {
    const answer: RequestListener = ({ url }, response) => response.writeHead(url === '/pay' ? 503 : 200).end();
    await using blue = await openTarget(answer);
    await using green = await openTarget('green');
    const guards = { errorRate: 'none', collateral: { match: { paths: ['/pay'] } } };
    await using test = await openShop(blue, green, { rollout: { guards } });
    await post(test, '/pay', '192.0.2.1', 50);
    await post(test, '/', '192.0.2.1', 50);
    await start(test, {});
    await post(test, '/pay', '192.0.2.1', 60);
    const counted = () => rolloutOf(test)?.slots?.[0]?.stable.trials;
    await until(() => counted() === 30, 'what stable did since');
    expect(evidenceOf(test, 'collateral')).toMatchObject({
      before: { trials: 50, hits: 50 },
      stable: { trials: 30, hits: 30 },
      verdict: 'inconclusive',
    });
    expect(phaseOf(test)).toBe('progressing');
  });
});

describe('a guard on what happens in the business', () => {
  const orders = { kind: 'business', event: 'order', minRatio: '80%' };
  const guards = { errorRate: 'none', orders };
  const selling = (field: () => string): RequestListener => {
    return (_, response) => void response.writeHead(200, { 'tealgate-business': field() }).end('page');
  };

  it('rolls back a candidate that takes no orders, and keeps the reports from clients', async () => {
    let isBroken = false;
    await using blue = await openTarget(selling(() => 'view, order=2'));
    await using green = await openTarget(selling(() => (isBroken ? 'view, order=0' : 'view,order')));
    await using test = await openShop(blue, green, { business: {} });
    await start(test, { guards });
    const load = startLoad(test.url, 4);
    const trials = () => rolloutOf(test)?.slots?.[0]?.candidate.trials ?? 0;
    await until(() => trials() > 200, 'orders on both sides');
    expect(phaseOf(test)).toBe('progressing');
    isBroken = true;
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
    await load.stop();
    expect(rolloutOf(test)?.transitions.at(-1)).toMatchObject({ reason: 'business', evidence: [{ guard: 'orders' }] });
    const response = await fetch(test.url);
    expect(response.headers.get('tealgate-business')).toBeNull();
  });

  it('lets clients see the reports where it is told to', async () => {
    await using blue = await openTarget(selling(() => 'order'));
    await using green = await openTarget('green');
    await using test = await openShop(blue, green, { business: { forward: true } });
    expect((await fetch(test.url)).headers.get('tealgate-business')).toBe('order');
  });

  it('counts what is reported to the admin API', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget('green');
    await using test = await openShop(blue, green);
    await start(test, { guards });
    const report = async (upstream: string, count: number, of: number): Promise<unknown> => {
      const body = JSON.stringify({ upstream, event: 'order', count, of });
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${test.adminUrl}/v1/services/shop/business`, { method: 'POST', body, headers });
      return response.json();
    };
    expect(await report('blue', 90, 100)).toEqual({ upstream: 'blue', event: 'order', count: 90, of: 100 });
    await until(() => rolloutOf(test)?.slots?.[0]?.stable.events === 90, 'the first report');
    for (let n = 1; n <= 10 && phaseOf(test) === 'progressing'; n++) {
      await report('blue', 90, 100);
      await report('green', 5, 100);
      await until(() => (rolloutOf(test)?.slots?.[0]?.candidate.trials ?? 0) >= n * 100, 'the look at it');
    }
    await until(() => phaseOf(test) === 'rolled_back', 'the rollback', 15_000);
    expect(await report('nowhere', 1, 1)).toMatchObject({ status: 404 });
  });
});
