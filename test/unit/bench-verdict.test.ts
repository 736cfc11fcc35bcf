import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { detections, falseAlarms, waldBound } from '../../bench/verdict/cells.ts';
import { hitsAmong, randomOf, untilHit } from '../../bench/verdict/random.ts';
import { renderVerdicts, type VerdictReport } from '../../bench/verdict/report.ts';
import { rulesFor } from '../../bench/verdict/rules.ts';
import { timelineOf } from '../../bench/verdict/timeline.ts';
import { errorRateVerdict } from '../../src/rollout/statistics.ts';

const BOUND = { max: 0.01, confidence: 0.99 };
const RESULTS = new URL('../../bench/results/', import.meta.url);

describe('the simulation of verdicts', () => {
  it('is the same for a seed, and draws what it should', () => {
    const draw = (cell: string) =>
      Array.from(
        { length: 5 },
        (
          (random) => () =>
            untilHit(random, 0.1)
        )(randomOf(1, cell)),
      );
    expect(draw('a')).toEqual(draw('a'));
    expect(draw('a')).not.toEqual(draw('b'));
    const random = randomOf(3, 'mean');
    expect(hitsAmong(random, 1_000_000, 0.01) / 10_000).toBeCloseTo(1, 1);
    expect([hitsAmong(random, 100, 0), hitsAmong(random, 100, 1)]).toEqual([0, 100]);
  });

  it('trips where the guard itself does', () => {
    const random = randomOf(5, 'same');
    const timeline = timelineOf(1, [{ share: 1, seconds: 2000 }]);
    const [rule] = rulesFor(BOUND);
    for (let i = 0; i < 20; i++) {
      const errors: number[] = [];
      for (let at = untilHit(random, 0.03); at <= 2000; at += untilHit(random, 0.03)) errors.push(at);
      const first = errors.findIndex(
        (trials, n) => errorRateVerdict({ trials, errors: n + 1 }, BOUND).verdict === 'fail',
      );
      expect(rule?.tripsAt(errors, errors.length, timeline)).toBe(first === -1 ? null : errors[first]);
    }
  });

  it('lets the loops that poll look once a minute, and add up what failed', () => {
    const timeline = timelineOf(10, [
      { share: 0.1, seconds: 120 },
      { share: 1, seconds: 120 },
    ]);
    expect(timeline.windowEnds).toEqual([60, 120, 720, 1320]);
    expect([1, 60, 120, 720].map((n) => timeline.secondsAt(n))).toEqual([1, 60, 120, 180]);
    const [, threshold, flagger, argo] = rulesFor(BOUND);
    const bad = Array.from({ length: 1320 }, (_, i) => i + 1);
    expect(threshold?.tripsAt(bad, bad.length, timeline)).toBe(60);
    expect(argo?.tripsAt(bad, bad.length, timeline)).toBe(1320);
    expect(flagger?.tripsAt(bad, bad.length, timeline)).toBeNull();
    // One of sixty is more than 1 %; six of six hundred are not.
    expect(threshold?.tripsAt([61, 130, 131, 132, 133, 134, 135], 7, timeline)).toBe(120);
    expect(threshold?.tripsAt([130, 131, 132, 133, 134, 135], 6, timeline)).toBeNull();
  });
});

describe('the results that are kept', () => {
  const kept: VerdictReport = JSON.parse(readFileSync(new URL('verdict.json', RESULTS), 'utf8'));

  it('are of ten thousand rollouts a cell, and the page is made of them', () => {
    expect(kept.rollouts).toBeGreaterThanOrEqual(10_000);
    expect(readFileSync(new URL('verdict.md', RESULTS), 'utf8')).toBe(renderVerdicts(kept));
  });

  it('keep the budgets: false rollbacks by exact computation, detection by simulation', () => {
    for (const { ever } of kept.falseAlarms) expect(ever).toBeLessThanOrEqual(0.01);
    for (const { mean, budget } of kept.detections) expect(mean).toBeLessThanOrEqual(budget);
    const { falseAlarms: alarms } = kept;
    // Four standard errors of a simulated share of 1 %.
    for (const { shares } of alarms) expect(shares.tealgate).toBeLessThan(0.014);
  });

  it('are those that the documentation shows', () => {
    const page = readFileSync(new URL('../../docs/verdicts.md', import.meta.url), 'utf8');
    const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;
    const shown = kept.detections.filter(({ max, rate, wald, mean }) =>
      page.includes(`| ${percent(max)} | ${percent(rate)} | ${wald.toFixed(1)} | ${mean.toFixed(1)} |`),
    );
    expect(shown).toHaveLength(5);
    for (const { length, byRequest, byClient } of kept.bursts.filter((burst) => burst.length !== 5)) {
      expect(page).toContain(`| ${length} | ${percent(byRequest)} | ${percent(byClient)} |`);
    }
    for (const { ever, shares } of kept.falseAlarms.filter(({ max, traffic }) => max === 0.01 && traffic === 40)) {
      const others = ['tealgate', 'threshold', 'flagger', 'argo'].map((id) => percent(shares[id] ?? 0));
      expect(page).toContain(`| ${[percent(ever), ...others].join(' | ')} |`);
    }
  });

  it('are what this program computes', () => {
    const [alarm] = falseAlarms({ rollouts: 1, seed: 1, confidence: kept.confidence });
    expect(alarm?.ever).toBe(kept.falseAlarms[0]?.ever);
    const cell = detections({ rollouts: 1, seed: 1, confidence: kept.confidence })[4];
    expect(cell?.wald).toBe(kept.detections[4]?.wald);
    expect(cell?.wald).toBe(waldBound(BOUND, cell?.rate ?? 0));
  });
});
