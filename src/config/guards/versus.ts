import { z } from 'zod';
import type { Finding } from '../problem.ts';
import { formatPercent } from '../units.ts';
import { percent } from '../values.ts';
import type { VersusStable } from './guard.ts';

/** Keys of guards that may be held against stable. */
export const versusKeys = {
  versus: z
    .literal('stable')
    .optional()
    .describe(
      '`stable` compares with stable in the same time, so that what troubles both alike speaks against nobody.',
    ),
  ratio: z.number().min(1).max(100).optional().describe('With `versus`: so many times stable\u2019s share is allowed.'),
  margin: percent((share) => share < 1, 'below 100%')
    .optional()
    .describe('With `versus`: and so much more.'),
} as const;

interface VersusSettings {
  readonly versus?: 'stable' | undefined;
  readonly ratio?: number | undefined;
  readonly margin?: number | undefined;
}

/** Whether the guard that settings and base make together is held against stable. */
export function isVersus(settings: VersusSettings & { readonly max?: unknown }, base: object | undefined): boolean {
  if (settings.versus !== undefined) return true;
  return settings.max === undefined && base !== undefined && 'versus' in base;
}

/** `max` is a bound of its own, the other keys need `versus`. */
export function checkVersus(
  settings: VersusSettings & { readonly max?: unknown },
  base: object | undefined,
): readonly Finding[] {
  if (settings.versus !== undefined && settings.max !== undefined) {
    const message = 'stands beside `versus`, and a guard has one bound; make two guards of it';
    return [{ path: ['max'], atKey: true, message }];
  }
  if (isVersus(settings, base)) return [];
  return (['ratio', 'margin'] as const).flatMap((key) =>
    settings[key] === undefined ? [] : [{ path: [key], atKey: true, message: 'needs `versus: stable`' }],
  );
}

export function versusText({ ratio, margin, confidence }: VersusStable): string {
  const more = margin === 0 ? '' : ` + ${formatPercent(margin)}`;
  return `up to ${ratio} times stable\u2019s${more} at confidence ${formatPercent(confidence)}`;
}

const share = z.number().min(0).max(1);

export const storedVersus = {
  versus: z.literal('stable'),
  ratio: z.number().min(0),
  margin: share,
  confidence: share,
} as const;
