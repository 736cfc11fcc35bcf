import { describe, expect, it } from 'vitest';
import type { RolloutPlan } from '../../src/config/config.ts';
import type { MetricGuard, WebhookGuard } from '../../src/config/guards/guard.ts';
import { createRollout } from '../../src/rollout/create.ts';
import type { GuardEvidence } from '../../src/rollout/evidence.ts';
import type { MetricObservation } from '../../src/rollout/guards/metric.ts';
import { nextAskMs } from '../../src/rollout/guards/polled.ts';
import { pollsOf, waitOf } from '../../src/rollout/polls.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import type { Rollout } from '../../src/rollout/rollout.ts';
import { readVerdict } from '../../src/rollout/webhook-question.ts';

const AT = 1_700_000_000_000;
const NONE = { trials: 0, errors: 0, slow: 0 };
const METRIC: MetricGuard = {
  name: 'depth',
  kind: 'metric',
  prometheus: 'main',
  query: 'depth',
  intervalMs: 30_000,
  timeoutMs: 5000,
  failures: 1,
  onNoData: 'inconclusive',
  onError: 'inconclusive',
};
const WEBHOOK: WebhookGuard = { name: 'bot', kind: 'webhook', webhook: 'bot', intervalMs: 1000, failures: 1 };

function begun(plan: Partial<RolloutPlan>): Rollout {
  const stages = [
    { weight: 20, holdMs: 3_600_000 },
    { weight: 100, holdMs: 0 },
  ];
  const whole: RolloutPlan = { strategy: 'canary', smoke: [], stages, guards: [], ...plan };
  const ids = { service: 'shop', from: 'blue', to: 'green', actor: 'ci', at: AT, taken: [] };
  return moved(createRollout({ ...ids, plan: whole }), [{ type: 'start' }, { type: 'smoke_passed', results: [] }]);
}

const moved = (rollout: Rollout, events: readonly RolloutEvent[]): Rollout =>
  events.reduce((state, event) => transition(state, event, AT).rollout, rollout);

const told = (name: string, observation: unknown): RolloutEvent => ({
  type: 'tick',
  elapsedMs: 50,
  candidate: NONE,
  stable: NONE,
  observations: { [name]: observation },
});

const value = (number: number) => ({ kind: 'value', value: number }) as const;
const noData = { kind: 'no_data', detail: 'the query found no series' } as const;
const error = { kind: 'error', detail: 'Prometheus answered 503' } as const;

/** What a metric guard says after these answers. */
function judged(guard: Partial<MetricGuard>, ...answers: Omit<MetricObservation, 'at'>[]): GuardEvidence | undefined {
  const rollout = begun({ guards: [{ ...METRIC, ...guard, dryRun: true }] });
  return moved(
    rollout,
    answers.map((answer) => told('depth', { at: AT, ...answer })),
  ).guards[0];
}

describe('a metric guard', () => {
  it.each<[string, Partial<MetricGuard>, Omit<MetricObservation, 'at'>, string]>([
    ['at its max', { max: 5 }, { result: value(5) }, 'pass'],
    ['above its max', { max: 5 }, { result: value(5.001) }, 'fail'],
    ['at its min', { min: 5 }, { result: value(5) }, 'pass'],
    ['below its min', { min: 5 }, { result: value(4.9) }, 'fail'],
    ['infinite', { max: 5 }, { result: value(Number.MAX_VALUE) }, 'fail'],
    ['at its ratio', { ratio: 2 }, { result: value(6), baseline: value(3) }, 'pass'],
    ['above its ratio', { ratio: 2 }, { result: value(6.1), baseline: value(3) }, 'fail'],
    ['within a margin', { margin: 1 }, { result: value(4), baseline: value(3) }, 'pass'],
    ['beyond a margin', { margin: 1 }, { result: value(4.1), baseline: value(3) }, 'fail'],
    ['within both together', { ratio: 2, margin: 1 }, { result: value(7), baseline: value(3) }, 'pass'],
    ['above a zero baseline', { ratio: 2 }, { result: value(0.1), baseline: value(0) }, 'fail'],
    [
      'at its ratio, where lower is worse',
      { ratio: 0.5, worse: 'lower' },
      { result: value(3), baseline: value(6) },
      'pass',
    ],
    [
      'below its ratio, where lower is worse',
      { ratio: 0.5, worse: 'lower' },
      { result: value(2.9), baseline: value(6) },
      'fail',
    ],
    [
      'far above, where lower is worse',
      { ratio: 0.5, worse: 'lower' },
      { result: value(99), baseline: value(6) },
      'pass',
    ],
    ['within a margin below', { margin: 1, worse: 'lower' }, { result: value(5), baseline: value(6) }, 'pass'],
    ['beyond a margin below', { margin: 1, worse: 'lower' }, { result: value(4.9), baseline: value(6) }, 'fail'],
    [
      'within both together below',
      { ratio: 0.5, margin: 1, worse: 'lower' },
      { result: value(2), baseline: value(6) },
      'pass',
    ],
    ['without data', { max: 5 }, { result: noData }, 'inconclusive'],
    ['without data of the baseline', { ratio: 2 }, { result: value(1), baseline: noData }, 'inconclusive'],
    ['without data, where that passes', { max: 5, onNoData: 'pass' }, { result: noData }, 'pass'],
    ['without data, where that fails', { max: 5, onNoData: 'fail' }, { result: noData }, 'fail'],
    ['without an answer', { max: 5, onNoData: 'fail' }, { result: error }, 'inconclusive'],
    [
      'without an answer of the baseline',
      { ratio: 2, onNoData: 'fail' },
      { result: noData, baseline: error },
      'inconclusive',
    ],
    ['without an answer, where that fails', { max: 5, onError: 'fail' }, { result: error }, 'fail'],
  ])('%s', (_, guard, answer, verdict) => {
    expect(judged(guard, answer)?.verdict).toBe(verdict);
  });

  it('says what was required, where lower is worse', () => {
    const answer = { result: value(0.01), baseline: value(0.04) };
    expect(judged({ ratio: 0.9, worse: 'lower' }, answer)).toMatchObject({
      summary: 'the value is 0.01 beside a baseline of 0.04: less than the required 0.036',
    });
  });

  it('is inconclusive before it has asked', () => {
    const rollout = moved(begun({ guards: [{ ...METRIC, max: 5 }] }), [
      { type: 'tick', elapsedMs: 50, candidate: NONE, stable: NONE },
    ]);
    expect(rollout.guards).toMatchObject([
      { verdict: 'inconclusive', asked: 0, askedAt: null, summary: 'not asked yet' },
    ]);
  });

  it('takes as many values out of bounds in a row as it was told; what says nothing neither counts nor interrupts', () => {
    const [bad, good] = [{ result: value(9) }, { result: value(1) }];
    const guard = { max: 5, failures: 2 };
    expect(judged(guard, bad)).toMatchObject({ verdict: 'inconclusive', failures: 1, needed: 2 });
    expect(judged(guard, bad, bad)).toMatchObject({ verdict: 'fail', failures: 2 });
    expect(judged(guard, bad, good, bad)).toMatchObject({ verdict: 'inconclusive', failures: 1 });
    expect(judged(guard, bad, { result: error }, { result: noData }, bad)).toMatchObject({ verdict: 'fail', asked: 4 });
  });

  it('counts answers that come together as if each had come alone', () => {
    const [bad, good] = [{ result: value(9) }, { result: value(1) }];
    const guard = { max: 5, failures: 2 };
    expect(judged(guard, good, { ...good, times: 7 })).toMatchObject({ verdict: 'pass', asked: 8, failures: 0 });
    expect(judged(guard, good, { ...bad, times: 7 })).toMatchObject({ verdict: 'inconclusive', asked: 8, failures: 1 });
    expect(judged(guard, bad, bad, { ...bad, times: 7 })).toMatchObject({ verdict: 'fail', asked: 9, failures: 9 });
  });

  it('does not let an old pass stand when the last question was not answered', () => {
    expect(judged({ max: 5 }, { result: value(1) }, { result: error })?.verdict).toBe('inconclusive');
  });

  it('takes the candidate back, and its evidence says why', () => {
    const rollout = moved(begun({ guards: [{ ...METRIC, max: 5 }] }), [told('depth', { at: AT, result: value(9) })]);
    expect(rollout.position).toMatchObject({ phase: 'rolled_back', reason: 'metric' });
    expect(rollout.transitions.at(-1)?.evidence).toMatchObject([{ guard: 'depth', value: 9, verdict: 'fail' }]);
  });
});

describe('the answer of a webhook', () => {
  const read = (status: number, body = '') => readVerdict(status, body, AT);

  it('is the verdict in its body, or what its status stands for', () => {
    expect(read(200, '{"verdict":"pass"}')).toMatchObject({ verdict: 'pass', answered: true });
    expect(read(201, '{"verdict":"fail","reason":"no"}')).toMatchObject({
      verdict: 'fail',
      reason: 'answered fail: no',
    });
    expect(read(200, '{"verdict":"not_yet"}')).toMatchObject({ verdict: 'inconclusive', answered: true });
    expect(read(200, '{"verdict":"inconclusive"}')).toMatchObject({ verdict: 'inconclusive', answered: true });
    expect(read(204)).toMatchObject({ verdict: 'pass', answered: true });
    expect(read(202, '{"verdict":"fail"}')).toMatchObject({ verdict: 'inconclusive', answered: true });
  });

  it.each([
    [200, ''],
    [200, 'OK'],
    [200, '[]'],
    [200, 'null'],
    [200, '{"verdict":"Pass"}'],
    [200, '{"verdict":true}'],
    [302, '{"verdict":"fail"}'],
    [403, '{"verdict":"fail"}'],
    [500, '{"verdict":"fail"}'],
  ])('is none with %i %s', (status, body) => {
    expect(read(status, body)).toMatchObject({ verdict: 'inconclusive', answered: false });
  });

  it('cannot bring line ends or terminal escapes into the evidence, nor all it wants', () => {
    const { reason } = read(
      200,
      JSON.stringify({ verdict: 'fail', reason: `a\nb\u001b[31m\u0085c${'x'.repeat(1000)}` }),
    );
    expect(reason).toMatch(/^answered fail: a b \[31m cx+$/);
    expect(reason.length).toBeLessThan(330);
  });
});

describe('questions', () => {
  it('wait longer and longer while nobody answers, up to five minutes or their interval', () => {
    expect([0, 1, 2, 3, 4, 9].map((unanswered) => nextAskMs(30_000, unanswered))).toEqual([
      30_000, 60_000, 120_000, 240_000, 300_000, 300_000,
    ]);
    expect(nextAskMs(600_000, 5)).toBe(600_000);
  });

  it('are asked for guards in force, while the candidate has weight and is not on its way back', () => {
    const rollout = begun({ guards: [WEBHOOK] });
    expect(pollsOf(rollout).map((poll) => (poll.kind === 'guard' ? poll.guard.name : 'gate'))).toEqual(['bot']);
    const paused = moved(rollout, [{ type: 'pause', actor: 'ci' }]);
    expect(pollsOf(paused)).toHaveLength(1);
    expect(pollsOf(moved(rollout, [{ type: 'abort', actor: 'ci' }]))).toEqual([]);
    expect(pollsOf(moved(rollout, [{ type: 'promote', actor: 'ci' }]))).toEqual([]);
    const gated = begun({ guards: [WEBHOOK], stages: [{ weight: 20, holdMs: 1, gate: 'manual' }] });
    expect(pollsOf(gated)).toEqual([]);
  });

  it('are asked in a stage that only mirrors, too, until its copies end', () => {
    const stages = [
      { weight: 0, holdMs: 1000, mirror: 0.1 },
      { weight: 100, holdMs: 0, gate: 'manual' as const },
    ];
    const mirroring = begun({ guards: [WEBHOOK], stages, onInconclusive: 'pause' });
    expect(pollsOf(mirroring)).toHaveLength(1);
    const pass = told('bot', { at: AT, verdict: 'pass', answered: true, reason: '' });
    const over: RolloutEvent = { type: 'tick', elapsedMs: 1000, candidate: NONE, stable: NONE };
    expect(moved(mirroring, [over]).position).toMatchObject({ reason: 'inconclusive' });
    const atGate = moved(mirroring, [pass, over]);
    expect(atGate.position).toMatchObject({ phase: 'paused', reason: 'gate' });
    expect(pollsOf(atGate)).toHaveLength(1);
    const shadow = begun({ strategy: 'shadow', guards: [WEBHOOK], stages: stages.slice(0, 1) });
    expect(pollsOf(shadow)).toHaveLength(1);
    expect(pollsOf(moved(shadow, [over]))).toEqual([]);
  });

  it('begin anew where a stage changes the guard', () => {
    const other = { ...WEBHOOK, intervalMs: 5000 };
    const stages = [
      { weight: 20, holdMs: 10 },
      { weight: 50, holdMs: 1000, guards: [other] },
    ];
    const first = begun({ guards: [WEBHOOK], stages });
    const second = moved(first, [{ type: 'tick', elapsedMs: 20, candidate: NONE, stable: NONE }]);
    expect(second.position).toMatchObject({ stage: 1 });
    expect(pollsOf(second)[0]?.identity).not.toBe(pollsOf(first)[0]?.identity);
    expect(pollsOf(second)).toMatchObject([{ kind: 'guard', guard: other }]);
  });

  it('come an interval after the last answer, also over a restart and with a clock that was set back', () => {
    const rollout = begun({ guards: [WEBHOOK] });
    const wait = (of: Rollout, nowAt: number): number | undefined =>
      pollsOf(of)
        .map((poll) => waitOf(poll, of, nowAt))
        .at(0);
    expect(wait(rollout, AT)).toBe(1000);
    const answered = moved(rollout, [told('bot', { at: AT, verdict: 'pass', answered: true, reason: '' })]);
    expect(wait(answered, AT + 400)).toBe(600);
    expect(wait(answered, AT + 5000)).toBe(0);
    expect(wait(answered, AT - 100_000)).toBe(1000);
    const failed = moved(rollout, [told('bot', { at: AT, verdict: 'inconclusive', answered: false, reason: '' })]);
    expect(wait(failed, AT)).toBe(2000);
  });
});
