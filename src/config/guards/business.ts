import { z } from 'zod';
import { mistake, quote, value } from '../parsed.ts';
import { formatPercent } from '../units.ts';
import { object, percent, text } from '../values.ts';
import type { BusinessGuard } from './guard.ts';
import { confidence, dryRun, type GuardSettingsKind, mergeDryRun, share, storedBase } from './kind.ts';
import { mergeSelection, selectionKeys, selectionText, storedSelection } from './selection.ts';

const EVENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const eventName = text(
  (raw) =>
    EVENT.test(raw) ? value(raw) : mistake(`${quote(raw)} is not the name of an event; write one such as order`),
  { example: 'order' },
);

export const businessKeys = {
  event: eventName.optional().describe('What the application reports, such as `order`.'),
  minRatio: percent((share) => share > 0 && share <= 1, 'above 0% and up to 100%')
    .optional()
    .describe('So much of stable\u2019s share of requests that report it the candidate must have; default `90%`.'),
  confidence: confidence('it has less'),
  ...selectionKeys,
  dryRun,
} as const;

export const storedBusiness = {
  ...storedBase,
  kind: z.literal('business'),
  event: z.string(),
  minRatio: share,
  confidence: share,
  ...storedSelection,
} as const;

const keys = object(businessKeys);

export const business: GuardSettingsKind<BusinessGuard, z.output<typeof keys>> = {
  check({ event }, base) {
    if (event !== undefined || base !== undefined) return [];
    return [{ path: [], atKey: true, message: 'needs `event`, such as `event: order`' }];
  },
  merge(name, settings, base) {
    const { event = base?.event ?? '', minRatio = base?.minRatio ?? 0.9 } = settings; // an event, or `check` refused it
    const { confidence = base?.confidence ?? 0.99 } = settings;
    const common = { confidence, ...mergeSelection(settings, base), ...mergeDryRun(settings.dryRun, base) };
    return { name, kind: 'business', event, minRatio, ...common };
  },
  text(guard) {
    const bound = `at least ${formatPercent(guard.minRatio)} of stable\u2019s`;
    return `${guard.event} ${bound} at confidence ${formatPercent(guard.confidence)}${selectionText(guard)}`;
  },
};
