import { z } from 'zod';
import { formatDuration, formatPercent } from '../units.ts';
import { duration, object, percent } from '../values.ts';
import type { LatencyGuard } from './guard.ts';
import { confidence, dryRun, type GuardSettingsKind, mergeDryRun, share, storedBase } from './kind.ts';
import { mergeSelection, selectionKeys, selectionText, storedSelection } from './selection.ts';
import { checkVersus, isVersus, storedVersus, versusKeys, versusText } from './versus.ts';

export const latencyKeys = {
  quantile: percent((value) => value > 0 && value < 1, 'above 0% and below 100%')
    .optional()
    .describe('The share of requests that must be fast enough; default `99%`.'),
  max: duration({ minMs: 1 }).optional().describe('The longest that these may take, up to the response head.'),
  ...versusKeys,
  ratio: versusKeys.ratio.describe('With `versus`: so many times stable\u2019s slow requests are allowed; default 2.'),
  margin: versusKeys.margin.describe('With `versus`: and so much more; default `0%`.'),
  confidence: confidence('fewer are'),
  ...selectionKeys,
  dryRun,
} as const;

const kind = z.literal('latency');
export const storedLatencies = [
  { ...storedBase, kind, quantile: share, maxMs: z.number().min(0), confidence: share, ...storedSelection },
  { ...storedBase, kind, quantile: share, ...storedVersus, ...storedSelection },
] as const;

const keys = object(latencyKeys);

export const latency: GuardSettingsKind<LatencyGuard, z.output<typeof keys>> = {
  check(settings, base) {
    const findings = checkVersus(settings, base);
    if (findings.length > 0 || isVersus(settings, base) || settings.max !== undefined || base !== undefined) {
      return findings;
    }
    return [{ path: [], atKey: true, message: 'needs `max`, such as `max: 500ms`, or `versus: stable`' }];
  },
  merge(name, settings, base) {
    const { quantile = base?.quantile ?? 0.99, confidence = base?.confidence ?? 0.99 } = settings;
    const common = { confidence, ...mergeSelection(settings, base), ...mergeDryRun(settings.dryRun, base) };
    if (!isVersus(settings, base)) {
      const maxMs = settings.max ?? (base?.versus === undefined ? base?.maxMs : undefined) ?? 0; // or `check` refused it
      return { name, kind: 'latency', quantile, maxMs, ...common };
    }
    const under = base?.versus === undefined ? { ratio: 2, margin: 0 } : base;
    const { ratio = under.ratio, margin = under.margin } = settings;
    return { name, kind: 'latency', quantile, versus: 'stable', ratio, margin, ...common };
  },
  text(guard) {
    const { quantile, confidence } = guard;
    const of = selectionText(guard);
    if (guard.versus !== undefined)
      return `slower than stable\u2019s ${formatPercent(quantile)} ${versusText(guard)}${of}`;
    return `${formatPercent(quantile)} within ${formatDuration(guard.maxMs)} at confidence ${formatPercent(confidence)}${of}`;
  },
};
