import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openEventStream } from '../../src/admin/event-stream.ts';
import { FakeControlPlane } from '../support/fake-control-plane.ts';

const BEAT_MS = 15_000;
const PAGE = 1000;

interface Reading {
  readonly reader: Socket;
  readonly response: ServerResponse;
}

describe('an event stream', () => {
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    vi.useRealTimers();
    for (const close of open.splice(0)) await close();
  });

  /** A reader that takes nothing until it is resumed. */
  async function read(control: FakeControlPlane, heartbeatMs = BEAT_MS): Promise<Reading> {
    const closing = new AbortController();
    const opened = Promise.withResolvers<ServerResponse>();
    const server = createServer((_, response) => {
      openEventStream(response, { control, since: 0, signal: closing.signal, heartbeatMs });
      opened.resolve(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
    reader.on('error', () => undefined);
    open.push(async () => {
      closing.abort();
      reader.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    reader.pause();
    reader.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    return { reader, response: await opened.promise };
  }

  function historyOf(events: number, bytesEach: number): FakeControlPlane {
    const control = new FakeControlPlane();
    for (let i = 0; i < events; i++) control.emit('large', null, 'ci', { fill: 'x'.repeat(bytesEach) });
    return control;
  }

  it('sends a comment now and then, so that nobody takes it for dead', async () => {
    const { reader } = await read(new FakeControlPlane(), 5);
    let text = '';
    for await (const chunk of reader) {
      text += String(chunk);
      if (text.includes(': caught up') && text.split(': \n\n').length > 2) break;
    }
    expect(text).toContain('retry: 2000\n\n');
  });

  it('sends pages of the past that are larger than what may pile up of the present', async () => {
    const { reader } = await read(historyOf(PAGE, 16 << 10));
    const chunks: Buffer[] = [];
    for await (const chunk of reader) {
      chunks.push(chunk);
      if (Buffer.concat(chunks.slice(-2)).includes(': caught up')) break;
    }
    expect(String(Buffer.concat(chunks))).toContain(`\nid: ${PAGE}\n`);
  });

  it('keeps a slow reader that takes some between two beats, and drops one that takes nothing', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { reader, response } = await read(historyOf(2 * PAGE, 16 << 10));
    expect(response.writableNeedDrain).toBe(true);
    vi.advanceTimersByTime(BEAT_MS);
    reader.resume();
    await once(response, 'drain');
    reader.pause();
    expect(response.writableNeedDrain).toBe(true);
    vi.advanceTimersByTime(BEAT_MS);
    expect(response.destroyed).toBe(false);
    vi.advanceTimersByTime(BEAT_MS);
    expect(response.destroyed).toBe(true);
  });
});
