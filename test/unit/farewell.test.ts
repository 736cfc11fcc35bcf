import { describe, expect, it } from 'vitest';
import { Farewells, farewellWindow } from '../../src/proxy/farewell.ts';

describe('the window in which clients are let go', () => {
  it.each([
    ['a second for few', 10_000, 0, 30_000, 1000],
    ['longer for many', 10_000, 4_000, 30_000, 5000],
    ['as long as configured at most', 10_000, 100_000, 30_000, 10_000],
    ['shorter when that is configured', 200, 4_000, 30_000, 200],
    ['half of the time that is left at most', 10_000, 4_000, 3_000, 1_500],
    ['none when no time is left', 10_000, 4_000, -5, 0],
  ])('is %s', (_, mostMs, connections, cutInMs, expected) => {
    expect(farewellWindow(mostMs, connections, cutInMs)).toBe(expected);
  });
});

describe('farewells', () => {
  it('tell a crowd within the first half of its window and close idle ones within the last third', () => {
    const farewells = new Farewells(1_000, 7_000);
    expect(farewells.at(0)).toMatchObject({ tellAtMs: 1_000 });
    expect(farewells.at(0.5)).toMatchObject({ tellAtMs: 2_500 });
    expect(farewells.at(1)).toEqual({ tellAtMs: 4_000, closeAtMs: 8_000 });
    expect(farewells.endMs).toBe(8_000);
  });

  it('tell few clients with the next answer, and close idle ones one after another', () => {
    const farewells = new Farewells(1_000, 600);
    expect(farewells.at(0)).toEqual({ tellAtMs: 1_000, closeAtMs: 1_400 });
    expect(farewells.at(0.5)).toEqual({ tellAtMs: 1_000, closeAtMs: 1_500 });
    expect(farewells.at(1)).toEqual({ tellAtMs: 1_000, closeAtMs: 1_600 });
  });
});
