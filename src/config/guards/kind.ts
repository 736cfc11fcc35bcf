import { z } from 'zod';
import type { Finding } from '../problem.ts';
import { percent } from '../values.ts';
import type { Guard } from './guard.ts';

/**
 * All that configuration knows of a kind of guard. `Settings` is what the file says of one guard, any key left out;
 * what is left out comes from the guard of the same name and kind in the plan beneath, then from defaults.
 */
export interface GuardSettingsKind<G extends Guard, Settings> {
  /** What is wrong between the keys, paths from the guard's own map. */
  check(settings: Settings, base: G | undefined): readonly Finding[];
  /** Called for settings without findings. */
  merge(name: string, settings: Settings, base: G | undefined): G;
  /** For the list of changes: `error rate up to 1% at confidence 99%`. */
  text(guard: G): string;
}

/** Keys of guards of several kinds. */
export const dryRun = z.boolean().optional().describe('`true` tells the verdict and moves nothing; default `false`.');

export const confidence = (of: string) =>
  percent((share) => share >= 0.5 && share < 1, 'from 50% to below 100%')
    .optional()
    .describe(`Evidence needed that ${of}; default \`99%\`.`);

export function mergeDryRun(given: boolean | undefined, base: Guard | undefined): { dryRun?: true } {
  return (given ?? base?.dryRun ?? false) ? { dryRun: true } : {};
}

/** What every stored guard has beside its `kind`. */
export const storedBase = { name: z.string(), dryRun: z.literal(true).exactOptional() } as const;
/** 0 to 1. */
export const share = z.number().min(0).max(1);
