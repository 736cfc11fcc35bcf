import { describe, expect, it } from 'vitest';
import { failThreshold } from '../../src/rollout/statistics/boundary.ts';
import { logEValue, logEValueBelow, logThreshold } from '../../src/rollout/statistics/one-rate.ts';
import { errorRateVerdict, fuseLimits } from '../../src/rollout/statistics.ts';

const GUARD = { max: 0.01, confidence: 0.99 };

describe('the e-value', () => {
  it('starts at 1 and has the same digits on every machine', () => {
    expect(logEValue(0, 0, 0.01)).toBeCloseTo(0, 14);
    expect(logEValue(2, 2, 0.01)).toBe(6.093879929631735);
    expect(logEValue(100, 5, 0.01)).toBe(3.0973084295353344);
    expect(logEValueBelow(512, 0, 0.01)).toBe(4.77848313594646);
  });

  it('stays finite and sensible for counts up to a thousand million', () => {
    expect(logEValue(1e9, 1e7, 0.01)).toBeLessThan(-1000);
    expect(logEValue(1e9, 1.1e7, 0.01)).toBeGreaterThan(1000);
    expect(logEValue(1e9, 1e9, 1e-9)).toBeGreaterThan(1e9);
    expect(Number.isFinite(logEValue(1e9, 1e9, 1e-9))).toBe(true);
    expect(logEValueBelow(1e9, 0.9e7, 0.01)).toBeGreaterThan(1000);
  });

  it('takes one error as final where none is allowed, and none as final where all are', () => {
    expect(logEValue(1000, 0, 0)).toBe(0);
    expect(logEValue(1000, 1, 0)).toBe(Number.MAX_VALUE);
    expect(logEValue(1000, 1000, 1)).toBeCloseTo(0, 12);
    expect(errorRateVerdict({ trials: 1000, errors: 1000 }, { max: 1, confidence: 0.99 }).verdict).toBe('inconclusive');
    expect(JSON.parse(JSON.stringify(logEValue(5, 1, 0)))).toBe(Number.MAX_VALUE);
  });

  it('reads an error that was counted before its trial as a trial', () => {
    expect(logEValue(1, 2, 0.01)).toBe(logEValue(2, 2, 0.01));
  });

  it('meets its threshold at ln(1/(1 - confidence)), which stays finite for certainty', () => {
    expect(logThreshold(0.99)).toBeCloseTo(Math.log(100), 12);
    expect(Number.isFinite(logThreshold(1))).toBe(true);
  });
});

describe('the threshold of a guard', () => {
  it('has the same digits on every machine', () => {
    expect(failThreshold(0.01, 0.99)).toBe(3.890109580937205);
    expect(failThreshold(0.001, 0.99)).toBe(3.8091593237616332);
  });

  it('is what Ville asks for where errors are not rare', () => {
    expect(failThreshold(0.7, 0.99)).toBe(logThreshold(0.99));
    expect(failThreshold(0, 0.99)).toBe(logThreshold(0.99));
  });
});

describe('the error-rate verdict', () => {
  it('is inconclusive before the first attempt', () => {
    const evidence = errorRateVerdict({ trials: 0, errors: 0 }, GUARD);
    expect(evidence.verdict).toBe('inconclusive');
    expect(evidence.summary).toBe('no attempts yet to hold against the allowed 1%');
  });

  it('never fails on a single error at 1 % and 99 %, and does on two of two', () => {
    expect(errorRateVerdict({ trials: 1, errors: 1 }, GUARD).verdict).toBe('inconclusive');
    expect(errorRateVerdict({ trials: 2, errors: 2 }, GUARD).verdict).toBe('fail');
  });

  it('takes a single error for enough only where errors must be rarer than one in some hundred', () => {
    const strict = { max: 0.001, confidence: 0.99 };
    expect(errorRateVerdict({ trials: 2, errors: 1 }, strict).verdict).toBe('fail');
    expect(errorRateVerdict({ trials: 3, errors: 1 }, strict).verdict).toBe('inconclusive');
  });

  it('tells what it saw in a sentence', () => {
    expect(errorRateVerdict({ trials: 300, errors: 12 }, GUARD).summary).toBe(
      '12 of 300 attempts failed (4%): more than the allowed 1% with 99% confidence',
    );
    expect(errorRateVerdict({ trials: 600, errors: 0 }, GUARD).summary).toBe(
      '0 of 600 attempts failed (0%): less than the allowed 1% with 99% confidence',
    );
    expect(errorRateVerdict({ trials: 150, errors: 2 }, { max: 0.0125, confidence: 0.9999 }).summary).toBe(
      '2 of 150 attempts failed (1.33%): too few to tell it from the allowed 1.25%',
    );
    expect(errorRateVerdict({ trials: 1e6, errors: 999_999 }, { max: 0.5, confidence: 0.9999 }).summary).toBe(
      '999999 of 1000000 attempts failed (99.9999%): more than the allowed 50% with 99.99% confidence',
    );
  });

  it('carries the numbers that anyone needs to compute it again', () => {
    const evidence = errorRateVerdict({ trials: 40, errors: 5 }, GUARD);
    expect(evidence).toMatchObject({ verdict: 'fail', trials: 40, confidence: 0.99 });
    expect(evidence.logE).toBe(logEValue(40, 5, 0.01));
    expect(evidence.logThreshold).toBe(failThreshold(0.01, 0.99));
  });
});

describe('the limits of a fuse', () => {
  it('begin with one that cannot be met where one error proves nothing', () => {
    expect(fuseLimits(GUARD).slice(0, 10)).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 3, 3]);
    expect(fuseLimits(GUARD)).toHaveLength(256);
  });

  it('cannot be met at all when every rate is allowed', () => {
    expect(fuseLimits({ max: 1, confidence: 0.99 }, 3)).toEqual([2, 3, 4]);
  });
});
