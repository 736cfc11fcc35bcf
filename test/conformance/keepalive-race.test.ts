import { describe, expect } from 'vitest';
import { eventually } from '../support/inbox.ts';
import { row, useLab } from '../support/lab.ts';
import { head, response } from '../support/message.ts';
import type { ScriptedTarget, TargetScript } from '../support/scripted-target.ts';

const lab = useLab();

const ROUNDS = 12;

type Race = 'fin-after' | 'fin-on-2nd' | 'rst-on-2nd';

/** Serves one request per connection and then leaves, in one of three ways, without having said so. */
function leaving(race: Race): TargetScript {
  return async (request) => {
    if (!(await request.whole)) return;
    if (request.nth === 0) {
      request.send(response('200 OK', [], request.target));
      if (race === 'fin-after') request.connection.end();
    } else if (race === 'fin-on-2nd') {
      request.connection.end();
    } else {
      request.connection.reset();
    }
  };
}

function timesSeen(target: ScriptedTarget, path: string): number {
  return target.requests.filter((request) => request.target === path).length;
}

describe('J. The keep-alive race', () => {
  for (const [id, race, method] of [
    ['J01-race-fin-after-GET', 'fin-after', 'GET'],
    ['J02-race-fin-on-2nd-GET', 'fin-on-2nd', 'GET'],
    ['J03-race-rst-on-2nd-GET', 'rst-on-2nd', 'GET'],
    ['J04-race-fin-after-POST', 'fin-after', 'POST'],
    ['J05-race-fin-on-2nd-POST', 'fin-on-2nd', 'POST'],
    ['J06-race-rst-on-2nd-POST', 'rst-on-2nd', 'POST'],
  ] as const) {
    for (const body of method === 'POST' ? ['', 'hello'] : ['']) {
      row(
        id,
        async () => {
          const target = await lab.target(leaving(race));
          const client = await lab.client();
          for (let round = 0; round < ROUNDS; round++) {
            const path = `/${round}`;
            client.write(
              head(
                `${method} ${path} HTTP/1.1`,
                'Host: gate.test',
                ...(method === 'POST' ? [`Content-Length: ${body.length}`] : []),
              ),
              body,
            );
            const answer = await client.readFinal();
            if (method === 'GET') expect(`${answer.status} ${answer.body.bytes}`).toBe(`200 ${path}`);
            else expect([200, 502]).toContain(answer.status);
            if (method === 'POST') expect(timesSeen(target, path)).toBeLessThanOrEqual(1);
          }
        },
        method === 'POST' ? `${body.length} octets` : undefined,
      );
    }
  }

  row(
    'J02-race-fin-on-2nd-GET',
    async () => {
      const held: (() => void)[] = [];
      const target = await lab.target(async (request) => {
        if (!(await request.whole)) return;
        if (request.nth > 0) request.connection.end();
        else if (request.target === '/held') held.push(() => request.send(response('200 OK', [], 'held')));
        else request.send(response('200 OK', [], request.target));
      });
      const get = (path: string) => head(`GET ${path} HTTP/1.1`, 'Host: gate.test');
      const clients = await Promise.all([1, 2, 3].map(() => lab.send(get('/held'))));
      await eventually('three connections to the target', () => held.length === 3);
      for (const release of held) release();
      for (const client of clients) await client.readFinal();
      clients[0]?.write(get('/next'));
      expect((await clients[0]?.readFinal())?.body.bytes.toString()).toBe('/next');
      expect(timesSeen(target, '/next')).toBe(2);
    },
    'a fresh connection is not one of the others that were kept',
  );

  row(
    'J02-race-fin-on-2nd-GET',
    async () => {
      let lives = 3;
      const target = await lab.target(async (request) => {
        if (!(await request.whole)) return;
        if (request.nth === 0 && lives-- > 0) request.send(response('200 OK', [], request.target));
        else if (request.nth === 0) request.connection.end();
        else request.connection.end();
      });
      const client = await lab.client();
      let refused = 0;
      for (let round = 0; round < 4; round++) {
        client.write(head(`GET /${round} HTTP/1.1`, 'Host: gate.test'));
        if ((await client.readFinal()).status === 502) refused++;
      }
      expect(refused).toBe(1);
      expect(timesSeen(target, '/3')).toBeLessThanOrEqual(4);
    },
    'a target that fails on fresh connections too is not tried for ever',
  );
});
