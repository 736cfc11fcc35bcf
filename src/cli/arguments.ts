import { parseDuration } from '../config/units.ts';
import { CliError, EXIT } from './exit.ts';

/** Milliseconds of an option such as `--timeout 10m`; null when it was not given. Throws CliError `usage`. */
export function durationOption(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new CliError(EXIT.usage, `${name}: ${parsed.mistake}`);
  return parsed.value;
}

/** `blue=95 green=5` as a map. Throws CliError `usage`. */
export function weightArguments(pairs: readonly string[]): Record<string, number> {
  const weights: Record<string, number> = {};
  for (const pair of pairs) {
    const match = /^([^=]+)=(\d{1,9})$/.exec(pair);
    if (match === null) {
      throw new CliError(EXIT.usage, `${pair}: not a weight`, { hint: 'tealgate weights SERVICE blue=95 green=5' });
    }
    const [, upstream = '', weight = ''] = match;
    if (Object.hasOwn(weights, upstream)) throw new CliError(EXIT.usage, `${upstream} is given twice`);
    weights[upstream] = Number(weight);
  }
  return weights;
}

/** `5:30m` as a stage of weight 5 held for 30 minutes; `100` is held no longer than it takes. Throws CliError `usage`. */
export function stageArgument(text: string): { weight: number; hold?: string } {
  const [, weight, hold] = /^(\d{1,3})(?::(.+))?$/.exec(text) ?? [];
  if (weight === undefined || Number(weight) > 100) {
    throw new CliError(EXIT.usage, `--stage ${text}: not a stage`, { hint: 'give WEIGHT:HOLD, such as --stage 5:30m' });
  }
  if (hold === undefined) return { weight: Number(weight) };
  durationOption(`--stage ${text}`, hold);
  return { weight: Number(weight), hold };
}

/** `--if-version 12`. Throws CliError `usage`. */
export function versionOption(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,15}$/.test(text)) {
    throw new CliError(EXIT.usage, `--if-version ${text}: not a version`, {
      hint: 'tealgate status SERVICE shows the version',
    });
  }
  return Number(text);
}
