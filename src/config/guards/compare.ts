import { z } from 'zod';
import { object } from '../values.ts';
import type { CompareGuard } from './guard.ts';
import { confidence, dryRun, type GuardSettingsKind, mergeDryRun, storedBase } from './kind.ts';
import { storedVersus, versusKeys, versusText } from './versus.ts';

export const compareKeys = {
  ratio: versusKeys.ratio.describe(
    'So many times the share in which stable differs from itself is allowed; default 1.',
  ),
  margin: versusKeys.margin.describe('And so much more; default `1%`.'),
  confidence: confidence('more differ'),
  dryRun,
} as const;

export const storedCompare = { ...storedBase, kind: z.literal('compare'), ...storedVersus } as const;

const keys = object(compareKeys);

export const compare: GuardSettingsKind<CompareGuard, z.output<typeof keys>> = {
  check: () => [],
  merge(name, settings, base) {
    const under = base ?? { ratio: 1, margin: 0.01, confidence: 0.99 };
    const { ratio = under.ratio, margin = under.margin, confidence = under.confidence } = settings;
    return {
      name,
      kind: 'compare',
      versus: 'stable',
      ratio,
      margin,
      confidence,
      ...mergeDryRun(settings.dryRun, base),
    };
  },
  text: (guard) => `responses that differ ${versusText(guard)}`,
};
