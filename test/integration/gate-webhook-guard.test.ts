import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Rollout } from '../../src/rollout/rollout.ts';
import {
  type GateFile,
  get,
  openGate,
  openTarget,
  type Target,
  type TestGate,
  until,
  writeGateFile,
} from '../support/gate.ts';
import { spawnGate } from '../support/gate-process.ts';
import { isSignedBy, openReceiver, type ReceiverAnswer } from '../support/receiver.ts';

const BY = { actor: 'test' };
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const phase = (test: TestGate) => test.control.service('shop').rollout?.position.phase;
const evidence = (test: TestGate) => test.control.service('shop').rollout?.guards.at(-1);
const verdict = (word: string, reason?: string): ReceiverAnswer => ({
  status: 200,
  body: JSON.stringify({ verdict: word, reason }),
});

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

function file(url: string, more: object = {}): GateFile {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return { webhooks: { bot: { url, secret: SECRET, ...more } }, services: { shop: { upstreams } } };
}

const plan = (hold: string, more: object = {}) => ({
  stages: [{ weight: 20, hold }],
  guards: { errorRate: 'none', webhook: { webhook: 'bot', interval: '100ms' } },
  ...more,
});

describe('a webhook guard', () => {
  it('asks with a signed request that says where the rollout is and what was counted', async () => {
    await using bot = await openReceiver(() => verdict('pass', 'orders are fine'));
    await using test = await openGate(file(bot.url));
    const { id } = await test.control.startRollout('shop', 'green', plan('1h'), BY);
    await until(() => phase(test) === 'progressing', 'the stage');
    for (let n = 0; n < 10; n++) await get(test.url);
    await until(() => {
      const { candidate, stable } = bot.received.at(-1)?.json.data.counts ?? { candidate: {}, stable: {} };
      return candidate.trials + stable.trials === 10;
    }, 'the counts');
    const asked = bot.received.at(-1);
    expect(bot.received.every((request) => isSignedBy(request, SECRET))).toBe(true);
    expect(asked?.json).toMatchObject({
      type: 'guard.check',
      data: {
        service: 'shop',
        rollout: id,
        from: 'blue',
        to: 'green',
        guard: 'webhook',
        phase: 'progressing',
        stage: 0,
        stages: 1,
        weight: 20,
        counts: { candidate: { trials: 2, errors: 0 }, stable: { trials: 8, errors: 0 } },
      },
    });
    await until(() => evidence(test)?.verdict === 'pass', 'the verdict');
    expect(evidence(test)?.summary).toBe('answered pass: orders are fine');
    const ids = bot.received.map(({ headers }) => headers['webhook-id']);
    expect(ids[0]).toBe(`${id}.webhook.1`);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('takes the candidate back when the answer is fail, with the reason that was given', async () => {
    await using bot = await openReceiver((_, count) => verdict(count < 3 ? 'pass' : 'fail', 'orders\nhave stopped'));
    await using test = await openGate(file(bot.url));
    await test.control.startRollout('shop', 'green', plan('1h'), BY);
    await until(() => phase(test) === 'rolled_back', 'the rollback');
    const last = test.control.service('shop').rollout?.transitions.at(-1);
    expect(last).toMatchObject({
      reason: 'webhook',
      evidence: [{ kind: 'webhook', webhook: 'bot', summary: 'answered fail: orders have stopped' }],
    });
    const asked = bot.received.length;
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(bot.received).toHaveLength(asked);
  });

  it('waits while the answer is not yet, where the plan waits for verdicts', async () => {
    let answer = verdict('not_yet');
    await using bot = await openReceiver(() => answer);
    await using test = await openGate(file(bot.url));
    await test.control.startRollout('shop', 'green', plan('200ms', { onInconclusive: 'pause' }), BY);
    await until(() => phase(test) === 'paused', 'the pause');
    answer = { status: 202 };
    await until(() => evidence(test)?.summary === 'answered 202: not yet', 'the next answer');
    expect(phase(test)).toBe('paused');
    answer = { status: 204 };
    await until(() => phase(test) === 'promoted', 'the promotion');
  });

  it.each<[string, ReceiverAnswer]>([
    ['500', { status: 500 }],
    ['404', { status: 404, body: JSON.stringify({ verdict: 'fail' }) }],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }],
    ['200 without a verdict', { status: 200, body: 'OK' }],
    ['an unknown verdict', verdict('maybe')],
  ])('takes nothing back on %s, and asks less often meanwhile', async (_, wrong) => {
    let answer = wrong;
    await using bot = await openReceiver(() => answer);
    await using test = await openGate(file(bot.url));
    await test.control.startRollout('shop', 'green', plan('1h'), BY);
    await until(() => bot.received.length === 3, 'three questions');
    await until(() => asked(test) === 3, 'their answers');
    expect(evidence(test)?.verdict).toBe('inconclusive');
    expect(phase(test)).toBe('progressing');
    const state = test.control.service('shop').rollout?.guardStates.webhook;
    expect(state).toMatchObject({ asked: 3, unanswered: 3, failures: 0 });
    answer = verdict('pass');
    await until(() => evidence(test)?.verdict === 'pass', 'the verdict');
  });

  it('that is not answered holds up no other guard', async () => {
    await using bot = await openReceiver(() => null);
    await green.close();
    green = await openTarget((_, response) => response.writeHead(500).end());
    await using test = await openGate(file(bot.url, { timeout: '60s' }));
    const guards = { errorRate: {}, webhook: { webhook: 'bot', interval: '100ms' } };
    await test.control.startRollout('shop', 'green', plan('1h', { stages: [{ weight: 50, hold: '1h' }], guards }), BY);
    await until(() => bot.received.length === 1, 'the question');
    await until(async () => {
      await get(test.url);
      return phase(test) === 'rolled_back';
    }, 'the rollback');
    expect(test.control.service('shop').rollout?.transitions.at(-1)?.reason).toBe('error_rate');
  });

  it('that only observes tells its verdict and moves nothing', async () => {
    await using bot = await openReceiver(() => verdict('fail'));
    await using test = await openGate(file(bot.url));
    const guards = { errorRate: 'none', webhook: { webhook: 'bot', interval: '100ms', dryRun: true } };
    await test.control.startRollout('shop', 'green', plan('1h', { guards }), BY);
    await until(() => evidence(test)?.verdict === 'fail', 'the verdict');
    expect(evidence(test)).toMatchObject({ dryRun: true });
    expect(phase(test)).toBe('progressing');
  });

  it('of which nobody is left to ask says so, and takes nothing back', async () => {
    await using bot = await openReceiver(() => verdict('pass'));
    await using test = await openGate(file(bot.url));
    await test.control.startRollout('shop', 'green', plan('1h'), BY);
    await until(() => evidence(test)?.verdict === 'pass', 'the verdict');
    await test.write({ services: file(bot.url).services });
    await test.control.reload(BY);
    await until(() => evidence(test)?.verdict === 'inconclusive', 'the next look');
    expect(evidence(test)?.summary).toBe('there is no webhook bot in the configuration');
    expect(phase(test)).toBe('progressing');
  });

  it('is refused when it asks somebody who is not configured', async () => {
    await using bot = await openReceiver();
    await using test = await openGate(file(bot.url));
    const guards = { webhook: { webhook: 'bto' }, depth: { kind: 'metric', prometheus: 'main', query: 'up', max: 1 } };
    await expect(test.control.startRollout('shop', 'green', plan('1h', { guards }), BY)).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringMatching(
        /there is no bto under `webhooks`; did you mean bot\?.*no main under `prometheus`/,
      ),
    });
  });
});

function asked(test: TestGate): number {
  const last = evidence(test);
  return last?.kind === 'webhook' ? last.asked : 0;
}

describe('after kill -9', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it('a webhook guard knows its last answer, and asks what was not answered under the same id', async () => {
    let answer: ReceiverAnswer | null = verdict('pass', 'so far');
    await using bot = await openReceiver(() => answer);
    const configPath = await writeGateFile(directory, file(bot.url, { timeout: '60s' }));
    const current = async (ask: (path: string) => Promise<unknown>) =>
      (await ask('/v1/services/shop/rollouts/current')) as Rollout;
    await using first = await spawnGate(configPath);
    await first.command('POST', '/v1/services/shop/rollouts', { to: 'green', ...plan('1h') });
    await until(async () => (await current(first.ask)).guards[0]?.verdict === 'pass', 'the answer');
    answer = null;
    const before = bot.received.length;
    await until(() => bot.received.length > before, 'the question that is not answered');
    const open = bot.received.at(-1)?.headers['webhook-id'];
    await until(async () => {
      const [guard] = (await current(first.ask)).guards;
      return guard?.kind === 'webhook' && open === `${(await current(first.ask)).id}.webhook.${guard.asked + 1}`;
    }, 'the answers before it');
    await first.kill('SIGKILL');

    const asked = bot.received.length;
    answer = verdict('fail', 'now');
    await using second = await spawnGate(configPath);
    await until(async () => (await current(second.ask)).position.phase === 'rolled_back', 'the rollback');
    const [guard] = (await current(second.ask)).guards;
    expect(open).toBe(`${(await current(second.ask)).id}.webhook.${guard?.kind === 'webhook' ? guard.asked : null}`);
    expect(bot.received[asked]?.headers['webhook-id']).toBe(open);
  });
});
