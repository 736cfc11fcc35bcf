import { describe, expect, it } from 'vitest';
import { judge } from '../../bench/budgets.ts';
import { LAYOUTS, weightedPorts } from '../../bench/layouts.ts';
import { AnswerReader } from '../../bench/load/answer-reader.ts';
import { Latencies } from '../../bench/load/latencies.ts';
import { readOptions } from '../../bench/options.ts';
import { figure, withRange } from '../../bench/report/numbers.ts';
import type { RunResult } from '../../bench/run.ts';
import type { Sample } from '../../bench/sample.ts';
import { SCENARIOS } from '../../bench/scenarios.ts';
import { quantile, ratio, spread } from '../../bench/statistics.ts';

function run(id: string, tealgate: readonly Sample[], nginx: readonly Sample[] = []): RunResult {
  return { scenarios: [{ id, title: id, samples: { tealgate, nginx } }], rate: 0, startMs: {} };
}

describe('statistics', () => {
  it('take the middle of an odd count, and the mean of two of an even one', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1, 2, 3])?.median).toBe(2.5);
    expect(spread([])).toBeNull();
  });

  it('take quantiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0.01, 0.5, 0.99, 1].map((share) => quantile(hundred, share))).toEqual([1, 50.5, 99, 100]);
    expect(quantile([7], 0.99)).toBe(7);
  });

  it('compare round by round, so that a slow round cancels out', () => {
    expect(ratio([10, 100], [5, 50])).toEqual({ median: 2, min: 2, max: 2 });
    expect(ratio([10, undefined, 30], [5, 5, undefined])).toEqual({ median: 2, min: 2, max: 2 });
    expect(ratio([], [1])).toBeNull();
  });
});

describe('the budgets', () => {
  it('are judged by the median ratio, and only where both sides were measured', () => {
    const [verdict, ...others] = judge(run('small', [{ cpuUs: 12 }, { cpuUs: 11 }], [{ cpuUs: 10 }, { cpuUs: 10 }]));
    expect(verdict).toMatchObject({ budget: 1.15, measured: { median: 1.15, min: 1.1, max: 1.2 }, isKept: true });
    expect(others).toEqual([]);
  });

  it('leave out a round in which requests failed', () => {
    expect(judge(run('small', [{ cpuUs: 1, errors: 9 }], [{ cpuUs: 10, errors: 0 }]))).toEqual([]);
  });

  it('allow no failed request in any round of switches', () => {
    const verdicts = judge(run('switches', [{ errors: 0 }, { errors: 1 }, { errors: 0 }]));
    expect(verdicts).toMatchObject([{ budget: 0, isKept: false }]);
  });

  it('leave out a tail of a round in which it was long without a proxy too', () => {
    const measured = (ours: number[], theirs: number[], unproxied: number[]): RunResult => {
      const [tealgate, nginx, none] = [ours, theirs, unproxied].map((tails) => tails.map((p99Ms) => ({ p99Ms })));
      const samples = { tealgate, nginx, 'no-proxy': none } as Record<string, Sample[]>; // all three were given
      return { scenarios: [{ id: 'latency', title: 'latency', samples }], rate: 100, startMs: {} };
    };
    expect(judge(measured([90, 3], [2, 2], [80, 1]))).toMatchObject([{ measured: { max: 1.5 } }]);
    expect(judge(measured([90], [2], [80]))).toEqual([]);
  });

  it('leave out a tail of a round in which requests failed', () => {
    const fast = { p99Ms: 1, errors: 9 };
    expect(judge(run('latency', [fast], [{ p99Ms: 2, errors: 0 }]))).toEqual([]);
    expect(judge(run('latency', [{ ...fast, errors: 0 }], [{ p99Ms: 2, errors: 0 }]))).toHaveLength(1);
  });
});

describe('the answer reader', () => {
  const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');

  it('counts answers wherever the stream is cut', () => {
    const two = Buffer.concat([answer, answer]);
    for (let cut = 1; cut < two.length; cut++) {
      const reader = new AnswerReader();
      expect(reader.feed(two.subarray(0, cut)) + reader.feed(two.subarray(cut))).toBe(2);
      expect(reader.errors).toBe(0);
    }
  });

  it('counts every other status as an error', () => {
    const reader = new AnswerReader();
    expect(reader.feed(Buffer.from('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'))).toBe(1);
    expect(reader.errors).toBe(1);
  });
});

describe('latencies', () => {
  /** A second of requests, one a millisecond, of which those of one tenth had to wait. */
  function second(waitMs: number): Latencies {
    const latencies = new Latencies(1000);
    for (let dueMs = 0; dueMs < 1000; dueMs++)
      latencies.note(dueMs, dueMs >= 500 && dueMs < 600 ? waitMs : 1 + (dueMs % 100) / 100);
    return latencies;
  }

  it('have a pause in the 99th percentile of all, and not in that of most tenths of a second', () => {
    expect(second(50).summary()).toMatchObject({
      p50Ms: expect.closeTo(1.55),
      p99Ms: 50,
      calmP99Ms: expect.closeTo(1.98),
    });
    expect(second(50).count).toBe(1000);
  });

  it('have no part in what was not noted', () => {
    const latencies = new Latencies(1000);
    latencies.note(10, 4);
    expect(latencies.summary()).toEqual({ p50Ms: 4, p99Ms: 4, p999Ms: 4, calmP99Ms: 4 });
  });
});

describe('the options', () => {
  it('choose quick by default, full, or scenarios by name', () => {
    expect(readOptions([])).toMatchObject({ name: 'quick', rounds: 3, seconds: 1 });
    expect(readOptions(['full'])?.scenarios).toBe(SCENARIOS);
    expect(readOptions(['small', '--rounds', '5', '--peers', 'nginx,tealgate'])).toMatchObject({
      name: 'some',
      rounds: 5,
      peers: ['nginx', 'tealgate'],
    });
  });

  it('are listed when that is asked for', () => {
    expect(readOptions(['--help'])).toBeNull();
  });

  it.each([[['smal']], [['--rounds', '0']], [['--peers', 'ngnix']], [['--bogus']]])('refuse %j', (args) => {
    expect(() => readOptions(args)).toThrow();
  });
});

describe('layouts', () => {
  it('put 95 % of the weight on the first half of the targets', () => {
    const weights = weightedPorts(Array.from({ length: LAYOUTS.targets100.targets }, (_, i) => i));
    const first = weights.slice(0, 50).reduce((sum, { weight }) => sum + weight, 0);
    expect(first / weights.reduce((sum, { weight }) => sum + weight, 0)).toBe(0.95);
  });
});

describe('figures', () => {
  it('have three significant digits', () => {
    expect([0, 0.0123, 1.2345, 12.345, 123.45, 12345.6].map(figure)).toEqual([
      '0',
      '0.0123',
      '1.23',
      '12.3',
      '123',
      '12,346',
    ]);
    expect(withRange({ median: 2, min: 1, max: 3 })).toBe('2.00 (1.00–3.00)');
  });
});
