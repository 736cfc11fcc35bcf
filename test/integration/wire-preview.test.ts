import { describe, expect, it } from 'vitest';
import type { PreviewRoute } from '../../src/traffic/snapshot.ts';
import { useBench } from '../support/bench.ts';
import { named } from '../support/load.ts';
import { head, response, values } from '../support/message.ts';
import type { ServiceSpec } from '../support/routes.ts';
import type { TargetScript } from '../support/scripted-target.ts';

const bench = useBench();

const PREVIEW: PreviewRoute = {
  candidate: 'green',
  hosts: ['green.gate.test'],
  header: { name: 'x-preview', value: null },
  cookie: { name: 'preview', value: 'let-me-see' },
};

const failing: TargetScript = async (request) => {
  if (await request.whole) request.send(response('500 Internal Server Error', [], 'green failed'));
};

async function shop(spec: Partial<ServiceSpec> = {}, green: TargetScript = named('green')): Promise<void> {
  await bench.serve({
    upstreams: {
      blue: { weight: 100, targets: [(await bench.target(named('blue'))).port] },
      green: { weight: 0, targets: [(await bench.target(green)).port] },
    },
    stable: 'blue',
    preview: PREVIEW,
    ...spec,
  });
}

async function visit(host: string, ...fields: string[]): Promise<{ status: number; body: string; pins: string[] }> {
  const client = await bench.send(head('GET / HTTP/1.1', `Host: ${host}`, ...fields));
  const answer = await client.readFinal();
  return { status: answer.status, body: answer.body.bytes.toString(), pins: values(answer, 'set-cookie') };
}

describe('a preview', () => {
  it.each([
    ['its host', 'green.gate.test', []],
    ['its host with a port', 'GREEN.gate.test:8080', []],
    ['the field that names it', 'gate.test', ['X-Preview: green']],
    ['the field that says candidate', 'gate.test', ['X-Preview: candidate']],
    ['the second of two fields', 'gate.test', ['x-preview: nobody', 'x-preview: green']],
    ['the cookie with its value', 'gate.test', ['Cookie: a=b; preview=let-me-see; c=d']],
    ['the cookie in a second line', 'gate.test', ['Cookie: a=b', 'Cookie: preview=let-me-see']],
  ])('reaches a candidate of weight 0 by %s', async (_by, host, fields) => {
    await shop();
    expect(await visit(host, ...fields)).toMatchObject({ status: 200, body: 'green' });
  });

  it.each([
    ['a host beside it', 'gate.test', []],
    ['a field that names nothing', 'gate.test', ['X-Preview: gren']],
    ['an object property as a name', 'gate.test', ['X-Preview: constructor']],
    ['a cookie of another value', 'gate.test', ['Cookie: preview=green']],
    ['a cookie whose name ends alike', 'gate.test', ['Cookie: xpreview=let-me-see']],
    ['a cookie value that only begins so', 'gate.test', ['Cookie: preview=let-me-see-too']],
  ])('is not opened by %s', async (_by, host, fields) => {
    await shop();
    expect(await visit(host, ...fields)).toMatchObject({ status: 200, body: 'blue' });
  });

  it('reaches stable by its name while the candidate has all weight', async () => {
    const blue = (await bench.target(named('blue'))).port;
    const green = (await bench.target(named('green'))).port;
    await bench.serve({
      upstreams: { blue: { weight: 0, targets: [blue] }, green: { weight: 100, targets: [green] } },
      stable: 'blue',
      preview: PREVIEW,
    });
    expect((await visit('gate.test', 'X-Preview: blue')).body).toBe('blue');
    expect((await visit('gate.test')).body).toBe('green');
  });

  it('says 503 where there is no candidate, or it takes no requests, and sends none elsewhere', async () => {
    await shop({ preview: { ...PREVIEW, candidate: null } });
    const none = {
      status: 503,
      body: expect.stringContaining('the version that this request asked for takes no requests'),
    };
    expect(await visit('green.gate.test')).toMatchObject(none);
    const blue = (await bench.target(named('blue'))).port;
    const green = await bench.target(named('green'));
    await bench.serve({
      upstreams: {
        blue: { weight: 100, targets: [blue] },
        green: { weight: 0, targets: [green.port], ineligible: [green.port], admin: 'draining' },
      },
      stable: 'blue',
      preview: PREVIEW,
    });
    expect(await visit('gate.test', 'X-Preview: green')).toMatchObject(none);
    expect(green.requests.length).toBe(0);
  });

  it('shows the failures of the candidate itself, and judges nobody by them', async () => {
    await shop({ candidate: 'green', fuse: { id: 1, limits: [1, 1, 1, 1] } }, failing);
    for (let i = 0; i < 5; i++) {
      expect(await visit('green.gate.test')).toMatchObject({ status: 500, body: 'green failed' });
    }
    const account = await bench.account();
    expect(account.outcomes).toMatchObject({ server_error: 5 });
    expect(bench.trials('green')).toMatchObject({ trials: 0, errors: 0 });
    expect(bench.gate.fuses).not.toContain(bench.service);
  });

  it('neither gives nor breaks a pin, and takes no turn in the weighted spread', async () => {
    const keys = [{ id: 'k1', secret: 'c2VjcmV0LW51bWJlci1vbmUtc2VjcmV0' }];
    await shop({ pins: { by: 'cookie', name: 'pin', maxAgeS: 0, keys } });
    const pinned = await visit('gate.test');
    expect(pinned).toMatchObject({ body: 'blue', pins: [expect.stringMatching(/^pin=/)] });
    const pin = `Cookie: ${pinned.pins[0]?.split(';')[0]}`;
    expect(await visit('gate.test', pin, 'X-Preview: green')).toMatchObject({ body: 'green', pins: [] });
    expect(await visit('gate.test', pin)).toMatchObject({ body: 'blue', pins: [] });
  });
});
