import { readBody, refuse } from './body.ts';
import { checkTargets } from './checks/service.ts';
import { targetsSchema } from './schema.ts';

export { parseTargetUrl } from './target-url.ts';

/**
 * A list of target URLs, each in its one spelling. `forbidden` is where the admin endpoint listens.
 * The list may be empty: whether an upstream may be is for the caller, who knows its weight. Throws `bad_request` naming
 * each mistake and its mend.
 */
export function parseTargets(
  input: unknown,
  forbidden: { readonly adminHost: string; readonly adminPort: number } | null,
): readonly string[] {
  const targets = readBody(targetsSchema, input, 'the list of targets');
  const admin = forbidden === null ? null : { host: forbidden.adminHost.toLowerCase(), port: forbidden.adminPort };
  const findings = checkTargets(targets, admin);
  if (findings.length > 0) refuse('the list of targets', findings);
  return targets;
}
