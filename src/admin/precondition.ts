import type { Command } from '../app/control-plane.ts';
import { TealgateError } from '../platform/errors.ts';
import type { RouteRequest } from './route.ts';

/** Entity tag of a service's version. */
export function etagOf(version: number): string {
  return `"${version}"`;
}

/**
 * Who commands, and the version they have seen. `If-Match: *` asks only that the service exists; of several tags the
 * current one counts. Throws `precondition_failed` when none is current; the command itself checks again.
 */
export function commandOf(request: RouteRequest, currentVersion: () => number): Command {
  const actor = request.identity?.actor ?? 'unknown';
  const field = request.headers['if-match'];
  if (field === undefined) return { actor };
  const version = currentVersion();
  const tags = String(field)
    .split(',')
    .map((tag) => tag.trim());
  if (tags.includes('*')) return { actor };
  // Bare digits are taken for the version they name: nothing else could be meant.
  if (tags.includes(etagOf(version)) || tags.includes(String(version))) return { actor, ifVersion: version };
  throw new TealgateError('precondition_failed', `the service is at version ${version}; look at it and try again`);
}
