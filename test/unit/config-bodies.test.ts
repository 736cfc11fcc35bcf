// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references look like this
import { describe, expect, it } from 'vitest';
import { guardsOf } from '../../src/config/guards/guard.ts';
import { parsePlan } from '../../src/config/plan.ts';
import { parseTargets, parseTargetUrl } from '../../src/config/targets.ts';
import { TealgateError } from '../../src/platform/errors.ts';
import { accepted, service } from '../support/config-text.ts';
import { ERROR_RATE, LATENCY } from '../support/guards.ts';

function problemsOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    if (error instanceof TealgateError && error.code === 'bad_request') return error.details.problems;
    throw error;
  }
  throw new Error('was accepted');
}

function planOf(text: string) {
  const config = accepted(service(`rollout: ${text}`)).services.shop;
  if (config === undefined) throw new Error('no service');
  return config.rollout;
}

describe('the plan that a call asks for', () => {
  const canary = planOf(
    '{smoke: [{path: /up}], stages: [{weight: 10, hold: 1m}, {weight: 100}], guards: {errorRate: {max: 2%, confidence: 95%}}}',
  );
  const blueGreen = planOf('{strategy: blue-green, watch: 30s}');

  it.each([[undefined], [null], [{}]])('is the configured one for %j', (input) => {
    expect(parsePlan(input, canary)).toEqual(canary);
    expect(parsePlan(input, blueGreen)).toEqual(blueGreen);
  });

  it('replaces the stages and keeps the rest', () => {
    expect(parsePlan({ stages: [{ weight: 50, hold: '5s' }] }, canary)).toEqual({
      ...canary,
      stages: [{ weight: 50, holdMs: 5_000 }],
    });
  });

  const CANARY_RATE = { ...ERROR_RATE, max: 0.02, confidence: 0.95 };

  it('changes one value of a guard and keeps the other', () => {
    expect(parsePlan({ guards: { errorRate: { max: '5%' } } }, canary).guards).toEqual([{ ...CANARY_RATE, max: 0.05 }]);
  });

  it('merges a latency guard with that of the plan beneath, and turns it off', () => {
    const base = parsePlan({ guards: { latency: { max: '500ms', confidence: '95%' } } }, canary);
    const latency = { ...LATENCY, confidence: 0.95 };
    expect(base.guards).toEqual([CANARY_RATE, latency]);
    expect(parsePlan({ guards: { latency: { quantile: '90%' } } }, base).guards).toEqual([
      CANARY_RATE,
      { ...latency, quantile: 0.9 },
    ]);
    expect(parsePlan({ guards: { errorRate: { max: '2%' } } }, base).guards).toContainEqual(latency);
    expect(parsePlan({ guards: { latency: 'none' } }, base).guards).toEqual([CANARY_RATE]);
  });

  it('merges guards with names of their own as well, unless they become another kind', () => {
    const base = parsePlan({ guards: { slow: { kind: 'latency', max: '2s', dryRun: true } } }, canary);
    const merged = (slow: unknown) => parsePlan({ guards: { slow } }, base).guards[1];
    expect(merged({ kind: 'latency', quantile: '90%' })).toMatchObject({ name: 'slow', quantile: 0.9, maxMs: 2000 });
    expect(merged({ kind: 'errorRate' })).toEqual({ ...ERROR_RATE, name: 'slow' });
    expect(merged('none')).toBeUndefined();
  });

  it('lets a guard observe only, until it is told otherwise', () => {
    const base = parsePlan({ guards: { errorRate: { dryRun: true }, latency: { max: '1s', dryRun: true } } }, canary);
    expect(base.guards[0]).toEqual({ ...CANARY_RATE, dryRun: true });
    expect(parsePlan({ guards: { errorRate: { max: '2%' } } }, base).guards).toMatchObject([
      { max: 0.02, dryRun: true },
      { kind: 'latency', dryRun: true },
    ]);
    expect(parsePlan({ guards: { latency: { dryRun: false } } }, base).guards[1]).toEqual({ ...LATENCY, maxMs: 1000 });
  });

  it('says what happens when a rollout cannot go on, key by key; what is the default is left out', () => {
    const base = parsePlan(
      {
        onInconclusive: 'pause',
        extend: '10m',
        onNoTraffic: 'hold',
        deadline: '4h',
        onDeadline: 'rollback',
        keepWarm: '1h',
        rollback: { ramp: '30s' },
      },
      canary,
    );
    const policies = {
      onInconclusive: 'pause',
      extendMs: 600_000,
      onNoTraffic: 'hold',
      deadlineMs: 4 * 3_600_000,
      onDeadline: 'rollback',
      keepWarmMs: 3_600_000,
      rampMs: 30_000,
    };
    expect(base).toEqual({ ...canary, ...policies });
    expect(parsePlan({ extend: '5m' }, base)).toEqual({ ...base, extendMs: 300_000 });
    const defaults = {
      onInconclusive: 'advance',
      extend: '0s',
      onNoTraffic: 'advance',
      deadline: 'none',
      keepWarm: '0s',
      rollback: { ramp: '0s' },
    };
    expect(parsePlan(defaults, base)).toEqual({ ...canary, onDeadline: 'rollback' });
  });

  it('puts a gate before the switch of a blue-green rollout', () => {
    const gated = parsePlan({ gate: 'manual' }, blueGreen);
    expect(gated.stages).toEqual([{ ...blueGreen.stages[0], gate: 'manual' }]);
    expect(parsePlan({ watch: '1m' }, gated).stages).toEqual([{ weight: 100, holdMs: 60_000, gate: 'manual' }]);
  });

  it('turns guards off, and on again with the default values', () => {
    const off = parsePlan({ guards: 'none' }, canary);
    expect(off.guards).toEqual([]);
    expect(parsePlan({ guards: { errorRate: {} } }, off).guards).toEqual([ERROR_RATE]);
    expect(parsePlan({ smoke: [] }, off).guards).toEqual([]);
  });

  it('gives a stage guards of its own: in place of the plan\u2019s by name, beside them, or none', () => {
    const stages = [
      { weight: 10, guards: { errorRate: { max: '5%' }, slow: { kind: 'latency', max: '500ms' } } },
      { weight: 20, guards: 'none' },
      { weight: 30 },
    ];
    const plan = parsePlan({ stages }, canary);
    expect(plan.guards).toEqual([CANARY_RATE]);
    expect([0, 1, 2].map((stage) => guardsOf(plan, stage))).toEqual([
      [
        { ...CANARY_RATE, max: 0.05 },
        { ...LATENCY, name: 'slow' },
      ],
      [],
      [CANARY_RATE],
    ]);
  });

  it('switches at once when the strategy becomes blue-green, and has the usual stages the other way', () => {
    expect(parsePlan({ strategy: 'blue-green' }, canary).stages).toEqual([{ weight: 100, holdMs: 0 }]);
    expect(parsePlan({ strategy: 'blue-green', watch: '1m' }, canary).stages).toEqual([
      { weight: 100, holdMs: 60_000 },
    ]);
    expect(parsePlan({ watch: '1m' }, blueGreen).stages).toEqual([{ weight: 100, holdMs: 60_000 }]);
    expect(parsePlan({ strategy: 'canary' }, blueGreen).stages.map((stage) => stage.weight)).toEqual([5, 25, 50, 100]);
  });

  it.each<[unknown, unknown]>([
    ['fast', [{ path: '', message: 'is text; give a map of keys' }]],
    [[], [{ path: '', message: 'is a list; give a map of keys' }]],
    [{ stagse: [] }, [{ path: 'stagse', message: 'is not a known key; did you mean stages?' }]],
    [
      { watch: '1m' },
      [
        {
          path: 'watch',
          message: 'belongs to `strategy: blue-green` or `shadow`; with canary give `hold` in each stage',
        },
      ],
    ],
    [
      { stages: [{ weight: 5, hold: 30 }, { weight: '50' }] },
      [
        { path: 'stages[0].hold', message: '30 has no unit; write 30s, or ms, m, h, d' },
        { path: 'stages[1].weight', message: '"50" is text; write it without quotes' },
      ],
    ],
    [
      { stages: [{ weight: 50 }, { weight: 5 }] },
      [{ path: 'stages[1].weight', message: '5 is not above the stage before; give more than 50' }],
    ],
    [
      { gate: 'manual' },
      [{ path: 'gate', message: 'belongs to `strategy: blue-green`; with canary give `gate` in a stage' }],
    ],
    [{ onDeadline: 'promote' }, [{ path: 'onDeadline', message: 'needs a `deadline`, such as `deadline: 4h`' }]],
    [{ deadline: ['4h'] }, [{ path: 'deadline', message: 'give none, or a duration such as 4h' }]],
    [{ deadline: '0s' }, [{ path: 'deadline', message: '0s is too short; at least 1ms' }]],
    [
      { guards: { latency: {} } },
      [{ path: 'guards.latency', message: 'needs `max`, such as `max: 500ms`, or `versus: stable`' }],
    ],
    [
      { guards: { latency: { max: '0s', quantile: '100%' } } },
      [
        { path: 'guards.latency.quantile', message: '100% is out of range; above 0% and below 100%' },
        { path: 'guards.latency.max', message: '0s is too short; at least 1ms' },
      ],
    ],
  ])('refuses %j', (input, problems) => {
    expect(problemsOf(() => parsePlan(input, canary))).toEqual(problems);
  });

  it('leaves references as they are: a call must not read the environment', () => {
    const plan = parsePlan({ smoke: [{ path: '/', expect: { body: '${HOME}' } }] }, canary);
    expect(plan.smoke[0]?.expect.bodyIncludes).toBe('${HOME}');
  });

  it('says all of it in the message', () => {
    expect(() => parsePlan({ stages: [], smoke: 1 }, canary)).toThrow(
      'the plan is not valid: smoke: is a number; give a list; stages: is empty; give at least one',
    );
  });
});

describe('the targets that a call asks for', () => {
  it('are given one spelling', () => {
    expect(parseTargets(['http://App', 'http://127.1:81/', 'http://[::1]:82'], null)).toEqual([
      'http://app:80',
      'http://127.0.0.1:81',
      'http://[::1]:82',
    ]);
    expect(parseTargets([], null)).toEqual([]);
  });

  it.each<[unknown, unknown]>([
    ['http://a', [{ path: '', message: 'is text; give a list' }]],
    [[1], [{ path: '[0]', message: '"1" is not a URL; write http://host:port' }]],
    [['http://a', 'http://A:80'], [{ path: '[1]', message: 'http://a:80 is there twice; remove one' }]],
    [
      ['file:///etc/passwd'],
      [
        {
          path: '[0]',
          message:
            'file: is not a scheme for targets; write http://host:port or https://host:port, or h2c: or h2: for HTTP/2',
        },
      ],
    ],
    [
      ['gopher://a'],
      [
        {
          path: '[0]',
          message:
            'gopher: is not a scheme for targets; write http://host:port or https://host:port, or h2c: or h2: for HTTP/2',
        },
      ],
    ],
    [['http://me:secret@a'], [{ path: '[0]', message: 'has credentials; write http://host:port without them' }]],
    [
      ['http://a\r\nhost: b'],
      [{ path: '[0]', message: 'has a blank, a backslash or a control character; write http://host:port' }],
    ],
  ])('are refused: %j', (input, problems) => {
    expect(problemsOf(() => parseTargets(input, null))).toEqual(problems);
  });

  it.each([
    ['http://169.254.169.254'],
    ['http://2852039166'],
    ['http://0xa9fea9fe'],
    ['http://0251.0376.0251.0376'],
    ['http://[::ffff:169.254.169.254]'],
    ['http://[fe80::1]'],
    ['http://[febf::1]'],
    ['http://[fd00:ec2::254]'],
  ])('are never a metadata address: %s', (url) => {
    expect(problemsOf(() => parseTargets([url], null))).toEqual([
      { path: '[0]', message: expect.stringContaining('link-local (metadata) address') },
    ]);
  });

  it.each([
    ['127.0.0.1', 'http://127.0.0.1:9901', true],
    ['127.0.0.1', 'http://127.1:9901', true],
    ['127.0.0.1', 'http://2130706433:9901', true],
    ['127.0.0.1', 'http://LOCALHOST:9901', true],
    ['127.0.0.1', 'http://0.0.0.0:9901', true],
    ['127.0.0.1', 'http://[::ffff:127.0.0.1]:9901', true],
    ['127.0.0.1', 'http://127.0.0.2:9901', false],
    ['127.0.0.1', 'http://127.0.0.1:9902', false],
    ['::1', 'http://[0:0:0:0:0:0:0:1]:9901', true],
    ['::1', 'http://localhost:9901', true],
    ['0.0.0.0', 'http://127.0.0.3:9901', true],
    ['::', 'http://[::1]:9901', true],
    ['gate.internal', 'http://Gate.internal:9901', true],
    ['10.0.0.1', 'http://10.0.0.2:9901', false],
  ])('with the admin endpoint at %s: %s is refused: %s', (adminHost, url, isRefused) => {
    const parse = () => parseTargets([url], { adminHost, adminPort: 9901 });
    if (!isRefused) expect(parse()).toHaveLength(1);
    else expect(problemsOf(parse)).toEqual([{ path: '[0]', message: expect.stringContaining('is the admin address') }]);
  });

  it('are taken apart again', () => {
    expect(parseTargetUrl('http://app:80')).toEqual({ host: 'app', port: 80, secure: false, http2: false });
    expect(parseTargetUrl('http://[::1]:3001')).toEqual({ host: '::1', port: 3001, secure: false, http2: false });
    expect(parseTargetUrl('https://app')).toEqual({ host: 'app', port: 443, secure: true, http2: false });
  });
});
