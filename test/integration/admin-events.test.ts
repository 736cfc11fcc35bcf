import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAdmin, type TestAdmin, until } from '../support/admin.ts';

let admin: TestAdmin;
const streams: { destroy(): void }[] = [];

beforeEach(async () => {
  admin = await openAdmin();
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.destroy();
  await admin.close();
});

interface Stream {
  readonly status: number;
  readonly contentType: string;
  text: string;
  ended: boolean;
  destroy(): void;
}

/** Opens a stream; resolves once its head has come. */
function open(query = '', headers: Record<string, string> = {}): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: admin.port, path: `/v1/events${query}`, headers, agent: false };
    const sent = request(options, (answer) => {
      const stream: Stream = {
        status: answer.statusCode ?? 0,
        contentType: answer.headers['content-type'] ?? '',
        text: '',
        ended: false,
        destroy: () => sent.destroy(),
      };
      streams.push(stream);
      answer.on('data', (chunk) => {
        stream.text += chunk;
      });
      answer.once('error', () => undefined);
      answer.once('end', () => {
        stream.ended = true;
      });
      resolve(stream);
    });
    sent.once('error', reject);
    sent.end();
  });
}

const ids = ({ text }: Stream) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
const emit = (count: number) => {
  for (let i = 0; i < count; i++) admin.gate.emit('weights.changed', 'shop', 'ci', { i });
};

describe('the event stream', () => {
  it('sends each event with its id and the whole of it as data', async () => {
    const stream = await open();
    expect(stream).toMatchObject({ status: 200, contentType: 'text/event-stream; charset=utf-8' });
    await admin.call('PUT', '/v1/services/shop/weights', { body: { green: 5 } });
    await until(() => ids(stream).length === 1);
    const [, data] = /^data: (.*)$/m.exec(stream.text) ?? [];
    expect(JSON.parse(data ?? '')).toEqual(admin.gate.events(0)[0]);
    expect(stream.text).toMatch(/^retry: 2000\n\n: caught up\n\nid: 1\ndata: \{.*\}\n\n$/);
  });

  it('begins with what happens next', async () => {
    emit(3);
    const stream = await open();
    emit(1);
    await until(() => ids(stream).length > 0);
    expect(ids(stream)).toEqual([4]);
  });

  it('begins after ?since, and after Last-Event-ID before that', async () => {
    emit(5);
    const [all, later, resumed] = await Promise.all([
      open('?since=0'),
      open('?since=3'),
      open('?since=0', { 'last-event-id': '4' }),
    ]);
    emit(1);
    await until(() => [all, later, resumed].every((stream) => ids(stream).includes(6)));
    expect(ids(all)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ids(later)).toEqual([4, 5, 6]);
    expect(ids(resumed)).toEqual([5, 6]);
  });

  it('says in a comment where the past ends', async () => {
    emit(2);
    const stream = await open('?since=0');
    emit(1);
    await until(() => ids(stream).length === 3);
    expect(stream.text).toMatch(/id: 2\n.*\n\n: caught up\n\nid: 3\n/);
  });

  it('goes on from now when asked for an id that was never given', async () => {
    emit(2);
    const stream = await open('?since=999');
    emit(1);
    await until(() => ids(stream).length > 0);
    expect(ids(stream)).toEqual([3]);
  });

  it('sends a long history page by page, none missing, none twice', async () => {
    emit(4321);
    const stream = await open('?since=0');
    emit(1);
    await until(() => ids(stream).includes(4322));
    expect(ids(stream)).toEqual(Array.from({ length: 4322 }, (_, i) => i + 1));
  });

  it.each(['?since=-1', '?since=x', '?since=1.5', '?sinse=1'])('refuses %s', async (query) => {
    expect(await admin.call('GET', `/v1/events${query}`)).toMatchObject({ status: 400 });
  });

  it('refuses a Last-Event-ID that is none', async () => {
    const headers = { 'last-event-id': 'abc' };
    expect(await admin.call('GET', '/v1/events', { headers })).toMatchObject({ status: 400 });
  });

  it('is let go when its reader leaves', async () => {
    const before = admin.gate.watching;
    const stream = await open();
    await until(() => admin.gate.watching === before + 1);
    stream.destroy();
    await until(() => admin.gate.watching === before);
  });

  it('drops a reader that takes nothing, instead of keeping events for it', async () => {
    const before = admin.gate.watching;
    const socket = connect(admin.port, '127.0.0.1');
    streams.push(socket);
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(`GET /v1/events HTTP/1.1\r\nHost: localhost:${admin.port}\r\n\r\n`);
    await until(() => admin.gate.watching === before + 1);
    const fill = 'x'.repeat(64 << 10);
    for (let i = 0; i < 1000 && admin.gate.watching > before; i++) {
      admin.gate.emit('large', null, 'ci', { fill });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(admin.gate.watching).toBe(before);
  });

  it('ends when the server closes', async () => {
    const stream = await open();
    await admin.close();
    await until(() => stream.ended);
    expect(admin.gate.watching).toBe(0);
  });
});
