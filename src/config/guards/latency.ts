import { z } from 'zod';
import { formatDuration, formatPercent } from '../units.ts';
import { duration, object, percent } from '../values.ts';
import type { LatencyGuard } from './guard.ts';
import { confidence, dryRun, type GuardSettingsKind, mergeDryRun, share, storedBase } from './kind.ts';

export const latencyKeys = {
  quantile: percent((value) => value > 0 && value < 1, 'above 0% and below 100%')
    .optional()
    .describe('The share of requests that must be fast enough; default `99%`.'),
  max: duration({ minMs: 1 }).optional().describe('The longest that these may take, up to the response head.'),
  confidence: confidence('fewer are'),
  dryRun,
} as const;

export const storedLatency = {
  ...storedBase,
  kind: z.literal('latency'),
  quantile: share,
  maxMs: z.number().min(0),
  confidence: share,
} as const;

const keys = object(latencyKeys);

export const latency: GuardSettingsKind<LatencyGuard, z.output<typeof keys>> = {
  check(settings, base) {
    if (settings.max !== undefined || base !== undefined) return [];
    return [{ path: [], atKey: true, message: 'needs `max`, such as `max: 500ms`' }];
  },
  merge(name, settings, base) {
    const { quantile = base?.quantile ?? 0.99, confidence = base?.confidence ?? 0.99 } = settings;
    const maxMs = settings.max ?? base?.maxMs ?? 0; // one of the two is there, or `check` refused it
    return { name, kind: 'latency', quantile, maxMs, confidence, ...mergeDryRun(settings.dryRun, base) };
  },
  text: ({ quantile, maxMs, confidence }) =>
    `${formatPercent(quantile)} within ${formatDuration(maxMs)} at confidence ${formatPercent(confidence)}`,
};
