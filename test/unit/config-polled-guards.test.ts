import { describe, expect, it } from 'vitest';
import { describeChanges } from '../../src/config/diff.ts';
import { parsePlan } from '../../src/config/plan.ts';
import { accepted, refused, SERVICE } from '../support/config-text.ts';

const CONNECTIONS = `prometheus: {main: {url: "http://p:9090"}}
webhooks: {bot: {url: "https://b.example.com", secret: 0123456789abcdef}, chat: {url: "https://c.example.com"}}
`;
const guards = (text: string): string => `${CONNECTIONS}${SERVICE}    rollout: {guards: {${text}}}\n`;
const METRIC = 'prometheus: main, query: up';

describe('metric and webhook guards', () => {
  it('have defaults', () => {
    const text = guards(`metric: {${METRIC}, max: 1}, bot: {kind: webhook, webhook: bot}`);
    expect(accepted(text).services.shop?.rollout.guards.slice(1)).toEqual([
      {
        name: 'metric',
        kind: 'metric',
        prometheus: 'main',
        query: 'up',
        max: 1,
        intervalMs: 30_000,
        timeoutMs: 5000,
        failures: 1,
        onNoData: 'inconclusive',
        onError: 'inconclusive',
      },
      { name: 'bot', kind: 'webhook', webhook: 'bot', intervalMs: 30_000, failures: 1 },
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['a metric of nobody', 'metric: {query: up, max: 1}', /metric: needs `prometheus`/],
    ['a metric without a query', 'metric: {prometheus: main, max: 1}', /metric: needs `query`/],
    ['a metric without a bound', `metric: {${METRIC}}`, /metric: needs `max`.*or another bound/],
    ['a ratio to nothing', `metric: {${METRIC}, ratio: 2}`, /metric: needs `baseline`/],
    ['a baseline without a ratio', `metric: {${METRIC}, max: 1, baseline: stable}`, /metric: needs `ratio`/],
    ['a direction from nothing', `metric: {${METRIC}, max: 1, worse: lower}`, /metric: needs `baseline`.*for `worse`/],
    ['bounds that leave nothing', `metric: {${METRIC}, max: 1, min: 2}`, /min: 2 is above `max`/],
    [
      'an unknown variable',
      'metric: {prometheus: main, query: "x{{app}}", max: 1}',
      /query: nothing stands for {{app}}; known are {{service}}/,
    ],
    [
      'an unknown variable in a baseline',
      `metric: {${METRIC}, ratio: 1, baseline: "{{x}}"}`,
      /baseline: nothing stands for {{x}}/,
    ],
    [
      'a server that is not there',
      'metric: {prometheus: mian, query: up, max: 1}',
      /there is no mian under `prometheus`; did you mean main\?/,
    ],
    ['a webhook of nobody', 'webhook: {interval: 1s}', /webhook: needs `webhook`/],
    ['a webhook that is not there', 'webhook: {webhook: bto}', /there is no bto under `webhooks`; did you mean bot\?/],
    ['a webhook without a secret', 'webhook: {webhook: chat}', /chat has no secret, and questions are asked signed/],
    ['an interval that is too short', 'webhook: {webhook: bot, interval: 10ms}', /at least 100ms/],
  ])('are refused with %s', (_, text, message) => {
    expect(refused(guards(text))).toEqual([expect.stringMatching(message)]);
  });

  it('of a stage are looked up, too', () => {
    const text = `${CONNECTIONS}${SERVICE}    rollout: {stages: [{weight: 100, guards: {webhook: {webhook: none-such}}}]}\n`;
    expect(refused(text)).toEqual([
      expect.stringMatching(/stages\[0\]\.guards\.webhook\.webhook: there is no none-such/),
    ]);
  });

  it('may be overridden value by value when a rollout is started, by somebody who is there', () => {
    const config = accepted(
      guards(`metric: {${METRIC}, baseline: stable, ratio: 2}, bot: {kind: webhook, webhook: bot}`),
    );
    const base = config.services.shop?.rollout;
    if (base === undefined) throw new Error('no plan');
    const plan = parsePlan(
      { guards: { metric: { ratio: 3, failures: 4 }, bot: { kind: 'webhook', interval: '5s' } } },
      base,
      config,
    );
    expect(plan.guards.slice(1)).toMatchObject([
      { name: 'metric', query: 'up', baseline: 'stable', ratio: 3, failures: 4 },
      { name: 'bot', webhook: 'bot', intervalMs: 5000 },
    ]);
    const other = { guards: { bot: { kind: 'webhook', webhook: 'nobody' } } };
    expect(() => parsePlan(other, base, config)).toThrow(/guards.bot.webhook: there is no nobody under `webhooks`/);
  });

  it('may hold lower values for worse, and a stage may say otherwise', () => {
    const metric = `metric: {${METRIC}, baseline: stable, ratio: 0.9, margin: 1, worse: lower}`;
    const stages = 'stages: [{weight: 50, guards: {metric: {worse: higher}}}, {weight: 100}]';
    const { rollout } =
      accepted(`${CONNECTIONS}${SERVICE}    rollout: {${stages}, guards: {${metric}}}\n`).services.shop ?? {};
    expect(rollout?.guards.at(-1)).toMatchObject({ name: 'metric', worse: 'lower' });
    expect(rollout?.stages[0]?.guards?.[0]).toMatchObject({ name: 'metric', ratio: 0.9 });
    expect(rollout?.stages[0]?.guards?.[0]).not.toHaveProperty('worse');
    const before = accepted(guards(`metric: {${METRIC}, max: 1}`));
    expect(describeChanges(before, accepted(guards(metric)))).toEqual([
      expect.stringMatching(/→ .*: at least 0.9 times the baseline less 1$/),
    ]);
  });

  it('are told of on reload in words', () => {
    const before = accepted(guards(`metric: {${METRIC}, max: 1}`));
    const after = accepted(guards(`metric: {${METRIC}, min: 0, ratio: 2, margin: 1, baseline: stable, failures: 3}`));
    const rate = 'error rate up to 1% at confidence 99%';
    const metric = 'up of main every 30s';
    expect(describeChanges(before, after)).toEqual([
      `service shop: rollout: guards ${rate}, ${metric}: at most 1 → ${rate}, ${metric}: at least 0, at most 2 times the baseline plus 1, 3 in a row`,
    ]);
  });
});

describe('gates', () => {
  const stage = (gate: string): string =>
    `${CONNECTIONS}${SERVICE}    rollout: {stages: [{weight: 100, gate: ${gate}}]}\n`;
  const gateOf = (gate: string) => accepted(stage(gate)).services.shop?.rollout.stages[0]?.gate;

  it('have defaults, and days and times as numbers', () => {
    expect(gateOf('manual')).toBe('manual');
    expect(gateOf('{http: {webhook: bot}}')).toEqual({
      kind: 'http',
      webhook: 'bot',
      intervalMs: 30_000,
      onNo: 'pause',
    });
    expect(gateOf('{schedule: {}}')).toEqual({
      kind: 'schedule',
      days: [1, 2, 3, 4, 5, 6, 7],
      fromMinute: 0,
      toMinute: 1440,
      timeZone: 'UTC',
    });
    expect(gateOf('{schedule: {days: [fri, mon], from: 22:30, to: 00:00, timeZone: europe/berlin}}')).toMatchObject({
      days: [1, 5],
      fromMinute: 1350,
      toMinute: 1440,
      timeZone: 'Europe/Berlin',
    });
  });

  it('of a blue-green plan are before its switch', () => {
    const text = `${CONNECTIONS}${SERVICE}    rollout: {strategy: blue-green, gate: {http: {webhook: bot, onNo: rollback}}}\n`;
    expect(accepted(text).services.shop?.rollout.stages).toMatchObject([
      { weight: 100, gate: { kind: 'http', webhook: 'bot', onNo: 'rollback' } },
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['another word', 'auto', /give manual, or a map of `http` or `schedule`/],
    ['nothing to ask', '{http: {}}', /webhook/],
    ['nothing at all', '{}', /needs one of `http` and `schedule`/],
    ['both', '{http: {webhook: bot}, schedule: {}}', /needs one of `http` and `schedule`, and not both/],
    ['somebody who is not there', '{http: {webhook: bto}}', /there is no bto under `webhooks`; did you mean bot\?/],
    ['somebody without a secret', '{http: {webhook: chat}}', /chat has no secret/],
    ['another day', '{schedule: {days: [monday]}}', /days/],
    ['no days', '{schedule: {days: []}}', /days/],
    ['no time of day', '{schedule: {from: "9am"}}', /"9am" is not a time of day; write one such as "09:00"/],
    ['a time after midnight', '{schedule: {to: "24:01"}}', /is not a time of day/],
    ['a place without a clock', '{schedule: {timeZone: Europe/Berlln}}', /is not a time zone; write its IANA name/],
  ])('are refused with %s', (_, gate, message) => {
    expect(refused(stage(gate))).toEqual([expect.stringMatching(message)]);
  });

  it('are told of on reload in words', () => {
    const office = '{schedule: {days: [mon, tue], from: "09:00", to: "17:00", timeZone: Europe/Berlin}}';
    expect(describeChanges(accepted(stage(office)), accepted(stage('{http: {webhook: bot, onNo: rollback}}')))).toEqual(
      [
        'service shop: rollout: stages gate Mon, Tue 09:00-17:00 Europe/Berlin, 100 → gate of bot every 30s, or rollback, 100',
      ],
    );
  });
});
