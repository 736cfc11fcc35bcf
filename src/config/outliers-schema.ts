import { z } from 'zod';
import type { OutliersConfig } from './config.ts';
import type { Finding } from './problem.ts';
import { formatDuration } from './units.ts';
import { count, duration, object, percent } from './values.ts';

/** A share of 0 is never meant: it would eject every target. */
const share = () => percent((value) => value > 0, 'give more than 0%');

const settingsSchema = object({
  consecutive: count(1, 1000)
    .prefault(5)
    .describe('Failures in a row that eject a target: 5xx, no connection, reset, timeout, cut response.'),
  share: z
    .union([z.literal('none'), share()], { error: 'give none, or a percentage such as 85%' })
    .prefault('85%')
    .describe('Share of failures within `window` that ejects a target.'),
  minRequests: count(1, 1_000_000).prefault(50).describe('Requests within `window` below which `share` says nothing.'),
  window: duration({ minMs: 1000 })
    .prefault('10s')
    .describe('What `share` looks back on, and how long a target must do well to be forgiven one ejection.'),
  ejection: duration({ minMs: 100 })
    .prefault('30s')
    .describe('How long a target is out the first time; the nth time in short order n times as long.'),
  maxEjection: duration({ minMs: 100 }).prefault('300s').describe('The longest a target is out.'),
  maxEjected: percent(() => true, '')
    .prefault('50%')
    .describe("Most of an upstream's targets out at once; one may be in any case."),
  panic: percent(() => true, '')
    .prefault('50%')
    .describe("While fewer of an upstream's targets than this are sound, ejections are ignored; `0%`: never."),
  dryRun: z.boolean().prefault(false).describe('Only tells which targets would be ejected.'),
});

export const outliersSchema = z
  .union([z.literal('none'), settingsSchema], { error: 'give none, or a map' })
  .prefault({})
  .describe('Targets that fail requests are left out for a while, in upstreams of two or more; `none` turns it off.');

export type OutliersSettings = z.output<typeof outliersSchema>;

export function toOutliers(settings: OutliersSettings): OutliersConfig | null {
  if (settings === 'none') return null;
  const { window, ejection, maxEjection, share: failing, ...rest } = settings;
  return {
    ...rest,
    share: failing === 'none' ? null : failing,
    windowMs: window,
    ejectionMs: ejection,
    maxEjectionMs: maxEjection,
  };
}

/** What is wrong between the keys. Paths begin inside `outliers`. */
export function checkOutliers(settings: OutliersSettings): Finding[] {
  if (settings === 'none' || settings.maxEjection >= settings.ejection) return [];
  const message = `${formatDuration(settings.maxEjection)} is below \`ejection\`; give ${formatDuration(settings.ejection)} or more`;
  return [{ path: ['maxEjection'], message }];
}
