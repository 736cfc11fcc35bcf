import { z } from 'zod';
import { formatPercent } from '../units.ts';
import { object, percent } from '../values.ts';
import type { CollateralGuard } from './guard.ts';
import { confidence, dryRun, type GuardSettingsKind, mergeDryRun, share, storedBase } from './kind.ts';
import { mergeSelection, selectionKeys, selectionText, storedSelection } from './selection.ts';

export const collateralKeys = {
  ratio: z.number().min(1).max(100).optional().describe('So many times stable\u2019s error rate before; default 2.'),
  margin: percent((value) => value < 1, 'below 100%')
    .optional()
    .describe('And so much more; default `0.5%`.'),
  confidence: confidence('stable fails more than that'),
  ...selectionKeys,
  dryRun,
} as const;

export const storedCollateral = {
  ...storedBase,
  kind: z.literal('collateral'),
  ratio: z.number().min(0),
  margin: share,
  confidence: share,
  ...storedSelection,
} as const;

const keys = object(collateralKeys);

export const collateral: GuardSettingsKind<CollateralGuard, z.output<typeof keys>> = {
  check: () => [],
  merge(name, settings, base) {
    const { ratio = base?.ratio ?? 2, margin = base?.margin ?? 0.005 } = settings;
    const { confidence = base?.confidence ?? 0.99 } = settings;
    const common = { confidence, ...mergeSelection(settings, base), ...mergeDryRun(settings.dryRun, base) };
    return { name, kind: 'collateral', ratio, margin, ...common };
  },
  text(guard) {
    const { ratio, margin, confidence } = guard;
    const bound = `${ratio} times what it was + ${formatPercent(margin)}`;
    return `stable\u2019s error rate up to ${bound} at confidence ${formatPercent(confidence)}${selectionText(guard)}`;
  },
};
