import { z } from 'zod';
import { formatPercent } from '../units.ts';
import { object, percent } from '../values.ts';
import type { ErrorRateGuard } from './guard.ts';
import { confidence, dryRun, type GuardSettingsKind, mergeDryRun, share, storedBase } from './kind.ts';

export const errorRateKeys = {
  max: percent((value) => value > 0 && value < 1, 'above 0% and below 100%')
    .optional()
    .describe('The error rate that is still allowed; default `1%`.'),
  confidence: confidence('it is higher'),
  dryRun,
} as const;

export const storedErrorRate = {
  ...storedBase,
  kind: z.literal('errorRate'),
  max: share,
  confidence: share,
} as const;

const keys = object(errorRateKeys);

export const errorRate: GuardSettingsKind<ErrorRateGuard, z.output<typeof keys>> = {
  check: () => [],
  merge(name, settings, base) {
    const { max = base?.max ?? 0.01, confidence = base?.confidence ?? 0.99 } = settings;
    return { name, kind: 'errorRate', max, confidence, ...mergeDryRun(settings.dryRun, base) };
  },
  text: ({ max, confidence }) => `error rate up to ${formatPercent(max)} at confidence ${formatPercent(confidence)}`,
};
