import type { Setup } from './cells.ts';
import { randomOf, untilHit } from './random.ts';
import { sequential } from './rules.ts';
import { timelineOf } from './timeline.ts';

/** Errors that come in bursts: a client meets one and tries again, and each of its tries fails. */
export interface Burst {
  /** Failures in a row, on average. */
  readonly length: number;
  /** Of all requests, those that fail; the bound is 1 %. */
  readonly rate: number;
  /** The share of rollouts that were rolled back: every request counted, and two of each client and burst at most. */
  readonly byRequest: number;
  readonly byClient: number;
}

const MAX = 0.01;
/** 5 % of 40 requests a second for an hour and half an hour more at 25 %. */
const REQUESTS = 25_200;
/** Outcomes of one client that count, within the time that its burst takes. */
const MOST_PER_CLIENT = 2;

export function bursts({ seed, rollouts, confidence }: Setup): Burst[] {
  const rule = sequential({ max: MAX, confidence });
  const timeline = timelineOf(1, [{ share: 1, seconds: REQUESTS }]);
  const rate = MAX / 2;
  return [1, 2, 5, 10, 50].map((length): Burst => {
    const random = randomOf(seed, `bursts/${length}`);
    let byRequest = 0;
    let byClient = 0;
    for (let i = 0; i < rollouts; i++) {
      const all: number[] = [];
      const counted: number[] = [];
      // Requests that do not count for the client are no trials either.
      let left = 0;
      for (let at = untilHit(random, rate / length); at <= REQUESTS; at += untilHit(random, rate / length)) {
        const tries = length === 1 ? 1 : untilHit(random, 1 / length);
        for (let n = 0; n < tries; n++) {
          all.push(at + n);
          if (n < MOST_PER_CLIENT) counted.push(at + n - left);
        }
        left += Math.max(0, tries - MOST_PER_CLIENT);
        at += tries - 1;
      }
      if (rule.tripsAt(all, all.length, timeline) !== null) byRequest++;
      if (rule.tripsAt(counted, counted.length, timeline) !== null) byClient++;
    }
    return { length, rate, byRequest: byRequest / rollouts, byClient: byClient / rollouts };
  });
}
