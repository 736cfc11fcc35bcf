import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Parsed } from '../../src/config/parsed.ts';
import { suggest } from '../../src/config/suggest.ts';
import {
  DURATION_PATTERN,
  formatDuration,
  formatPercent,
  formatSize,
  PERCENT_PATTERN,
  parseDuration,
  parsePercent,
  parseSize,
  SIZE_PATTERN,
} from '../../src/config/units.ts';

function read<T>(parsed: Parsed<T>): T | 'refused' {
  return parsed.ok ? parsed.value : 'refused';
}

describe('durations', () => {
  it.each<[string, number | 'refused']>([
    ['500ms', 500],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1m30s', 90_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['0s', 0],
    ['0', 'refused'],
    ['30', 'refused'],
    ['', 'refused'],
    ['s', 'refused'],
    ['1.5s', 'refused'],
    ['-1s', 'refused'],
    ['30s1m', 'refused'],
    ['1m 30s', 'refused'],
    ['1S', 'refused'],
    ['1w', 'refused'],
  ])('reads %j as %s', (text, expected) => {
    expect(read(parseDuration(text))).toBe(expected);
    expect(new RegExp(DURATION_PATTERN).test(text)).toBe(expected !== 'refused');
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 10 }), (ms) => read(parseDuration(formatDuration(ms))) === ms),
      { seed: 1 },
    );
  });
});

describe('sizes', () => {
  it.each<[string, number | 'refused']>([
    ['512B', 512],
    ['64KB', 64_000],
    ['16KiB', 16_384],
    ['1MB', 1_000_000],
    ['1MiB', 1_048_576],
    ['2GB', 2_000_000_000],
    ['1GiB', 1_073_741_824],
    ['none', Number.POSITIVE_INFINITY],
    ['16384', 'refused'],
    ['16 KiB', 'refused'],
    ['16kb', 'refused'],
    ['None', 'refused'],
    ['', 'refused'],
  ])('reads %j as %s', (text, expected) => {
    expect(read(parseSize(text))).toBe(expected);
    expect(new RegExp(SIZE_PATTERN).test(text)).toBe(expected !== 'refused');
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.nat(), (bytes) => read(parseSize(formatSize(bytes))) === bytes),
      { seed: 1 },
    );
    expect([formatSize(16_384), formatSize(64_000), formatSize(0), formatSize(Number.POSITIVE_INFINITY)]).toEqual([
      '16KiB',
      '64KB',
      '0B',
      'none',
    ]);
  });
});

describe('percentages', () => {
  it.each<[string, number | 'refused']>([
    ['1%', 0.01],
    ['0.5%', 0.005],
    ['99.9%', 0.999],
    ['100%', 1],
    ['0%', 0],
    ['101%', 'refused'],
    ['1', 'refused'],
    ['0.01', 'refused'],
    ['1 %', 'refused'],
    ['-1%', 'refused'],
    ['.5%', 'refused'],
  ])('reads %j as %s', (text, expected) => {
    expect(read(parsePercent(text))).toBe(expected);
    if (expected !== 'refused') expect(text).toMatch(new RegExp(PERCENT_PATTERN));
  });

  it('writes them without the noise of binary fractions', () => {
    expect([0.01, 0.99, 0.005, 0.07, 0.29].map(formatPercent)).toEqual(['1%', '99%', '0.5%', '7%', '29%']);
  });
});

describe('suggestions', () => {
  const keys = ['listeners', 'admin', 'store', 'workers', 'weight', 'by'];

  it.each([
    ['worker', 'workers'],
    ['wieght', 'weight'],
    ['Admin', 'admin'],
    ['lisners', 'listeners'],
    ['yb', 'by'],
    ['stoer', 'store'],
    ['service', null],
    ['x', null],
    ['a'.repeat(1_000_000), null],
  ])('for %.20s is %s', (word, meant) => {
    expect(suggest(word, keys)).toBe(meant);
  });
});
