import type { z } from 'zod';
import type { Finding } from '../problem.ts';
import { suggest } from '../suggest.ts';
import { business } from './business.ts';
import { collateral } from './collateral.ts';
import { compare } from './compare.ts';
import { errorRate } from './error-rate.ts';
import { GUARD_KINDS, type Guard, type GuardKind, type GuardOf, type NoGuard } from './guard.ts';
import type { GuardSettingsKind } from './kind.ts';
import { latency } from './latency.ts';
import { metric } from './metric.ts';
import type { guardsSchema } from './schema.ts';
import { webhook } from './webhook.ts';

export type GuardsSettings = z.output<typeof guardsSchema>;
type GuardMap = Exclude<GuardsSettings, 'none'>;
type Entry = NonNullable<GuardMap[string] | GuardMap[GuardKind]>;
type GuardSettings = Exclude<Entry, 'none'>;

const KINDS = { errorRate, latency, collateral, business, compare, metric, webhook } as const;
/** As names of services are: it becomes a metric label. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What is wrong with guards beyond single values, paths from their map. */
export function checkGuards(settings: GuardsSettings | undefined, base: readonly Guard[]): Finding[] {
  if (settings === undefined || settings === 'none') return [];
  return Object.entries(settings).flatMap(([name, guard]) => {
    if (guard === undefined) return [];
    return [...checkName(name, guard, base), ...checkGuard(name, guard, base)].map((finding) => ({
      ...finding,
      path: [name, ...finding.path],
    }));
  });
}

/** The guards over those beneath: name by name, and value by value where the kind is the same. */
export function mergeGuards(settings: GuardsSettings | undefined, base: readonly Guard[]): readonly Guard[] {
  if (settings === undefined) return base;
  if (settings === 'none') return [];
  const merged = base.flatMap((guard) => mergeGuard(guard.name, entryOf(settings, guard.name), base) ?? []);
  const added = Object.entries(settings)
    .filter(([name]) => !base.some((guard) => guard.name === name))
    .flatMap(([name, guard]) => mergeGuard(name, guard, base) ?? []);
  return [...merged, ...added];
}

/** What a stage says of guards; `base`: those of the plan. */
export function stageGuards(settings: GuardsSettings, base: readonly Guard[]): readonly (Guard | NoGuard)[] {
  if (settings === 'none') return base.map(({ name }) => ({ name, kind: 'none' }));
  return Object.entries(settings).flatMap(([name, guard]): (Guard | NoGuard)[] => {
    if (guard === undefined) return [];
    return [mergeGuard(name, guard, base) ?? { name, kind: 'none' }];
  });
}

/** `error rate up to 1% at confidence 99% (dry run)`; with its name where that is not its kind. */
export function guardText(guard: Guard): string {
  const name = guard.name === guard.kind ? '' : `${guard.name}: `;
  return `${name}${kindOf(guard.kind).text(guard)}${guard.dryRun === true ? ' (dry run)' : ''}`;
}

/** Not what an object inherits, for a guard called `constructor`. */
function entryOf(settings: GuardMap, name: string): Entry | undefined {
  return Object.hasOwn(settings, name) ? settings[name] : undefined;
}

/** Null: it is off. */
function mergeGuard(name: string, guard: Entry | undefined, base: readonly Guard[]): Guard | null {
  const before = base.find((other) => other.name === name);
  if (guard === undefined) return before ?? null;
  if (guard === 'none') return null;
  const kind = kindIn(name, guard);
  return kindOf(kind).merge(name, guard, before?.kind === kind ? before : undefined);
}

function checkGuard(name: string, guard: Entry, base: readonly Guard[]): readonly Finding[] {
  if (guard === 'none') return [];
  const kind = kindIn(name, guard);
  const before = base.find((other) => other.name === name);
  return kindOf(kind).check(guard, before?.kind === kind ? before : undefined);
}

function checkName(name: string, guard: Entry, base: readonly Guard[]): readonly Finding[] {
  if (!NAME.test(name)) {
    const message =
      'is not a name; use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit';
    return [{ path: [], atKey: true, message }];
  }
  const known = [...GUARD_KINDS, ...base.map((other) => other.name)];
  if (guard !== 'none' || known.includes(name)) return [];
  const meant = suggest(name, known);
  const mend = meant === null ? 'remove it' : `did you mean ${meant}?`;
  return [{ path: [], atKey: true, message: `there is no guard of this name to turn off; ${mend}` }];
}

function kindIn(name: string, guard: GuardSettings): GuardKind {
  return guard.kind ?? (name as GuardKind); // a name of its own has a kind, or the schema refused it
}

/** Each entry takes the guards and the settings of its own kind: the caller looks it up by their kind. */
function kindOf(kind: GuardKind): GuardSettingsKind<Guard, GuardSettings> {
  return KINDS[kind] as GuardSettingsKind<GuardOf<typeof kind>, never> as GuardSettingsKind<Guard, GuardSettings>;
}
