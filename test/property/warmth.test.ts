import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawByWeight, warmthAt } from '../../src/traffic/warmth.ts';

const time = fc.integer({ min: 0, max: 100_000 });

describe('the share of a target that warms up', () => {
  it('grows in a straight line from 10 % to 100 %, and is whole before and after', () => {
    fc.assert(
      fc.property(time, fc.integer({ min: 1, max: 100_000 }), time, (sinceMs, lengthMs, nowMs) => {
        const untilMs = sinceMs + lengthMs;
        const warmth = warmthAt(sinceMs, untilMs, nowMs);
        if (nowMs >= untilMs) expect(warmth).toBe(1);
        else if (nowMs <= sinceMs) expect(warmth).toBe(0.1);
        else expect(warmth).toBeCloseTo(0.1 + (0.9 * (nowMs - sinceMs)) / lengthMs, 9);
        expect(warmthAt(sinceMs, untilMs, nowMs + 1)).toBeGreaterThanOrEqual(warmth);
      }),
      { numRuns: 300, seed: 1 },
    );
    expect(warmthAt(0, 0, 5)).toBe(1);
  });
});

describe('a draw by weight', () => {
  it('gives every item the part of [0, 1) that its weight is of the sum', () => {
    const weights = fc.array(fc.double({ min: 0.1, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(weights, (list) => {
        const total = list.reduce((sum, weight) => sum + weight, 0);
        const counts = list.map(() => 0);
        const draws = 2000;
        for (let n = 0; n < draws; n++) {
          const index = drawByWeight(list.length, (i) => list[i] ?? 0, n / draws);
          counts[index] = (counts[index] ?? 0) + 1;
        }
        list.forEach((weight, i) => {
          expect(Math.abs((counts[i] ?? 0) - (draws * weight) / total)).toBeLessThanOrEqual(1);
        });
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
