import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Rollout } from '../../src/rollout/rollout.ts';
import { cli } from '../support/cli.ts';
import {
  type GateFile,
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
const verdict = (word: string): ReceiverAnswer => ({ status: 200, body: JSON.stringify({ verdict: word }) });
const phase = (test: TestGate) => test.control.service('shop').rollout?.position.phase;
const position = (test: TestGate) => test.control.service('shop').rollout?.position;

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

function file(url: string): GateFile {
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  const bot = { url, secret: SECRET, timeout: '60s' };
  return { webhooks: { bot }, services: { shop: { upstreams } } };
}

const plan = (more: object = {}) => ({
  stages: [{ weight: 20 }, { weight: 50, hold: '1h', gate: { http: { webhook: 'bot', interval: '100ms', ...more } } }],
});

describe('a gate that asks a webhook', () => {
  it('opens with its yes, over an outage of the one that is asked', async () => {
    let bot = await openReceiver(() => ({ status: 202 }));
    const { port, url } = bot;
    await using test = await openGate(file(url));
    await test.control.startRollout('shop', 'green', plan(), BY);
    await until(() => bot.received.length >= 2, 'two questions');
    const [asked] = bot.received;
    expect(asked === undefined ? false : isSignedBy(asked, SECRET)).toBe(true);
    expect(asked?.json).toMatchObject({
      type: 'gate.check',
      data: { stage: 1, stages: 2, weight: 20, phase: 'paused' },
    });
    expect(position(test)).toMatchObject({ phase: 'paused', reason: 'gate' });
    await bot.close();
    await until(() => JSON.stringify(position(test)).includes('no answer'), 'the outage');
    expect(phase(test)).toBe('paused');
    bot = await openReceiver(() => verdict('pass'), port);
    await until(() => phase(test) === 'progressing', 'the stage');
    expect(position(test)).toMatchObject({ stage: 1 });
    await bot.close();
  });

  it('waits for somebody after a no, and asks no more', async () => {
    await using bot = await openReceiver(() => verdict('fail'));
    await using test = await openGate(file(bot.url));
    await test.control.startRollout('shop', 'green', plan(), BY);
    await until(() => JSON.stringify(position(test)).includes('answered fail'), 'the no');
    expect(test.control.events(0).map(({ type }) => type)).toContain('rollout.gate_refused');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(bot.received).toHaveLength(1);
    await test.control.operateRollout('shop', 'resume', BY);
    expect(position(test)).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('takes the candidate back on a no where it is told to', async () => {
    await using bot = await openReceiver(() => verdict('fail'));
    await using test = await openGate(file(bot.url));
    await test.control.startRollout('shop', 'green', plan({ onNo: 'rollback' }), BY);
    await until(() => phase(test) === 'rolled_back', 'the rollback');
    expect(position(test)).toMatchObject({ reason: 'gate_refused' });
  });

  it('is refused where nobody is there to be asked', async () => {
    await using test = await openGate(file('http://127.0.0.1:9/'));
    const gates = { stages: [{ weight: 100, gate: { http: { webhook: 'none-such' } } }] };
    await expect(test.control.startRollout('shop', 'green', gates, BY)).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('stages[0].gate.http.webhook: there is no none-such under `webhooks`'),
    });
  });

  it('asks again under the same id after kill -9', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
    let answer: ReceiverAnswer | null = null;
    await using bot = await openReceiver(() => answer);
    const configPath = await writeGateFile(directory, file(bot.url));
    await using first = await spawnGate(configPath);
    const { id } = (await first.command('POST', '/v1/services/shop/rollouts', { to: 'green', ...plan() })) as Rollout;
    await until(() => bot.received.length === 1, 'the question');
    await first.kill('SIGKILL');
    answer = verdict('pass');
    await using second = await spawnGate(configPath);
    await until(async () => {
      const current = (await second.ask('/v1/services/shop/rollouts/current')) as Rollout;
      return current.position.phase === 'progressing' && current.position.stage === 1;
    }, 'the stage');
    expect(bot.received.map(({ headers }) => headers['webhook-id'])).toEqual([`${id}.gate.1.1`, `${id}.gate.1.1`]);
    await second.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });
});

describe('the journal', () => {
  it('has what gates and guards were answered, so that every verdict comes out again offline', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
    const answers = ['inconclusive', 'pass', 'pass', 'inconclusive', 'pass', 'fail'];
    await using bot = await openReceiver((_, count) => verdict(answers[count - 1] ?? 'fail'));
    const configPath = await writeGateFile(directory, file(bot.url));
    await using gate = await spawnGate(configPath);
    const guards = { errorRate: 'none', webhook: { webhook: 'bot', interval: '100ms', failures: 2 } };
    await gate.command('POST', '/v1/services/shop/rollouts', { to: 'green', ...plan(), guards });
    await until(async () => {
      const current = (await gate.ask('/v1/services/shop/rollouts/current')) as Rollout;
      return current.position.phase === 'rolled_back';
    }, 'the rollback');
    await gate.kill('SIGKILL');
    const { code, stdout } = await cli(['replay', '--store', join(directory, 'state.db'), '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ replays: [{ result: 'same', whole: true, difference: null }] });
    expect(JSON.parse(stdout).replays[0].verdicts).toBeGreaterThan(4);
    await rm(directory, { recursive: true, force: true });
  });
});

describe('a gate with a window', () => {
  it('is open all day, or closed for somebody to open', async () => {
    await using test = await openGate(file('http://127.0.0.1:9/'));
    const today = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
    const now = new Date().getUTCDay();
    const other = today[(now + 3) % 7];
    const always = { schedule: { timeZone: 'UTC' } };
    const never = { schedule: { days: [other], from: '09:00', to: '17:00' } };
    const stages = [
      { weight: 10, gate: always },
      { weight: 20, gate: never, hold: '1h' },
    ];
    await test.control.startRollout('shop', 'green', { stages }, BY);
    await until(() => phase(test) === 'paused', 'the window');
    expect(test.control.service('shop').rollout?.transitions.map(({ to }) => to)).toEqual([
      'checking',
      'progressing',
      'paused',
    ]);
    await test.control.operateRollout('shop', 'resume', BY);
    expect(position(test)).toMatchObject({ phase: 'progressing', stage: 1 });
  });
});
