import { describe, expect, it, onTestFinished } from 'vitest';
import { Notifier, type NotifierParts } from '../../src/app/notifications/notifier.ts';
import type { NotificationConfig, WebhookConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { TRUST_SYSTEM } from '../../src/platform/tls.ts';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';
import type { NewEvent, Store } from '../../src/store/store.ts';
import { openReceiver, type Receiver } from '../support/receiver.ts';

const CHAT: NotificationConfig = {
  webhook: 'chat',
  format: 'json',
  events: ['*'],
  services: null,
  links: [],
  linkLifetimeMs: 1000,
};
const event = (type: string): NewEvent => ({ type, service: 'shop', actor: 'ci', at: 1, data: {} });

function openStore(): Store<object> {
  const store = openSqliteStore<object>(':memory:');
  onTestFinished(() => store.close());
  return store;
}

async function receiver(status = 204): Promise<Receiver> {
  const opened = await openReceiver(() => ({ status }));
  onTestFinished(() => opened.close());
  return opened;
}

/** A notifier of a process that ends with the test, and what it logs. */
function start(store: Store<object>, url: string, change: Partial<NotifierParts> = {}) {
  const errors: unknown[] = [];
  const webhook: WebhookConfig = {
    url,
    secret: 'a secret of the test',
    timeoutMs: 5000,
    attempts: 3,
    backoffMs: 10,
    tls: TRUST_SYSTEM,
  };
  let ids = 0;
  const notifier = new Notifier({
    store,
    config: () => ({ notifications: [CHAT], webhooks: { chat: webhook } }),
    links: () => ({ externalUrl: null, keys: [] }),
    clock: systemClock,
    log: {
      warn: () => undefined,
      error: (fields: unknown) => void errors.push(fields),
    } as unknown as NotifierParts['log'],
    newId: () => `msg_${++ids}`,
    random: () => 0,
    ...change,
  });
  const stop = new AbortController();
  const ended = notifier.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await ended;
  });
  return { notifier, errors };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const types = ({ received }: Receiver): unknown[] => received.map(({ json }) => json.type);

describe('the notifier', () => {
  it('tells what was committed before it was killed and not queued yet, and nothing of before it was asked', async () => {
    const store = openStore();
    const { url, ...chat } = await receiver();
    store.commit(0, {}, [event('before')]);
    store.outbox.queue(store.latestEvent(), []);
    store.commit(1, {}, [event('a'), event('b')]);
    start(store, url);
    await until(() => chat.received.length === 2);
    expect(types({ url, ...chat })).toEqual(['a', 'b']);
    expect(store.outbox.cursor()).toBe(3);
    await until(() => store.outbox.waiting().length === 0);
  });

  it('queues what it is told of at once, so that nothing is between a commit and its notification', async () => {
    const store = openStore();
    const { url } = await receiver(500);
    const { notifier } = start(store, url);
    notifier.notice();
    store.commit(0, {}, [event('a')]);
    notifier.notice();
    expect(store.outbox.next('chat')).toMatchObject({ id: 'msg_1', payload: { event: { type: 'a' } } });
    await until(() => store.outbox.dead(10).length === 1);
    expect(store.outbox.dead(10)).toMatchObject([{ id: 'msg_1', attempts: 3, error: 'answered 500' }]);
  });

  it('gives up what nobody is configured for any more', async () => {
    const store = openStore();
    const { url } = await receiver();
    store.outbox.queue(0, [
      {
        id: 'msg_old',
        to: 'gone',
        payload: { event: { id: 1, ...event('a') }, format: 'json', links: [], linkLifetimeMs: 1 },
        queuedAt: 1,
      },
    ]);
    start(store, url);
    await until(() => store.outbox.dead(10).length === 1);
    expect(store.outbox.dead(10)[0]?.error).toBe('there is no webhook gone in the configuration any more');
  });

  it('takes an answer of 2xx for what it is, however long its body', async () => {
    const store = openStore();
    const chat = await openReceiver(() => ({ status: 200, body: 'x'.repeat(200_000) }));
    onTestFinished(() => chat.close());
    const { notifier } = start(store, chat.url);
    notifier.notice();
    store.commit(0, {}, [event('a')]);
    notifier.notice();
    await until(() => store.outbox.waiting().length === 0);
    expect(chat.received).toHaveLength(1);
    expect(store.outbox.dead(10)).toEqual([]);
  });

  it('sends nothing again because the store could not write down that it arrived', async () => {
    const store = openStore();
    const { url, received } = await receiver();
    let failures = 0;
    const remove = (id: string): void => {
      if (++failures === 1) throw new Error('the disk is full');
      store.outbox.remove(id);
    };
    const { events, latestEvent } = store;
    const part = { events: events.bind(store), latestEvent: latestEvent.bind(store) };
    store.outbox.queue(0, []);
    store.commit(0, {}, [event('a')]);
    const { errors } = start(store, url, { store: { ...part, outbox: { ...store.outbox, remove } } });
    await until(() => store.outbox.waiting().length === 0 && failures > 0);
    expect(received).toHaveLength(1);
    expect(errors).toHaveLength(1);
  });

  it('goes on after the store could not be read', async () => {
    const store = openStore();
    const { url, received } = await receiver();
    let isBroken = true;
    const events: Store<object>['events'] = (since, limit) => {
      if (isBroken) throw new Error('the disk is full');
      return store.events(since, limit);
    };
    const broken = { events, latestEvent: () => store.latestEvent(), outbox: store.outbox };
    store.outbox.queue(0, []);
    store.commit(0, {}, [event('a')]);
    const { notifier, errors } = start(store, url, { store: broken });
    expect(errors).toHaveLength(1);
    isBroken = false;
    notifier.wake();
    await until(() => received.length === 1);
  });
});
