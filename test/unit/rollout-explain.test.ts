import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SmokeRequest } from '../../src/config/config.ts';
import { DEFAULT_PLAN } from '../../src/config/plan-schema.ts';
import { createRollout } from '../../src/rollout/create.ts';
import type { ErrorRateEvidence } from '../../src/rollout/evidence.ts';
import { explain } from '../../src/rollout/explain.ts';
import { needed } from '../../src/rollout/needed.ts';
import type { RolloutEvent } from '../../src/rollout/reducer.ts';
import type { Rollout, SmokeResult } from '../../src/rollout/rollout.ts';
import { errorRateVerdict } from '../../src/rollout/statistics.ts';
import { told } from '../../src/rollout/told.ts';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);

const SMOKE: SmokeRequest = {
  method: 'GET',
  path: '/healthz',
  headers: {},
  expect: { status: 200, bodyIncludes: null },
  timeoutMs: 5000,
};

function played(events: readonly RolloutEvent[], smoke: readonly SmokeRequest[] = []): Rollout {
  const plan = {
    ...DEFAULT_PLAN,
    smoke,
    stages: [
      { weight: 5, holdMs: 2000 },
      { weight: 50, holdMs: 5000 },
    ],
  };
  const begun = createRollout({ service: 'shop', from: 'blue', to: 'green', plan, actor: 'ci', at: AT, taken: [] });
  return events.reduce((rollout, event, i) => told(rollout, event, AT + 1000 * (i + 1)).rollout, begun);
}

const tick = (trials: number, errors: number): RolloutEvent => ({
  type: 'tick',
  elapsedMs: 1000,
  candidate: { trials, errors },
  stable: { trials, errors: 0 },
});
const BEGUN: readonly RolloutEvent[] = [{ type: 'start' }, { type: 'smoke_passed', results: [] }];

const texts = (rollout: Rollout) => explain(rollout).story.map(({ text }) => text);

describe('an explanation', () => {
  it('tells stage by stage what happened, by whom, and which guard ended it with what numbers', () => {
    const calls: RolloutEvent[] = [
      { type: 'pause', actor: 'ann' },
      { type: 'resume', actor: 'ann' },
    ];
    const rollout = played([...BEGUN, tick(40, 0), tick(37, 1), ...calls, tick(40, 9)], [SMOKE]);
    const { headline, story, guards } = explain(rollout);
    const failed = '10 of 117 attempts failed (8.55%): more than the allowed 1% with 99% confidence';
    expect(headline).toBe(
      `the rollout of green to shop was rolled back after 7s in stage 2 of 2: the guard errorRate failed: ${failed}`,
    );
    expect(story.map(({ text }) => text)).toEqual([
      'ci started it: blue → green, canary, 5 % for 2s, 50 % for 5s, guarded by errorRate',
      'green is asked smoke requests, and has no traffic yet',
      'every target answered the smoke requests as it should: it entered stage 1 of 2, 5 % of new traffic to green',
      'stage 1 of 2 had been held: it entered stage 2 of 2, 50 % of new traffic to green',
      'by ann: it paused in stage 2 of 2',
      'by ann: it went on with stage 2 of 2, 50 % of new traffic to green',
      `the guard errorRate failed: ${failed}: it ended as rolled back, with all traffic on blue`,
    ]);
    expect(story[3]?.evidence).toEqual([
      'inconclusive, errorRate: 1 of 77 attempts failed (1.3%): too few to tell it from the allowed 1%',
    ]);
    expect(story.at(-1)).toMatchObject({ at: AT + 7000, evidence: [`fail, errorRate: ${failed}`] });
    expect(guards).toMatchObject([{ guard: 'errorRate', verdict: 'fail', dryRun: false, summary: failed }]);
    expect(guards[0]?.needed).toEqual([
      expect.stringMatching(/^evidence against it [\d.]+ to 1, of the 48.9 to 1 at which it fails$/),
      '6 failures among 117 are enough to fail, and there were 10',
    ]);
  });

  it('says nothing of smoke requests where the plan has none', () => {
    expect(texts(played(BEGUN)).slice(1)).toEqual([
      'green has no traffic yet',
      'it entered stage 1 of 2, 5 % of new traffic to green',
    ]);
  });

  it('tells of a smoke request that was answered wrongly', () => {
    const smoke: SmokeResult = {
      target: 'http://127.0.0.1:4001',
      method: 'GET',
      path: '/healthz',
      ok: false,
      status: 503,
      durationMs: 3,
      detail: 'status 503 and not 200',
    };
    const rollout = played([{ type: 'start' }, { type: 'smoke_failed', results: [smoke] }]);
    expect(explain(rollout).headline).toBe(
      'the rollout of green to shop failed after 2s: GET /healthz on http://127.0.0.1:4001: status 503 and not 200',
    );
  });

  it('tells of a promotion to its end', () => {
    const rollout = played([...BEGUN, { type: 'promote', actor: 'ann' }, { type: 'switched' }, { type: 'drained' }]);
    expect(explain(rollout).headline).toBe(
      'the rollout of green to shop was promoted after 5s: green is the stable side',
    );
    expect(texts(rollout).slice(-3)).toEqual([
      'by ann: green became the stable side with all new traffic',
      'every worker serves the new weights: no new request reaches blue, which is emptied',
      'blue is empty: it ended as promoted',
    ]);
  });

  it('tells where one stands that has not ended', () => {
    expect(explain(played([])).headline).toBe('the rollout of green to shop has not begun yet');
    expect(explain(played(BEGUN)).headline).toBe('the rollout of green to shop is under way in stage 1 of 2');
    const paused = played([...BEGUN, { type: 'pause', actor: 'ann' }]);
    expect(explain(paused).headline).toBe('the rollout of green to shop is paused in stage 1 of 2: by ann');
  });
});

describe('what would have been needed', () => {
  const evidenceOf = (trials: number, errors: number): ErrorRateEvidence => ({
    guard: 'errorRate',
    kind: 'errorRate',
    errors,
    max: 0.01,
    ...errorRateVerdict({ trials, errors }, { max: 0.01, confidence: 0.99 }),
  });
  const numberIn = (lines: readonly string[], pattern: RegExp): number =>
    Number(lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined));

  it('is the least that changes the verdict', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 20 }), (trials, some) => {
        const errors = Math.min(trials, some);
        const lines = needed(evidenceOf(trials, errors));
        const least = numberIn(lines, /(\d+) failures among/);
        if (!Number.isNaN(least)) {
          expect(evidenceOf(trials, least).verdict).toBe('fail');
          expect(evidenceOf(trials, least - 1).verdict).not.toBe('fail');
        }
        const good = numberIn(lines, /take (\d+) more attempts/);
        if (!Number.isNaN(good)) {
          expect(evidenceOf(trials + good, errors).verdict).toBe('pass');
          expect(evidenceOf(trials + good - 1, errors).verdict).not.toBe('pass');
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is nothing before the first attempt', () => {
    expect(needed(evidenceOf(0, 0))).toEqual([]);
  });
});
