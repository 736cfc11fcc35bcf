import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Schedule } from '../../src/loadtest/schedule.ts';

describe('the schedule of a load', () => {
  test('gives each connection its turn, evenly over each second', () => {
    const schedule = new Schedule({ rate: 4, connections: 2, startMs: 1000, endMs: 3000 });
    expect([0, 1, 2].map((n) => schedule.due(0, n, 1000))).toEqual([1000, 1500, 2000]);
    expect([0, 1, 2].map((n) => schedule.due(1, n, 1000))).toEqual([1250, 1750, 2250]);
  });

  test('has exactly rate times duration requests', () => {
    const cases = fc.record({
      rate: fc.integer({ min: 1, max: 500 }),
      connections: fc.integer({ min: 1, max: 20 }),
      seconds: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(cases, ({ rate, connections, seconds }) => {
        const schedule = new Schedule({ rate, connections, startMs: 0, endMs: seconds * 1000 });
        let due = 0;
        for (let i = 0; i < connections; i++) for (let n = 0; schedule.due(i, n, 0) !== null; n++) due++;
        expect(due).toBe(rate * seconds);
        expect(schedule.total()).toBe(rate * seconds);
      }),
      { numRuns: 50 },
    );
  });

  test('keeps the time at which a late request was due', () => {
    const schedule = new Schedule({ rate: 10, connections: 1, startMs: 0, endMs: 1000 });
    expect(schedule.due(0, 1, 900)).toBe(100);
  });

  test('gives up what was not sent a second after the end', () => {
    const schedule = new Schedule({ rate: 10, connections: 1, startMs: 0, endMs: 1000 });
    expect(schedule.due(0, 9, 2000)).toBe(900);
    expect(schedule.due(0, 9, 2001)).toBeNull();
  });

  test('does not go on after its end', () => {
    const schedule = new Schedule({ rate: 10, connections: 1, startMs: 0, endMs: 1000 });
    schedule.endAt(1200);
    expect(schedule.total()).toBe(10);
  });

  test('misses nothing of what was due within a second of being cut', () => {
    const schedule = new Schedule({ rate: 10, connections: 1, startMs: 0, endMs: 60_000 });
    schedule.cutAt(3000);
    expect(schedule.total()).toBe(20);
    schedule.cutAt(500);
    expect(schedule.total()).toBe(0);
  });

  test('is due at once in a closed loop, until the end', () => {
    const schedule = new Schedule({ rate: null, connections: 1, startMs: 0, endMs: Number.POSITIVE_INFINITY });
    expect(schedule.due(0, 7, 123)).toBe(123);
    schedule.endAt(200);
    expect(schedule.due(0, 8, 200)).toBeNull();
    expect(schedule.total()).toBeNull();
  });
});
