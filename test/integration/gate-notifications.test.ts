import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GateFile, openGate, openTarget, type TestGate, until, writeGateFile } from '../support/gate.ts';
import { spawnGate } from '../support/gate-process.ts';
import { isSignedBy, openReceiver, type Received, type Receiver } from '../support/receiver.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const BY = { actor: 'test' };
const TOKEN = 'a-token-for-operators';
/** What happens up to the gate of the plan below, as far as rollouts tell it by transitions. */
const MOVES = ['rollout.created', 'rollout.checking', 'rollout.stage', 'rollout.paused'];
const GATED = { stages: [{ weight: 10 }, { weight: 50, hold: '1h', gate: 'manual' }, { weight: 100 }] };

interface Wanted {
  readonly webhook?: object;
  readonly notification?: object;
  readonly more?: object;
}

/** One service without a target that answers, and one receiver of its events. */
function file(url: string, { webhook = {}, notification = {}, more = {} }: Wanted = {}): GateFile {
  const targets = { blue: { weight: 100, targets: [] as string[] }, green: { weight: 0, targets: [] as string[] } };
  return {
    webhooks: { chat: { url, secret: SECRET, backoff: '10ms', timeout: '2s', ...webhook } },
    notifications: [{ webhook: 'chat', events: MOVES, ...notification }],
    services: { shop: { upstreams: targets } },
    ...more,
  };
}

async function withTargets(of: GateFile): Promise<{ file: GateFile } & AsyncDisposable> {
  const blue = await openTarget('blue');
  const green = await openTarget('green');
  const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
  return {
    file: { ...of, services: { shop: { upstreams } } },
    async [Symbol.asyncDispose]() {
      await blue.close();
      await green.close();
    },
  };
}

const phase = (test: TestGate) => test.control.service('shop').rollout?.position.phase;
const typesOf = ({ received }: Receiver): unknown[] => received.map(({ json }) => json.type);

async function started(test: TestGate): Promise<void> {
  await test.control.startRollout('shop', 'green', GATED, BY);
  await until(() => phase(test) === 'paused', 'the gate');
}

describe('a notification', () => {
  it('tells each event of a rollout, signed, in the order in which they happened', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(file(receiver.url));
    await using test = await openGate(given.file);
    await started(test);
    await until(() => receiver.received.length === 4, 'the notifications');
    expect(typesOf(receiver)).toEqual(MOVES);
    expect(receiver.received.every((one) => isSignedBy(one, SECRET))).toBe(true);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(4);
    expect(receiver.received[3]?.json).toMatchObject({
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: {
        service: 'shop',
        from: 'blue',
        to: 'green',
        phase: 'paused',
        reason: 'gate',
        message: 'shop: green is paused at stage 1 of 3 (weight 10): gate',
      },
    });
  });

  it('is sent for the events and services that were asked for', async () => {
    await using receiver = await openReceiver();
    const notification = { events: ['rollout.paused', 'upstream.*'], services: ['shop'] };
    await using given = await withTargets(file(receiver.url, { notification }));
    const { services } = given.file;
    await using test = await openGate({
      ...given.file,
      services: { ...services, other: { ...services.shop, paths: ['/o'] } },
    });
    await test.control.drain('other', 'green', BY);
    await test.control.drain('shop', 'green', BY);
    await started(test);
    await until(() => receiver.received.length === 3, 'the notifications');
    expect(typesOf(receiver)).toEqual(['upstream.draining', 'upstream.enabled', 'rollout.paused']);
    expect(receiver.received.every(({ json }) => json.data.service === 'shop')).toBe(true);
  });

  it('for Slack is a text with blocks, and what could be a mention or a link in it is not', async () => {
    await using receiver = await openReceiver();
    const notification = { format: 'slack', events: ['rollout.rolled_back'] };
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => response.writeHead(500).end());
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    const services = { shop: { upstreams } };
    await using test = await openGate(file(receiver.url, { webhook: {}, notification, more: { services } }));
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 50, hold: '1h' }] }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    await until(async () => {
      await fetch(test.url).then((answer) => answer.arrayBuffer());
      return receiver.received.length === 1;
    }, 'the rollback');
    const [{ json } = { json: null }] = receiver.received;
    expect(json.text).toMatch(
      /^shop: green was rolled back at stage 1 of 1 \(weight 50\): error rate\n\d+ of \d+ attempts/,
    );
    expect(json).toMatchObject({ unfurl_links: false, blocks: [{ type: 'section' }, { type: 'section' }] });
    expect(json.blocks[0].text.text).toContain(':rotating_light: *shop: green was rolled back');
  });

  it('comes again until it is taken, with the same id and body', async () => {
    await using receiver = await openReceiver((_, count) => ({ status: count < 3 ? 503 : 204 }));
    await using given = await withTargets(file(receiver.url, { notification: { events: ['rollout.paused'] } }));
    await using test = await openGate(given.file);
    await started(test);
    await until(() => receiver.received.length === 3, 'the attempts');
    const [first, ...more] = receiver.received;
    for (const attempt of more) {
      expect(attempt.headers['webhook-id']).toBe(first?.headers['webhook-id']);
      expect(attempt.body).toBe(first?.body);
    }
    expect(test.control.deadLetters()).toEqual([]);
  });

  it('does not wait for another receiver that does not answer', async () => {
    await using silent = await openReceiver(() => null);
    await using receiver = await openReceiver();
    const both = file(receiver.url);
    const webhooks = { ...(both.webhooks as object), silent: { url: silent.url, secret: SECRET, timeout: '60s' } };
    const notifications = [
      { webhook: 'silent', events: MOVES },
      { webhook: 'chat', events: MOVES },
    ];
    await using given = await withTargets({ ...both, webhooks, notifications });
    await using test = await openGate(given.file);
    await started(test);
    await until(() => receiver.received.length === 4, 'the notifications');
    expect(silent.received).toHaveLength(1);
  });

  it('that nobody takes is a dead letter, which can be sent again', async () => {
    let isBroken = true;
    await using receiver = await openReceiver(() => (isBroken ? { status: 500, body: 'down\n' } : { status: 200 }));
    const notification = { events: ['rollout.paused'] };
    await using given = await withTargets(file(receiver.url, { webhook: { attempts: 2 }, notification }));
    await using test = await openGate(given.file);
    await started(test);
    await until(() => test.control.deadLetters().length === 1, 'the dead letter');
    const answer = await fetch(`${test.adminUrl}/v1/notifications/dead-letters`);
    const { deadLetters } = (await answer.json()) as { deadLetters: { id: string }[] };
    expect(deadLetters).toMatchObject([
      {
        webhook: 'chat',
        event: { type: 'rollout.paused', service: 'shop' },
        attempts: 2,
        error: 'answered 500: "down\\n"',
      },
    ]);
    expect(test.log.filter(({ event }) => event === 'notification.dead')).toHaveLength(1);
    const metrics = await (await fetch(`${test.adminUrl}/metrics`)).text();
    expect(metrics).toContain('tealgate_notifications_dead{webhook="chat"} 1');
    isBroken = false;
    const id = deadLetters[0]?.id;
    const again = await fetch(`${test.adminUrl}/v1/notifications/dead-letters/${id}/redeliver`, { method: 'POST' });
    expect(again.status).toBe(202);
    await until(() => receiver.received.length === 3, 'the third attempt');
    expect(receiver.received[2]?.headers['webhook-id']).toBe(id);
    expect(test.control.deadLetters()).toEqual([]);
    await expect(test.control.redeliver('msg_none', BY)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is given up at once when the receiver is gone for good (410)', async () => {
    await using receiver = await openReceiver(() => ({ status: 410 }));
    await using given = await withTargets(file(receiver.url, { notification: { events: ['rollout.paused'] } }));
    await using test = await openGate(given.file);
    await started(test);
    await until(() => test.control.deadLetters().length === 1, 'the dead letter');
    expect(receiver.received).toHaveLength(1);
  });

  it('begins with the reload that asks for it, and tells nothing of before', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(file(receiver.url, { notification: { events: ['*'] } }));
    const { notifications: _, webhooks: __, ...without } = given.file;
    await using test = await openGate(without as GateFile);
    await test.control.drain('shop', 'green', BY);
    await test.write(given.file);
    await test.control.reload(BY);
    await test.control.enable('shop', 'green', BY);
    await until(() => receiver.received.length >= 1, 'the first notification');
    expect(typesOf(receiver)).toEqual(['upstream.enabled']);
  });

  it('never shows URL or secret of its receiver in log, events and views', async () => {
    await using receiver = await openReceiver(() => ({ status: 500 }));
    const url = `${receiver.url}/T000/B000/hidden-path`;
    await using given = await withTargets(file(url, { webhook: { attempts: 1 } }));
    await using test = await openGate(given.file);
    await started(test);
    await until(() => test.control.deadLetters().length === 4, 'the dead letters');
    await test.write({ ...given.file, webhooks: { chat: { url, secret: `${SECRET}AAAA`, attempts: 2 } } });
    await test.control.reload(BY);
    const events = JSON.stringify(test.control.events(0));
    expect(events).toContain('webhook chat: secret changed');
    const shown = [JSON.stringify(test.log), events, JSON.stringify(test.control.deadLetters())].join();
    expect(shown).not.toContain('hidden-path');
    expect(shown).not.toContain('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  });
});

describe('after kill -9', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tealgate-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it('what was queued is delivered, and what was being sent comes again with the same id', async () => {
    let isUp = false;
    await using receiver = await openReceiver(() => (isUp ? { status: 200 } : null));
    const notification = { events: ['rollout.paused', 'rollout.stage'] };
    await using given = await withTargets(file(receiver.url, { webhook: { timeout: '60s' }, notification }));
    const configPath = await writeGateFile(directory, given.file);
    await using first = await spawnGate(configPath);
    await first.command('POST', '/v1/services/shop/rollouts', { to: 'green', ...GATED });
    // It has the first in hand and does not answer; the second waits behind it.
    await until(() => receiver.received.length === 1, 'the first attempt');
    await until(async () => {
      const current = (await first.ask('/v1/services/shop/rollouts/current')) as { phase: string };
      return current.phase === 'paused';
    }, 'the gate');
    await first.kill('SIGKILL');
    isUp = true;
    await using _second = await spawnGate(configPath);
    await until(() => receiver.received.length === 3, 'the notifications');
    const [before, again, next] = receiver.received;
    expect(again?.headers['webhook-id']).toBe(before?.headers['webhook-id']);
    expect(again?.body).toBe(before?.body);
    expect(next?.json.type).toBe('rollout.paused');
    expect(isSignedBy(next as Received, SECRET)).toBe(true);
  });
});

describe('a link in a notification', () => {
  const admin = {
    address: '127.0.0.1:0',
    externalUrl: 'https://gate.example.com',
    tokens: [{ name: 'ci', token: TOKEN, role: 'operator' }],
  };
  const withLinks = (url: string, more: object = {}): GateFile =>
    file(url, { notification: { events: ['rollout.paused'], links: ['promote', 'abort'], ...more }, more: { admin } });

  /** As a browser that reaches the gate through an ingress. */
  function open(test: TestGate, link: string, method = 'GET', headers: Record<string, string> = {}) {
    const { pathname, search, host } = new URL(link);
    const { port } = new URL(test.adminUrl);
    const options = { host: '127.0.0.1', port, method, path: pathname + search, headers: { host, ...headers } };
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = request({ ...options, agent: false }, async (answer) => {
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += String(chunk);
        resolve({ status: answer.statusCode ?? 0, text });
      });
      sent.once('error', reject);
      sent.end();
    });
  }

  async function sent(receiver: Receiver): Promise<Record<'promote' | 'abort', string>> {
    await until(() => receiver.received.length > 0, 'the notification');
    return receiver.received.at(-1)?.json.data.links;
  }

  it('shows what it would do, does it once when asked to, and says who it was sent to', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url));
    await using test = await openGate(given.file);
    await started(test);
    const { promote } = await sent(receiver);
    expect(promote).toMatch(/^https:\/\/gate\.example\.com\/v1\/links\/promote\?signature=/);
    // A scanner that looks at it, time and again, does nothing.
    for (let n = 0; n < 3; n++) {
      const page = await open(test, promote, 'GET', { 'sec-fetch-site': 'cross-site' });
      expect(page).toMatchObject({ status: 200, text: expect.stringContaining('Promote green of shop?') });
    }
    expect((await open(test, promote, 'HEAD')).status).toBe(200);
    expect(phase(test)).toBe('paused');
    const origin = { origin: 'https://gate.example.com', 'sec-fetch-site': 'same-origin' };
    expect((await open(test, promote, 'POST', origin)).status).toBe(200);
    await until(() => phase(test) === 'promoted', 'the promotion');
    const transitions = test.control.service('shop').rollout?.transitions ?? [];
    expect(transitions.find(({ to }) => to === 'promoting')).toMatchObject({ actor: 'link:chat', reason: 'operator' });
    const again = await open(test, promote, 'POST', origin);
    expect(again).toMatchObject({ status: 409, text: expect.stringContaining('does nothing any more') });
    expect((await open(test, promote)).status).toBe(409);
  });

  it('of one service of a group acts on all of them, and says so', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url, { services: ['shop'] }));
    const { services } = given.file;
    const cart = { ...services.shop, paths: ['/cart'] };
    await using test = await openGate({
      ...given.file,
      services: { ...services, cart },
      groups: { release: { services: ['shop', 'cart'] } },
    });
    await test.control.startGroupRollout('release', 'green', GATED, BY);
    await until(() => phase(test) === 'paused', 'the gate');
    const { abort } = await sent(receiver);
    const page = await open(test, abort);
    expect(page).toMatchObject({ status: 200, text: expect.stringContaining('all of group release: shop, cart') });
    const answers = await Promise.all([1, 2].map(() => open(test, abort, 'POST')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const { rollouts } = test.control.group('release');
    expect(rollouts.map(({ position }) => position.phase)).toEqual(['aborted', 'aborted']);
    expect(rollouts.map(({ transitions }) => transitions.at(-1)?.actor)).toEqual(['link:chat', 'link:chat']);
  });

  it('of several that lead from one moment, works for the first that is followed only', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url));
    await using test = await openGate(given.file);
    await started(test);
    const { promote, abort } = await sent(receiver);
    const answers = await Promise.all([promote, abort, promote, abort].map((link) => open(test, link, 'POST')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
  });

  it('does nothing once the rollout has gone on and come to the same phase again', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url));
    await using test = await openGate(given.file);
    await started(test);
    const old = await sent(receiver);
    await test.control.operateRollout('shop', 'resume', BY);
    await until(() => phase(test) === 'progressing', 'the next stage');
    await test.control.operateRollout('shop', 'pause', BY);
    await until(() => receiver.received.length === 2, 'the second notification');
    for (const link of Object.values(old)) expect((await open(test, link, 'POST')).status).toBe(409);
    expect(phase(test)).toBe('paused');
    expect((await open(test, (await sent(receiver)).abort, 'POST')).status).toBe(200);
    expect(phase(test)).toBe('aborted');
  });

  it('does not work for pages of other sites, under other names, for another action, or changed', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url));
    await using test = await openGate(given.file);
    await started(test);
    const { promote } = await sent(receiver);
    const refused = [
      await open(test, promote, 'POST', { origin: 'https://evil.example.com' }),
      await open(test, promote, 'POST', { 'sec-fetch-site': 'cross-site' }),
      await open(test, promote, 'POST', { host: 'evil.example.com' }),
      await open(test, promote.replace('/promote?', '/abort?'), 'POST'),
      await open(test, `${promote}A`, 'POST'),
      await open(test, `${promote}A`),
    ];
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
    expect(phase(test)).toBe('paused');
  });

  it('does nothing after its time', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url, { linkLifetime: '1s' }));
    await using test = await openGate(given.file);
    await started(test);
    const { abort } = await sent(receiver);
    await until(async () => (await open(test, abort)).status === 403, 'its expiry');
    expect(await open(test, abort, 'POST')).toMatchObject({ status: 403, text: expect.stringContaining('expired') });
    expect(phase(test)).toBe('paused');
  });

  it('that is wrong is refused a few times, while a right one still works', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url));
    await using test = await openGate(given.file);
    await started(test);
    const { abort } = await sent(receiver);
    const statuses: number[] = [];
    for (let n = 0; n < 60; n++) statuses.push((await open(test, `${abort}A`, 'POST')).status);
    expect(statuses[0]).toBe(403);
    expect(statuses.at(-1)).toBe(429);
    expect((await open(test, abort, 'POST')).status).toBe(200);
  });

  it('is in no log line, also when it was followed', async () => {
    await using receiver = await openReceiver();
    await using given = await withTargets(withLinks(receiver.url));
    await using test = await openGate(given.file);
    await started(test);
    const { abort } = await sent(receiver);
    await open(test, `${abort}A`, 'POST');
    await open(test, abort, 'POST');
    const signature = new URL(abort).searchParams.get('signature') ?? '';
    await until(() => test.log.some(({ event }) => event === 'admin.call'), 'the line of the call');
    expect(JSON.stringify(test.log)).not.toContain(signature.slice(0, 40));
    expect(JSON.stringify(test.control.events(0))).not.toContain(signature.slice(0, 40));
  });
});
