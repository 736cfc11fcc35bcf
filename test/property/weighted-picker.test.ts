import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WeightedPicker } from '../../src/traffic/weighted-picker.ts';

const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 });

describe('WeightedPicker', () => {
  it('keeps every item within one of its exact share after any number of picks', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 3000 }), (list, picks) => {
        const picker = new WeightedPicker(list.map((weight, item) => ({ item, weight })));
        const total = list.reduce((sum, weight) => sum + weight, 0);
        const counts = list.map(() => 0);
        for (let n = 1; n <= picks; n++) {
          const item = picker.next();
          if (item === null) throw new Error('nothing was picked');
          counts[item] = (counts[item] ?? 0) + 1;
          list.forEach((weight, i) => {
            expect(Math.abs((counts[i] ?? 0) - (n * weight) / total)).toBeLessThan(1);
          });
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('gives 95/5 exactly over 2,000 picks', () => {
    const picker = new WeightedPicker([
      { item: 'blue', weight: 95 },
      { item: 'green', weight: 5 },
    ]);
    const picked = Array.from({ length: 2000 }, () => picker.next());
    expect(picked.filter((item) => item === 'green')).toHaveLength(100);
  });

  it('picks nothing from nothing', () => {
    expect(new WeightedPicker([]).next()).toBeNull();
    expect(new WeightedPicker([]).at(0.5)).toBeNull();
  });

  it('moves fractions only towards the first item when its weight grows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        (weight, fraction) => {
          const at = (candidate: number): string | null =>
            new WeightedPicker([
              { item: 'candidate', weight: candidate },
              { item: 'stable', weight: 100 - candidate },
            ]).at(fraction);
          if (at(weight) === 'candidate' && weight < 99) expect(at(weight + 1)).toBe('candidate');
        },
      ),
    );
  });

  it('goes on where a picker of the same weights was', () => {
    const items = [
      { item: 'a', weight: 1 },
      { item: 'b', weight: 3 },
    ];
    const whole = new WeightedPicker(items);
    const first = new WeightedPicker(items);
    const expected = Array.from({ length: 12 }, () => whole.next());
    const picked = Array.from({ length: 5 }, () => first.next());
    const second = new WeightedPicker(items);
    second.resumeFrom(first);
    expect([...picked, ...Array.from({ length: 7 }, () => second.next())]).toEqual(expected);
  });
});
