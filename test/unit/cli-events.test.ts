import { afterEach, describe, expect, test } from 'vitest';
import { readServerSentEvents, type StreamPart } from '../../src/cli/server-sent-events.ts';
import type { StoredEvent } from '../../src/store/store.ts';
import { type AdminServer, adminServer, cli } from '../support/cli.ts';

const EVENT: StoredEvent = {
  id: 7,
  type: 'weights.changed',
  service: 'shop',
  actor: 'loopback',
  at: 0,
  data: { from: { blue: 100 }, note: 'a b' },
};

describe('events', () => {
  const open: AdminServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  async function gate(...chunks: readonly string[]): Promise<AdminServer> {
    const server = await adminServer((_call, response) => {
      response.setHeader('content-type', 'text/event-stream');
      response.end(chunks.join(''));
    });
    open.push(server);
    return server;
  }

  const history = `retry: 2000\n\nid: 7\ndata: ${JSON.stringify(EVENT)}\n\n: caught up\n\n`;

  test('prints what happened so far and ends where the past ends', async () => {
    const server = await gate(history, 'id: 8\ndata: {"never":"shown"}\n\n');
    const result = await cli(['events', '--since', '5', '--admin', server.url]);
    expect(result).toEqual({
      code: 0,
      stdout: '1970-01-01T00:00:00.000Z shop weights.changed actor=loopback from={"blue":100} note="a b"\n',
      stderr: '',
    });
    expect(server.calls[0]?.path).toBe('/v1/events?since=5');
  });

  test('prints one JSON object per event with --json', async () => {
    const server = await gate(history);
    const { stdout } = await cli(['events', '--json', '--admin', server.url]);
    expect(JSON.parse(stdout)).toEqual(EVENT);
  });

  test('writes nothing to a terminal that would drive it, however deep it is', async () => {
    const event = { ...EVENT, data: { verdicts: [{ said: 'so \u009b2J' }] } };
    const server = await gate(`id: 7\ndata: ${JSON.stringify(event)}\n\n: caught up\n\n`);
    const { stdout } = await cli(['events', '--admin', server.url]);
    expect(stdout).toContain('verdicts=[{"said":"so \ufffd2J"}]');
  });

  test('--follow goes on, and says how to resume when the stream ends', async () => {
    const server = await gate(history, `id: 8\ndata: ${JSON.stringify({ ...EVENT, id: 8 })}\n\n`);
    const result = await cli(['events', '--follow', '--admin', server.url]);
    expect(result.code).toBe(5);
    expect(result.stdout.split('\n')).toHaveLength(3);
    expect(result.stderr).toContain('tealgate events --follow --since 8 goes on from here');
  });
});

describe('reading server-sent events', () => {
  async function parts(...chunks: readonly string[]): Promise<StreamPart[]> {
    async function* bytes() {
      for (const chunk of chunks) yield Buffer.from(chunk);
    }
    const all: StreamPart[] = [];
    for await (const part of readServerSentEvents(bytes())) all.push(part);
    return all;
  }

  test('joins the lines of data and keeps the id', async () => {
    expect(await parts('id: 1\nevent: x\ndata: a\ndata:b\n\ndata: c\n\n')).toEqual([
      { kind: 'event', id: '1', event: 'x', data: 'a\nb' },
      { kind: 'event', id: '1', event: 'message', data: 'c' },
    ]);
  });

  test('finds the same events however the bytes are cut', async () => {
    const text = ': hello\r\nid: 1\r\ndata: ä\r\n\r\n';
    const whole = await parts(text);
    expect(whole).toEqual([
      { kind: 'comment', text: 'hello' },
      { kind: 'event', id: '1', event: 'message', data: 'ä' },
    ]);
    expect(await parts(...text)).toEqual(whole);
  });

  test('drops an event that was not finished', async () => {
    expect(await parts('data: half\n')).toEqual([]);
  });
});
