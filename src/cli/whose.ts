import { CliError, EXIT } from './exit.ts';

/** What a command about rollouts is about: a service, or a group of them by `--group`. */
export type Whose =
  | { readonly kind: 'service'; readonly name: string }
  | { readonly kind: 'group'; readonly name: string };

/** Throws CliError `usage` unless there is exactly one. */
export function whose(service: string | undefined, { group }: { readonly group?: string }): Whose {
  if (service !== undefined && group === undefined) return { kind: 'service', name: service };
  if (service === undefined && group !== undefined) return { kind: 'group', name: group };
  const message = service === undefined ? 'which service?' : `either ${service} or --group ${group}, not both`;
  throw new CliError(EXIT.usage, message, { hint: 'name a service, or several that are released as one by --group' });
}
