import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';
import { TEST_LISTENER } from '../support/routes.ts';
import { GATE, serving, useSecureClients } from '../support/tls.ts';

/** More than the kernel and the gate hold for one who does not read. */
const BULK = randomBytes(24 * 1024 * 1024);
const DEADLINE_MS = 20_000;

describe.each(['TCP', 'TLS'] as const)('a client over %s that says that its request is the last one', (over) => {
  const bench = useBench({ listener: over === 'TCP' ? TEST_LISTENER : { ...TEST_LISTENER, tls: serving(GATE) } });
  const secure = useSecureClients();
  const LAST = head('GET / HTTP/1.1', 'Host: gate.test', 'Connection: close');

  it.each([
    ['and sends nothing more', ''],
    ['and sends more all the same', `${head('GET /more HTTP/1.1', 'Host: gate.test')}`],
  ])('%s, gets all of a long answer and then the end', async (_, behind) => {
    const target = await bench.target((request) => {
      request.send(head('HTTP/1.1 200 OK', `Content-Length: ${BULK.length}`), BULK);
    });
    await bench.serve({ upstreams: { blue: { weight: 100, targets: [target.port] } } });
    const client = over === 'TCP' ? await bench.client() : (await secure.open(bench.gate.port)).client;
    client.write(LAST, behind);
    await client.peekHead();
    client.pause();
    const up = await target.connection();
    await eventually('the target is held up', () => up.unsentBytes > 0);
    client.resume();
    const answer = await client.readFinal({ deadlineMs: DEADLINE_MS });
    expect(answer.body.bytes.equals(BULK)).toBe(true);
    expect(await client.readUntilClosed()).toBe('fin');
    expect(target.requests.length).toBe(1);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });
});
