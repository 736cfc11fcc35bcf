import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { openEventStream } from '../../src/admin/event-stream.ts';
import { FakeControlPlane } from '../support/fake-control-plane.ts';

describe('an idle event stream', () => {
  it('sends a comment now and then, so that nobody takes it for dead', async () => {
    const closing = new AbortController();
    const control = new FakeControlPlane();
    const server = createServer((_, response) => {
      openEventStream(response, { control, since: 0, signal: closing.signal, heartbeatMs: 5 });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += new TextDecoder().decode(chunk);
      if (text.endsWith(': \n\n: \n\n')) closing.abort();
    }
    expect(text).toMatch(/^retry: 2000\n\n: caught up\n\n(: \n\n){2,}$/);
    await new Promise((resolve) => server.close(resolve));
  });
});
