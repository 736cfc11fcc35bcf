import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Bench, useBench } from '../support/bench.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';
import type { ScriptedTarget } from '../support/scripted-target.ts';
import { GATE, serving, useSecureClients } from '../support/tls.ts';

const EVENTS = head('GET /events HTTP/1.1', 'Host: gate.test');

/** Timers of the connections of this machine that stand, by which end they have the port; see proc(5). */
function timers(end: 'local' | 'remote', port: number): string[] {
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines.flatMap((line) => {
    const [, local = '', remote = '', state, , timer = ''] = line.trim().split(/\s+/);
    const found = Number.parseInt((end === 'local' ? local : remote).split(':')[1] ?? '', 16);
    return state === ESTABLISHED && found === port ? [timer.slice(0, 2)] : [];
  });
}

const ESTABLISHED = '01';
const KEEP_ALIVE = '02';

/** Begins a stream that says no more, and looks at the connections of it. */
async function expectAsked(bench: Bench, target: ScriptedTarget): Promise<void> {
  await target.request();
  const { port } = bench.gate;
  await eventually('the client to be asked when it is silent', () => timers('local', port).join() === KEEP_ALIVE);
  await eventually('the target to be asked, too', () => timers('remote', target.port).join() === KEEP_ALIVE);
}

describe.skipIf(process.platform !== 'linux')('peers that vanish without a word are found by TCP', () => {
  const plain = useBench();
  const secure = useBench({ listener: { tls: serving(GATE) } });
  const clients = useSecureClients();
  const beginning = (request: { send(...bytes: (string | Buffer)[]): unknown }): void => {
    request.send(head('HTTP/1.1 200 OK', 'Content-Type: text/event-stream'), 'data: 1\n\n');
  };

  it('in clear text', async () => {
    const target = await plain.target(beginning);
    await plain.serve({ upstreams: { blue: { targets: [target.port] } } });
    const client = await plain.send(EVENTS);
    expect((await client.peekHead()).status).toBe(200);
    await expectAsked(plain, target);
  });

  it('over TLS', async () => {
    const target = await secure.secureTarget({ cert: GATE.cert, key: GATE.key }, beginning);
    await secure.serve({ upstreams: { blue: { targets: [target.port], secure: true } }, tls: { verify: false } });
    const { client } = await clients.open(secure.gate.port);
    client.write(EVENTS);
    expect((await client.peekHead()).status).toBe(200);
    await expectAsked(secure, target);
  });
});
