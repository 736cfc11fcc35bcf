import { z } from 'zod';
import { QUERY_VARIABLES, unknownVariables } from '../query-template.ts';
import { formatDuration } from '../units.ts';
import { count, duration, name, object } from '../values.ts';
import type { MetricGuard } from './guard.ts';
import { dryRun, type GuardSettingsKind, mergeDryRun, storedBase } from './kind.ts';

const query = () => z.string().trim().min(1).max(10_000);
const bound = () => z.number().meta({ minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE });

export const metricKeys = {
  prometheus: name().optional().describe('Whom to ask: a name under `prometheus`.'),
  query: query()
    .optional()
    .describe(
      'What to ask, in PromQL; must give one number. `{{service}}`, `{{upstream}}`, `{{stable}}` and `{{candidate}}` are filled in; the upstream is the candidate.',
    ),
  baseline: query()
    .optional()
    .describe('What to compare with: another query, or `stable`: the same with stable as the upstream.'),
  max: bound().optional().describe('The largest value that is still allowed.'),
  min: bound().optional().describe('The smallest.'),
  ratio: z.number().min(0).optional().describe('Allowed is this many times the baseline; default `1` beside `margin`.'),
  margin: bound().optional().describe('And this much more than that; default `0` beside `ratio`.'),
  worse: z
    .enum(['higher', 'lower'])
    .optional()
    .describe(
      'Which values are worse than the baseline; default `higher`. With `lower`, `margin` is taken off: at least `ratio` times the baseline less `margin` is required.',
    ),
  interval: duration({ minMs: 100 })
    .optional()
    .describe('From one question to the next; the first comes after it, too. Default `30s`.'),
  timeout: duration({ minMs: 1, maxMs: 60_000 }).optional().describe('For an answer; default `5s`.'),
  failures: count(1, 100).optional().describe('Values in a row that must be out of bounds; default `1`.'),
  onNoData: z
    .enum(['inconclusive', 'pass', 'fail'])
    .optional()
    .describe('What no series, or NaN, says; default `inconclusive`.'),
  onError: z
    .enum(['inconclusive', 'fail'])
    .optional()
    .describe('What it says when Prometheus does not answer with one number; default `inconclusive`.'),
  dryRun,
} as const;

const number = z.number();
export const storedMetric = {
  ...storedBase,
  kind: z.literal('metric'),
  prometheus: z.string(),
  query: z.string(),
  baseline: z.string().exactOptional(),
  max: number.exactOptional(),
  min: number.exactOptional(),
  ratio: number.exactOptional(),
  margin: number.exactOptional(),
  worse: z.literal('lower').exactOptional(),
  intervalMs: number,
  timeoutMs: number,
  failures: z.int().min(1),
  onNoData: z.enum(['inconclusive', 'pass', 'fail']),
  onError: z.enum(['inconclusive', 'fail']),
} as const;

const keys = object(metricKeys);
type Settings = z.output<typeof keys>;

export const metric: GuardSettingsKind<MetricGuard, Settings> = {
  check(settings, base) {
    const missing = (key: string, such: string) => [
      { path: [], atKey: true, message: `needs \`${key}\`, such as ${such}` },
    ];
    const is = { ...base, ...definedOnly(settings) };
    if (is.prometheus === undefined) return missing('prometheus', '`prometheus: main`');
    if (is.query === undefined) return missing('query', '`query: histogram_quantile(…)`');
    const isRelative = is.ratio !== undefined || is.margin !== undefined;
    if (is.max === undefined && is.min === undefined && !isRelative)
      return missing('max', '`max: 0.5`, or another bound');
    if (isRelative && is.baseline === undefined)
      return missing('baseline', '`baseline: stable`, for `ratio` and `margin`');
    if (!isRelative && is.baseline !== undefined)
      return missing('ratio', '`ratio: 1.5`, or `margin`, beside a baseline');
    if (!isRelative && settings.worse !== undefined)
      return missing('baseline', '`baseline: stable` with `ratio` or `margin`, for `worse`; `min` and `max` need none');
    if (is.min !== undefined && is.max !== undefined && is.min > is.max) {
      return [
        { path: ['min'], message: `${is.min} is above \`max\`, so that no value is allowed; give ${is.max} or less` },
      ];
    }
    return (['query', 'baseline'] as const).flatMap((key) =>
      unknownVariables(settings[key] ?? '').map((unknown) => {
        const known = QUERY_VARIABLES.map((variable) => `{{${variable}}}`).join(', ');
        return { path: [key], message: `nothing stands for {{${unknown}}}; known are ${known}` };
      }),
    );
  },
  merge(name, settings, base) {
    const {
      prometheus = base?.prometheus ?? '', // one of the two is there, or `check` refused it
      query: asked = base?.query ?? '',
      baseline = base?.baseline,
      max = base?.max,
      min = base?.min,
      ratio = base?.ratio,
      margin = base?.margin,
      worse = base?.worse,
      interval = base?.intervalMs ?? 30_000,
      timeout = base?.timeoutMs ?? 5000,
      failures = base?.failures ?? 1,
      onNoData = base?.onNoData ?? 'inconclusive',
      onError = base?.onError ?? 'inconclusive',
    } = settings;
    return {
      name,
      kind: 'metric',
      prometheus,
      query: asked,
      ...definedOnly({ baseline, max, min, ratio, margin }),
      ...(worse === 'lower' ? { worse } : {}),
      intervalMs: interval,
      timeoutMs: timeout,
      failures,
      onNoData,
      onError,
      ...mergeDryRun(settings.dryRun, base),
    };
  },
  text: ({ query: asked, prometheus, intervalMs, failures, ...guard }) => {
    const row = failures === 1 ? '' : `, ${failures} in a row`;
    return `${asked} of ${prometheus} every ${formatDuration(intervalMs)}: ${boundsText(guard)}${row}`;
  },
};

/** `at most 0.5, at most 1.5 times the baseline`. */
function boundsText({
  max,
  min,
  ratio,
  margin,
  worse,
}: Pick<MetricGuard, 'max' | 'min' | 'ratio' | 'margin' | 'worse'>): string {
  const relative = [
    ...(ratio === undefined ? [] : [`${ratio} times the baseline`]),
    ...(margin === undefined
      ? []
      : [`${ratio === undefined ? 'the baseline ' : ''}${worse === 'lower' ? 'less' : 'plus'} ${margin}`]),
  ].join(' ');
  return [
    ...(min === undefined ? [] : [`at least ${min}`]),
    ...(max === undefined ? [] : [`at most ${max}`]),
    ...(relative === '' ? [] : [`${worse === 'lower' ? 'at least' : 'at most'} ${relative}`]),
  ].join(', ');
}

/** Without the keys that say nothing. */
function definedOnly<T extends object>(value: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  // Object.fromEntries forgets which keys there were.
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
