import { suggest } from '../config/suggest.ts';
import type { AdminClient } from './client.ts';
import { CliError } from './exit.ts';

/** What the failed command was about. */
export interface Attempt {
  /** As typed, e.g. `rollout start`. */
  readonly verb: string;
  /** null for commands that name none. */
  readonly service: string | null;
  /** In place of a service. */
  readonly group: string | null;
}

/** The same error with the next thing to type, where there is one and the error does not have it yet. */
export async function withHint(error: CliError, attempt: Attempt, client: AdminClient | null): Promise<CliError> {
  if (error.hint !== null) return error;
  const hint = (await nameHint(error, attempt, client)) ?? hintFor(error.code, attempt);
  if (hint === null) return error;
  return new CliError(error.exit, error.message, { code: error.code, hint, cause: error.cause });
}

function hintFor(code: string, { verb, service, group }: Attempt): string | null {
  switch (code) {
    case 'unauthorized':
      return 'give a token by --token-file FILE or TEALGATE_TOKEN';
    case 'forbidden':
      return 'this needs a token whose role is operator: --token-file FILE or TEALGATE_TOKEN';
    case 'precondition_failed':
      return `tealgate status ${service ?? ''} shows the current version; then try again with --if-version`;
    case 'timeout':
      return service === null ? null : `tealgate status ${service} --watch`;
    case 'refused_by_gate':
      if (group !== null) return `tealgate rollout status --group ${group} shows the gate`;
      return `tealgate rollout status ${service} shows the gate; tealgate rollout retry ${service} asks it again`;
    case 'conflict':
    case 'store_conflict':
      if (group !== null) return `tealgate rollout status --group ${group}`;
      return service === null ? null : conflictHint(verb, service);
    case 'bad_request':
      return `tealgate ${verb} --help`;
    case 'invalid_config':
      return 'tealgate check FILE shows each mistake with its line';
    case 'unavailable':
      // A gate that could not start is about neither.
      return verb === 'run' ? null : 'the gate is starting or shutting down: tealgate healthcheck';
    default:
      return null;
  }
}

function conflictHint(verb: string, service: string): string {
  switch (verb) {
    case 'switch':
      return `tealgate status ${service} shows why; --force switches although no target answers`;
    case 'rollout start':
      return `tealgate status ${service} shows the stable side and the rollout, if there is one`;
    case 'undo':
    case 'rollout undo':
    case 'rollout promote':
    case 'rollout pause':
    case 'rollout resume':
    case 'rollout retry':
    case 'rollout abort':
      return `tealgate rollout status ${service}`;
    default:
      return `tealgate rollout status ${service}; a running rollout ends by rollout promote ${service} or rollout abort ${service}`;
  }
}

/** For a name that does not exist: the one that was meant, or those that do. */
async function nameHint(error: CliError, attempt: Attempt, client: AdminClient | null): Promise<string | null> {
  if (error.code !== 'not_found' || attempt.service === null || client === null) return null;
  const services = await client.overview().then(
    (overview) => Object.keys(overview.services),
    // Only the hint would be lost; the error itself is shown in any case.
    (): string[] => [],
  );
  if (services.includes(attempt.service)) return `tealgate status ${attempt.service}`;
  const meant = suggest(attempt.service, services);
  if (meant !== null) return `did you mean ${meant}? tealgate ${attempt.verb} ${meant}`;
  return services.length === 0 ? null : `services here: ${services.join(', ')}`;
}
