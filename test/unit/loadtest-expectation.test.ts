import { describe, expect, test } from 'vitest';
import { judge, parseExpectation } from '../../src/loadtest/expectation.ts';
import type { Measures } from '../../src/loadtest/metrics.ts';

const MEASURES: Measures = {
  errors: 3,
  non2xx: 0,
  timeouts: 0,
  unsent: 0,
  lost: null,
  rate: 98.5,
  p50: 2.25,
  p90: 10,
  p95: 20,
  p99: 49.999,
  'p99.9': 63,
  max: 120,
  requests: 600,
  promoted: 1,
  rolled_back: 0,
};
const BASES = { requests: 600, sent: 700, targetRate: 100 };

function judged(text: string, measures = MEASURES, bases: Parameters<typeof judge>[2] = BASES) {
  const parsed = parseExpectation(text);
  if (!parsed.ok) throw new Error(parsed.mistake);
  return judge(parsed.value, measures, bases);
}

describe('an expectation', () => {
  test.each([
    ['errors==0', { metric: 'errors', operator: '==', bound: 0, share: false }],
    ['errors < 1%', { metric: 'errors', operator: '<', bound: 0.01, share: true }],
    ['lost<=99.9%', { metric: 'lost', operator: '<=', bound: 0.999, share: true }],
    ['p99<50ms', { metric: 'p99', operator: '<', bound: 50, share: false }],
    ['p99.9 <= 1.5s', { metric: 'p99.9', operator: '<=', bound: 1500, share: false }],
    ['p50<800us', { metric: 'p50', operator: '<', bound: 0.8, share: false }],
    ['rate>=95%', { metric: 'rate', operator: '>=', bound: 0.95, share: true }],
    ['rate>95/s', { metric: 'rate', operator: '>', bound: 95, share: false }],
    ['rolled_back!=1', { metric: 'rolled_back', operator: '!=', bound: 1, share: false }],
  ])('%s is read', (text, expected) => {
    expect(parseExpectation(text)).toMatchObject({ ok: true, value: expected });
  });

  test.each([
    ['', 'is not an expectation; write METRIC OPERATOR VALUE, such as p99<50ms'],
    ['p99', 'is not an expectation'],
    ['p99 50ms', 'is not an expectation'],
    ['errors=0', 'equal is written =='],
    ['errors=<0', 'is not an expectation'],
    ['errors==0==0', 'is not an expectation'],
    ['erors==0', 'did you mean errors?'],
    ['p75<50ms', 'p75 is not a metric'],
    ['luck>0', 'known are errors, non2xx'],
    ['p99<50', '50 has no unit; write 50ms'],
    ['p99<fast', '"fast" is not a duration'],
    ['p99<5%', 'p99 cannot be a percentage'],
    ['requests>5%', 'requests cannot be a percentage'],
    ['errors<few', '"few" is not a number or a percentage'],
    ['promoted==yes', '"yes" is not a number, such as 0'],
    ['errors==-1', 'is not a number'],
  ])('%j is refused and says why', (text, why) => {
    const parsed = parseExpectation(text);
    expect(parsed.ok ? '' : parsed.mistake).toContain(why);
  });

  test.each([
    ['errors==3', true, 'errors is 3'],
    ['errors==0', false, 'errors is 3'],
    ['errors<=0.5%', true, 'errors is 3 (0.5%)'],
    ['errors<0.5%', false, 'errors is 3 (0.5%)'],
    ['rate>=95%', true, 'rate is 98.5/s (98.5%)'],
    ['p99<50ms', true, 'p99 is 50 ms'],
    ['p99.9<50ms', false, 'p99.9 is 63 ms'],
    ['p50<=2.25ms', true, 'p50 is 2.25 ms'],
    ['promoted!=0', true, 'promoted is 1'],
  ])('%s holds: %s', (text, ok, detail) => {
    expect(judged(text)).toMatchObject({ ok, detail });
  });

  test('fails when its metric is not known, whatever it says', () => {
    expect(judged('lost==0')).toMatchObject({ ok: false, actual: null, detail: 'lost is not known' });
    expect(judged('lost!=0')).toMatchObject({ ok: false });
  });

  test('of a share of nothing compares with 0', () => {
    expect(judged('errors<1%', { ...MEASURES, errors: 0 }, { ...BASES, requests: 0 })).toMatchObject({ ok: true });
  });

  test('of a share of the rate fails in a closed loop', () => {
    expect(judged('rate>=95%', MEASURES, { ...BASES, targetRate: null })).toMatchObject({ ok: false });
  });
});
