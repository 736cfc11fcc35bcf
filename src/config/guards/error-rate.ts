import { z } from 'zod';
import { formatPercent } from '../units.ts';
import { object, percent } from '../values.ts';
import type { AbsoluteErrorRateGuard, ErrorRateGuard } from './guard.ts';
import { confidence, dryRun, type GuardSettingsKind, mergeDryRun, share, storedBase } from './kind.ts';
import { mergeSelection, selectionKeys, selectionText, storedSelection } from './selection.ts';
import { checkVersus, isVersus, storedVersus, versusKeys, versusText } from './versus.ts';

export const errorRateKeys = {
  max: percent((value) => value > 0 && value < 1, 'above 0% and below 100%')
    .optional()
    .describe('The error rate that is still allowed; default `1%`.'),
  ...versusKeys,
  ratio: versusKeys.ratio.describe('With `versus`: so many times stable\u2019s error rate is allowed; default 1.5.'),
  margin: versusKeys.margin.describe('With `versus`: and so much more; default `0.1%`.'),
  confidence: confidence('it is higher'),
  ...selectionKeys,
  dryRun,
} as const;

const kind = z.literal('errorRate');
export const storedErrorRates = [
  { ...storedBase, kind, max: share, confidence: share, ...storedSelection },
  { ...storedBase, kind, ...storedVersus, ...storedSelection },
] as const;

const keys = object(errorRateKeys);

export const errorRate: GuardSettingsKind<ErrorRateGuard, z.output<typeof keys>> = {
  check: checkVersus,
  merge(name, settings, base) {
    const { confidence = base?.confidence ?? 0.99 } = settings;
    const common = { confidence, ...mergeSelection(settings, base), ...mergeDryRun(settings.dryRun, base) };
    if (!isVersus(settings, base)) {
      const { max = base?.versus === undefined ? (base?.max ?? 0.01) : 0.01 } = settings;
      return { name, kind: 'errorRate', max, ...common };
    }
    const under = base?.versus === undefined ? { ratio: 1.5, margin: 0.001 } : base;
    const { ratio = under.ratio, margin = under.margin } = settings;
    return { name, kind: 'errorRate', versus: 'stable', ratio, margin, ...common };
  },
  text(guard) {
    const bound = guard.versus === undefined ? boundText(guard) : versusText(guard);
    return `error rate ${bound}${selectionText(guard)}`;
  },
};

function boundText({ max, confidence }: AbsoluteErrorRateGuard): string {
  return `up to ${formatPercent(max)} at confidence ${formatPercent(confidence)}`;
}
