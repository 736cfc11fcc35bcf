import type { Command } from 'commander';
import type { Context, GlobalOptions } from '../context.ts';
import type { ExitCode } from '../exit.ts';
import type { Session } from '../session.ts';

/** Of commands that take the name of a service, or a group in its place. */
export interface InGroup {
  readonly group?: string;
}

type Verb = (ctx: Context) => Promise<ExitCode>;

/** Runs a verb; `service`: what it was given, undefined where it was left out, null for commands that take none. */
export function start(
  session: Session,
  command: Command,
  service: string | undefined | null,
  verb: Verb,
): Promise<void> {
  const parent = command.parent?.parent ? `${command.parent.name()} ` : '';
  const options = command.optsWithGlobals<GlobalOptions & InGroup>();
  const { group = null } = options;
  return session.run({ verb: parent + command.name(), service: service ?? null, group }, options, verb);
}

/** For options that may be repeated. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** For the help of a command. */
export function examples(...lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  tealgate ${line}\n`).join('')}`;
}
