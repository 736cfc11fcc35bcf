import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GateFile, openGate, openTarget, type Target, type TestGate, until } from '../support/gate.ts';
import { openReceiver, type Received, type Receiver } from '../support/receiver.ts';
import { FIXTURES, pem, TARGET_FIXTURES } from '../support/tls.ts';

const BY = { actor: 'test' };
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const GATE_CERTIFICATE = { cert: pem('gate.crt'), key: pem('gate.key') };

let blue: Target;
let green: Target;
beforeEach(async () => {
  blue = await openTarget('blue');
  green = await openTarget('green');
});
afterEach(async () => {
  await blue.close();
  await green.close();
});

/** Everything that the gate calls by itself is this receiver. */
function file(url: string, more: object): GateFile {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return {
    prometheus: { main: { url: new URL(url).origin, ...more } },
    webhooks: { bot: { url, secret: SECRET, backoff: '10ms', ...more } },
    notifications: [{ webhook: 'bot' }],
    services: { shop: { upstreams } },
  };
}

const PLAN = {
  stages: [
    { weight: 20, hold: '1s' },
    { weight: 50, gate: { http: { webhook: 'bot', interval: '100ms' } } },
  ],
  onInconclusive: 'pause',
  guards: {
    errorRate: 'none',
    webhook: { webhook: 'bot', interval: '100ms' },
    metric: { prometheus: 'main', query: 'up', max: 5, interval: '100ms' },
  },
};

const NUMBER = JSON.stringify({ status: 'success', data: { resultType: 'scalar', result: [0, '1'] } });
/** A number for Prometheus queries, a pass for questions. */
const open = (): Promise<Receiver> =>
  openReceiver(({ path }) => ({ status: 200, body: path === '/api/v1/query' ? NUMBER : '{"verdict":"pass"}' }), 0, {
    ...GATE_CERTIFICATE,
  });
const rollout = (test: TestGate) => test.control.service('shop').rollout;
const kindOf = ({ path, json }: Received): string => (path === '/hook' ? json.type : path);

describe('a server with a certificate of a private authority', () => {
  it('is believed where `ca` names the authority, by guards, gates and notifications', async () => {
    await using receiver = await open();
    await using test = await openGate(file(receiver.url, { ca: `${FIXTURES}/root.crt` }));
    await test.control.startRollout('shop', 'green', PLAN, BY);
    await until(() => rollout(test)?.position.phase === 'promoted', 'the promotion');
    await until(() => receiver.received.some((one) => kindOf(one) === 'rollout.promoted'), 'the notification');
    const asked = new Set(receiver.received.map(kindOf));
    expect([...asked]).toEqual(expect.arrayContaining(['/api/v1/query', 'guard.check', 'gate.check']));
  });

  it.each([
    ['without', {}],
    ['by another authority', { ca: `${TARGET_FIXTURES}/authority.crt` }],
  ])('is not believed %s: nothing reaches it, the evidence says why, and a reload mends it', async (_, more) => {
    await using receiver = await open();
    await using test = await openGate(file(receiver.url, more));
    await test.control.startRollout('shop', 'green', PLAN, BY);
    const summaries = () => rollout(test)?.guards.map(({ summary }) => summary) ?? [];
    const areRefused = () => summaries().length === 2 && summaries().every((summary) => /certificate/.test(summary));
    await until(areRefused, 'the refusals');
    expect(receiver.received).toEqual([]);
    await test.write(file(receiver.url, { ca: `${FIXTURES}/root.crt` }));
    await test.control.reload(BY);
    await until(() => rollout(test)?.guards.every(({ verdict }) => verdict === 'pass') === true, 'the answers');
  });
});
