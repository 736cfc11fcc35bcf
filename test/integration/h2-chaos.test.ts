import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readTarget } from '../support/accounts.ts';
import { useBench } from '../support/bench.ts';
import { data, END_STREAM, type FrameConnection, goaway, headers, rst, settings } from '../support/http2-frames.ts';
import { useHttp2Targets } from '../support/http2-targets.ts';
import { eventually } from '../support/inbox.ts';
import { head } from '../support/message.ts';

const bench = useBench();
const targets = useHttp2Targets();

const OK = [[':status', '200']] as const;
/** Error codes of RFC 9113 §7, from 0 on. */
const CODES = 14;

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

type Misdeed = (connection: FrameConnection, stream: number, random: (below: number) => number) => void;

/** What a target may do with a request, good and bad. */
const DEEDS: readonly Misdeed[] = [
  (c, s) => c.send(headers(s, OK), data(s, 'hello', END_STREAM)),
  (c, s) =>
    c.send(headers(s, [...OK, ['content-length', '5']]), data(s, 'hel'), data(s, 'lo'), data(s, '', END_STREAM)),
  (c, s) =>
    c.send(headers(s, [[':status', '103']]), headers(s, OK), data(s, 'x'), headers(s, [['x-t', '1']], END_STREAM)),
  (c, s) => c.send(headers(s, [[':status', '503']], END_STREAM)),
  (c, s, r) => c.send(rst(s, r(CODES))),
  (c, s, r) => c.send(headers(s, OK), rst(s, r(CODES))),
  (c, s, r) => c.send(headers(s, OK), data(s, 'part'), rst(s, r(CODES))),
  (c, s) => c.send(goaway(s), headers(s, OK, END_STREAM)),
  (c, s) => c.send(goaway(Math.max(s - 2, 0))),
  (c, s, r) => c.send(goaway(s, 1 + r(12))),
  (c) => c.reset(),
  (c, s) => {
    c.send(headers(s, OK), data(s, 'part'));
    setImmediate(() => c.reset());
  },
  (c, s) => c.send(headers(s, [...OK, ['content-length', '9']]), data(s, 'hello', END_STREAM)),
  (c, s) => c.send(headers(s, [['x-no', 'status']], END_STREAM)),
  (c, s) => c.send(headers(s, OK), headers(s, [['connection', 'x']], END_STREAM)),
  (c, s) => c.send(data(s, 'a body without a head', END_STREAM)),
  (c, s, r) => c.send(settings([3, r(5)]), headers(s, OK, END_STREAM)),
  (c) => c.send(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')),
  () => {}, // nothing at all
];

function request(random: (below: number) => number): Buffer {
  const fields = ['Host: gate.test', 'TE: trailers'];
  switch (random(4)) {
    case 0:
      return Buffer.concat([head('POST /x HTTP/1.1', ...fields, 'Content-Length: 5'), Buffer.from('hello')]);
    case 1:
      return Buffer.concat([
        head('POST /x HTTP/1.1', ...fields, 'Transfer-Encoding: chunked', 'Trailer: x-t'),
        Buffer.from('5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n'),
      ]);
    case 2:
      return Buffer.concat([head('PUT /x HTTP/1.1', ...fields, 'Content-Length: 500000'), Buffer.alloc(500_000, 'x')]);
    default:
      return head('GET /x HTTP/1.1', ...fields);
  }
}

describe('a gate whose HTTP/2 targets do everything wrong', () => {
  it.each([1, 2, 3])(
    'answers or cuts every request, counts each once, and keeps nothing (seed %i)',
    async (seed) => {
      const random = randomOf(seed);
      const script = {
        takesBodies: true,
        onRequest: (connection: FrameConnection, stream: number) =>
          DEEDS[random(DEEDS.length)]?.(connection, stream, random),
      };
      const bad = [await targets.frames(script), await targets.frames(script)];
      const ports = bad.map(({ port }) => port);
      const timeouts = { responseMs: 150, idleMs: 200 };
      await bench.serve({
        upstreams: { blue: { targets: ports, http2: true } },
        timeouts,
        retries: { attempts: 2, budget: 0.5 },
      });
      let sent = 0;
      const client = async (): Promise<void> => {
        for (let i = 0; i < 25; i++) {
          const connection = await bench.client();
          connection.write(request(random));
          sent++;
          if (random(5) === 0) {
            await sleep(random(20));
            connection.reset();
          } else {
            await connection.peekHead({ deadlineMs: 5_000 }).catch(() => null);
            await connection.readFinal({ deadlineMs: 5_000 }).catch(() => null);
            connection.destroy();
          }
        }
      };
      await Promise.all(Array.from({ length: 12 }, client));
      // What a session has dropped without a word is found when it has been quiet for some seconds.
      await eventually('nothing is in flight', () => bench.gauges().inFlight === 0, 30_000);
      const account = await bench.account();
      expect(account.accepted).toBe(account.ended);
      expect(account.accepted).toBeLessThanOrEqual(sent);
      expect(account.outcomes.ok).toBeGreaterThan(0);
      expect(Object.keys(account.outcomes).length).toBeGreaterThan(4);
      const routes = bench.gate.upstream(bench.service, 'blue').targets;
      await eventually(
        'every connection is closed',
        () => routes.every((route) => readTarget(route).connections === 0),
        30_000,
      );
      await eventually('at the targets, too', () => bad.every(({ connections }) => connections.every((c) => c.closed)));
    },
    60_000,
  );
});
