/** What a service answers to. */
export interface Matchable {
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  /** Further exact hosts that it answers to, even where `hosts` is empty. */
  readonly previewHosts?: readonly string[];
}

interface PathEntry<T> {
  readonly prefix: string;
  readonly service: T;
}

/** Longest prefix first. */
type PathTable<T> = readonly PathEntry<T>[];

/**
 * Finds the service of a request: by exact host, then by the longest matching `*.suffix`, then among services for any
 * host; within a host by the longest path prefix on whole segments (`/api` matches `/api` and `/api/x`, not `/apix`).
 * Cost does not grow with the number of hosts.
 */
export class ServiceMatcher<T extends Matchable> {
  readonly #exact = new Map<string, PathEntry<T>[]>();
  readonly #suffixes = new Map<string, PathEntry<T>[]>();
  readonly #any: PathEntry<T>[] = [];
  /** The one service that takes every request, if there is just that; saves reading host and path. */
  readonly only: T | null;

  constructor(services: readonly T[]) {
    for (const service of services) this.#add(service);
    for (const table of [...this.#exact.values(), ...this.#suffixes.values(), this.#any]) {
      table.sort((a, b) => b.prefix.length - a.prefix.length);
    }
    const first = services[0];
    const catchesAll = first !== undefined && first.hosts.length === 0 && first.paths.includes('/');
    this.only = services.length === 1 && catchesAll ? first : null;
  }

  /** `host`: lower-case, without port. `path`: up to `?`. Null when no service matches. */
  match(host: string, path: string): T | null {
    return (
      longestPrefix(this.#exact.get(host), path) ?? this.#matchSuffix(host, path) ?? longestPrefix(this.#any, path)
    );
  }

  #matchSuffix(host: string, path: string): T | null {
    if (this.#suffixes.size === 0) return null;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const found = longestPrefix(this.#suffixes.get(host.slice(dot)), path);
      if (found !== null) return found;
    }
    return null;
  }

  #add(service: T): void {
    const entries = service.paths.map((prefix) => ({ prefix, service }));
    if (service.hosts.length === 0) this.#any.push(...entries);
    for (const host of [...service.hosts, ...(service.previewHosts ?? [])]) {
      const wildcard = host.startsWith('*.');
      const tables = wildcard ? this.#suffixes : this.#exact;
      const key = wildcard ? host.slice(1) : host;
      const table = tables.get(key);
      if (table === undefined) tables.set(key, [...entries]);
      else table.push(...entries);
    }
  }
}

function longestPrefix<T>(table: PathTable<T> | undefined, path: string): T | null {
  if (table === undefined) return null;
  for (const { prefix, service } of table) if (hasPrefix(path, prefix)) return service;
  return null;
}

/** Whether a path lies under a prefix, on whole segments. */
export function hasPrefix(path: string, prefix: string): boolean {
  if (prefix === '/') return true;
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix.endsWith('/') || path.charCodeAt(prefix.length) === 0x2f;
}
