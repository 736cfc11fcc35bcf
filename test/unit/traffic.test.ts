import { describe, expect, it } from 'vitest';
import { murmur3 } from '../../src/platform/murmur3.ts';
import { bucket } from '../../src/traffic/bucket.ts';
import { FuseState } from '../../src/traffic/fuse-state.ts';
import { fineBucket, fineQuantileMs, fineUpperUs } from '../../src/traffic/latency.ts';
import { FINE_CELLS } from '../../src/traffic/ledger.ts';
import { RetryBudget } from '../../src/traffic/retry-budget.ts';
import { ServiceMatcher } from '../../src/traffic/service-matcher.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('murmur3', () => {
  // Vectors of the reference implementation, as listed at https://stackoverflow.com/a/31929528
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['ππππππππ', 0x9747b28c, 0xd58063c1],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ])('hashes %j with seed %i', (text, seed, expected) => {
    expect(murmur3(utf8(text), seed)).toBe(expected);
  });
});

describe('bucket', () => {
  it('spreads short sequential ids evenly', () => {
    const share = 0.05;
    const ids = Array.from({ length: 10_000 }, (_, i) => String(i + 1));
    const below = ids.filter((id) => bucket(id, 'shop/r1') < share).length;
    expect(below).toBeGreaterThan(500 - 66);
    expect(below).toBeLessThan(500 + 66); // 3 sigma of a binomial
  });

  it('gives another rollout other clients first', () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `user-${i}`);
    const first = ids.filter((id) => bucket(id, 'shop/r1') < 0.1);
    const again = first.filter((id) => bucket(id, 'shop/r2') < 0.1);
    expect(again.length).toBeLessThan(first.length / 2);
  });
});

describe('fine latency buckets', () => {
  it('puts every duration into a bucket whose upper edge is above it by at most 6.25 %', () => {
    for (let us = 0; us < 100_000_000; us = us < 200 ? us + 1 : Math.floor(us * 1.013)) {
      const index = fineBucket(us);
      expect(index).toBeLessThan(FINE_CELLS);
      expect(fineUpperUs(index)).toBeGreaterThan(us);
      expect(fineUpperUs(index)).toBeLessThanOrEqual(Math.max(us + 1, us * 1.0626));
    }
  });

  it('reads quantiles', () => {
    const counts = new Float64Array(FINE_CELLS);
    for (let ms = 1; ms <= 100; ms++) {
      const index = fineBucket(ms * 1000);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    expect(fineQuantileMs(counts, 0, 0.5)).toBeGreaterThanOrEqual(50);
    expect(fineQuantileMs(counts, 0, 0.5)).toBeLessThan(54);
    expect(fineQuantileMs(counts, 0, 0.99)).toBeGreaterThanOrEqual(99);
    expect(fineQuantileMs(new Float64Array(FINE_CELLS), 0, 0.5)).toBe(0);
  });
});

describe('ServiceMatcher', () => {
  const service = (name: string, hosts: string[], paths: string[]) => ({ name, hosts, paths });
  const matcher = new ServiceMatcher([
    service('any', [], ['/']),
    service('shop', ['shop.example.com'], ['/']),
    service('api', ['shop.example.com'], ['/api', '/v1/']),
    service('wild', ['*.example.com'], ['/']),
    service('deep', ['*.eu.example.com'], ['/']),
  ]);

  it.each([
    ['shop.example.com', '/', 'shop'],
    ['shop.example.com', '/api', 'api'],
    ['shop.example.com', '/api/x', 'api'],
    ['shop.example.com', '/apix', 'shop'],
    ['shop.example.com', '/v1/x', 'api'],
    ['a.example.com', '/', 'wild'],
    ['a.b.example.com', '/', 'wild'],
    ['a.eu.example.com', '/', 'deep'],
    ['example.com', '/', 'any'],
    ['', '/', 'any'],
  ])('%s%s goes to %s', (host, path, expected) => {
    expect(matcher.match(host, path)?.name).toBe(expected);
  });

  it('finds none where none answers', () => {
    const only = new ServiceMatcher([service('api', ['a'], ['/api'])]);
    expect(only.match('a', '/')).toBeNull();
    expect(only.match('b', '/api')).toBeNull();
    expect(only.only).toBeNull();
  });
});

describe('RetryBudget', () => {
  it('allows a minimum, then a share of the requests', () => {
    const budget = new RetryBudget(0.25);
    expect([1, 2, 3, 4].map(() => budget.tryRetry())).toEqual([true, true, true, false]);
    for (let i = 0; i < 8; i++) budget.onRequest();
    expect([1, 2, 3].map(() => budget.tryRetry())).toEqual([true, true, false]);
  });
});

describe('FuseState', () => {
  it('blows at the limit for the number of trials, once', () => {
    const fuse = new FuseState({ id: 1, limits: [2, 2, 2, 3] });
    expect([fuse.record(true), fuse.record(false), fuse.record(true), fuse.record(true)]).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(fuse.blown).toBe(true);
  });

  it('lets few requests wait on a candidate that has not answered, and one more for each good answer', () => {
    const fuse = new FuseState({ id: 1, limits: [2] });
    const send = (): number => {
      let sent = 0;
      for (; fuse.admits; sent++) fuse.onSent();
      return sent;
    };
    expect(send()).toBe(8);
    fuse.onUnanswered();
    expect(send()).toBe(1);
    fuse.onAnswered();
    expect(send()).toBe(2);
  });

  it('leaves what lies beyond its table to the control plane', () => {
    const fuse = new FuseState({ id: 1, limits: [2] });
    expect([fuse.record(true), fuse.record(true), fuse.record(true)]).toEqual([false, false, false]);
  });
});
